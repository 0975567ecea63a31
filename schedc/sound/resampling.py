"""From one rate to another, by the package soxr, which need not be installed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from schedc.errors import UnsupportedError, UserError
from schedc.sound.files import FloatArray

_MOST_RATIO = 100  # of rates that are converted: 8 kHz for a model at 768 kHz


def check_ratio(name: str, rate_in: float, rate_out: float) -> None:
    """UserError for rates that are too far apart to be converted; ``name`` of the file at ``rate_in``."""
    if not 1 / _MOST_RATIO <= rate_in / rate_out <= _MOST_RATIO:
        what = f"is at {rate_in:.10g} Hz, the model runs at {rate_out:.10g} Hz: too far apart to be converted"
        raise UserError(name, what, f"give a file whose rate is at most {_MOST_RATIO} times higher or lower")


class Resampler:
    """Streams rows from one rate to another, time-aligned (soxr, very high quality).

    UnsupportedError if the package is not installed.
    """

    def __init__(self, rate_in: float, rate_out: float, channels: int) -> None:
        self._channels = channels
        self._stream: Any = load_soxr().ResampleStream(rate_in, rate_out, channels, dtype="float32", quality="VHQ")

    def process(self, rows: FloatArray, last: bool = False) -> FloatArray:
        """[channels, n] to [channels, about n * rate_out / rate_in]; ``last`` brings what is left."""
        frames = rows[0] if self._channels == 1 else rows.T
        result = self._stream.resample_chunk(np.ascontiguousarray(frames), last=last)
        return np.ascontiguousarray(np.atleast_2d(np.asarray(result, np.float32).T))


def load_soxr() -> Any:
    """The resampling library; UnsupportedError says how to get it."""
    try:
        return importlib.import_module("soxr")
    except ImportError as error:
        remedy = "install it with: pip install soxr"
        raise UnsupportedError("--resample", "needs the package soxr", remedy) from error
