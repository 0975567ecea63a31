"""The small captures of the command line's tests."""

from __future__ import annotations

from cli.conftest import wavenet

__all__ = ["wavenet"]
