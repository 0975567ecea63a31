"""Work for tests of worker processes, which must be importable there."""

from __future__ import annotations

import os
import threading
from typing import NoReturn


def ten_over(number: int) -> float:
    """An error for 0, the end of the process for a negative number."""
    if number < 0:
        os._exit(1)
    return 10 / number


def plus(number: int, shared: int) -> int:
    return number + shared


def hold(*_: object, **__: object) -> NoReturn:
    """Say so on standard output, and never end by itself."""
    os.write(1, b"at work\n")
    threading.Event().wait()
    raise AssertionError


def hold_but_the_first(number: int) -> str:
    return hold() if number else "done"
