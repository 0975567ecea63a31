"""A Linear capture: noise that dies away.  ``python tests/helpers/linear_capture.py TAPS FILE.nam`` writes one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def linear_text(taps: int, channels: int = 1) -> str:
    """The text of a ``.nam`` file; every channel goes through the same ``taps`` coefficients."""
    decay = np.exp(-np.arange(taps) / (taps / 6))
    weights = np.random.default_rng(taps).normal(0.0, 0.2, taps) * decay
    config = {"receptive_field": taps, "bias": False, "in_channels": channels, "out_channels": channels}
    values = [float(weight) for weight in weights.astype(np.float32)]
    document = {"version": "0.7.0", "architecture": "Linear", "config": config, "weights": values}
    return json.dumps({**document, "sample_rate": 48000})


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(linear_text(int(sys.argv[1])), encoding="utf-8")
