"""What a processor is to play next, and how it fades over to it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schedc.host.job_table import FloatArray
from schedc.host.voice import Voice

MOST_FADE = 1 << 22  # samples


class Cue(NamedTuple):
    """A voice to be played from the next block on.

    ``gains``: of the old voice and the new one while they fade, [2, samples]; ``abrupt``: without the
    samples that the old voice's threads still hold.
    """

    voice: Voice
    gains: FloatArray
    abrupt: bool = False

    def samples(self, latency: int) -> int:
        """How long the old and the new voice run side by side."""
        fade: int = self.gains.shape[1]
        return fade if self.abrupt else fade + latency


def fade_gains(count: int) -> FloatArray:
    """Equal power: cos and sin of a quarter turn, [2, count]."""
    angle = np.pi / 2 * np.arange(1, count + 1) / (count + 1)
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


NO_GAINS = fade_gains(0)
