"""Paths that callers hand over."""

from __future__ import annotations

import os
from contextlib import suppress

from schedc.errors import OptionError
from schedc.wording import shown

AnyPath = str | bytes | os.PathLike[str]


def path_text(name: str, value: object) -> str:
    """A path in any of the forms that ``open`` takes, but for numbers of open files; else OptionError."""
    if isinstance(value, str | bytes | os.PathLike):
        with suppress(TypeError):  # an object may give something else for its path
            return os.fsdecode(value)
    raise OptionError(name, f"{shown(value)} is not a path")
