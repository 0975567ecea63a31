"""What a piece of code takes, counted so that neither the machine's load nor other threads matter."""

from __future__ import annotations

import cProfile
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(work: Callable[[], object]) -> int:
    """Lines of Python, each round of a comprehension counted, that ``work`` runs in this thread."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def calls_made(work: Callable[[], object]) -> int:
    """Calls of functions, of Python's own too, that ``work`` makes in this thread; a million take some 0.2 s."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        work()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def peak_bytes(work: Callable[[], object], enough: float, tries: int = 20) -> int:
    """The most that ``work`` holds of Python's memory at a time: the least of a few tries, until one is below
    ``enough``.  What other threads allocate is counted too, but not in every try.
    """
    least = sys.maxsize
    for _ in range(tries):
        tracemalloc.start()
        try:
            work()
            least = min(least, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        if least < enough:
            break
    return least
