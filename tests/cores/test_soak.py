"""A short soak; ``python tests/cores/soak.py`` is the long one (10 million frames)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from helpers.effort import FACTOR

_SPEC = importlib.util.spec_from_file_location("soak", Path(__file__).parent / "soak.py")
assert _SPEC and _SPEC.loader
soak_module = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(soak_module)


@pytest.mark.parametrize("cores", [2, 3])
def test_many_frames_in_calls_of_random_sizes(cores: int) -> None:
    frames = 300_000 * max(FACTOR, 1)
    assert soak_module.soak(soak_module.CAPTURE, frames, cores).startswith(f"{frames} frames")
