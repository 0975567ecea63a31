"""The fixtures of the command line's tests."""

from __future__ import annotations

from cli.conftest import linear, run, stereo_linear, wav, wavenet

__all__ = ["linear", "run", "stereo_linear", "wav", "wavenet"]
