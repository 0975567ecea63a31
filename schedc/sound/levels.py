"""How loud samples are, by pieces."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


class Levels:
    """``peak``: the largest magnitude so far, full scale = 1.0."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._squares, self._samples = 0.0, 0

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        """Further samples, of any shape."""
        wide = rows.astype(np.float64).reshape(-1)
        self.peak = max(self.peak, float(np.max(np.abs(wide), initial=0.0)))
        self._squares += float(wide @ wide)
        self._samples += wide.size

    @property
    def rms(self) -> float:
        return math.sqrt(self._squares / max(1, self._samples))

    def __str__(self) -> str:
        """Peak, and loudness as captures state theirs: 20 log10 of the RMS."""
        if not self.peak:
            return "silent"
        return f"peak {_decibels(self.peak)} dBFS, loudness {_decibels(self.rms)} dB (RMS)"


def _decibels(ratio: float) -> str:
    return f"{20 * math.log10(ratio):.1f}" if ratio else "-inf"
