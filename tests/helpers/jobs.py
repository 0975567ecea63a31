"""Jobs for tests of worker processes, which must be importable there."""

from __future__ import annotations

import os


def ten_over(number: int) -> float:
    """An error for 0, the end of the process for a negative number."""
    if number < 0:
        os._exit(1)
    return 10 / number


def plus(number: int, shared: int) -> int:
    return number + shared
