"""Putting a file's own content into one line of text without trusting it."""

from __future__ import annotations

import math
import reprlib

from schedc.errors import one_line

LONGEST_QUOTE = 40  # characters


def quoted(raw: object) -> str:
    """A JSON value as a message shows it: short, on one line; objects and arrays by their kind."""
    if raw is None or isinstance(raw, bool):
        return {None: "null", True: "true", False: "false"}[raw]
    if isinstance(raw, dict):
        return "an object"
    if isinstance(raw, list):
        return f"an array of {len(raw)}"
    if isinstance(raw, str):
        return repr(raw) if len(raw) <= LONGEST_QUOTE else repr(raw[:LONGEST_QUOTE]) + "..."
    if raw in (math.inf, -math.inf):
        return "a number beyond the range of a double"
    digits = repr(raw)
    return digits if len(digits) <= LONGEST_QUOTE else digits[:LONGEST_QUOTE] + "..."


def step(path: str, key: str) -> str:
    """The JSON path of ``key`` inside ``path`` (the root is the empty path)."""
    if not (key.isidentifier() and len(key) <= LONGEST_QUOTE):
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key


def place(name: str, path: str) -> str:
    """``FILE:json.path``, or the file alone for the root."""
    return f"{one_line(name)}:{path}" if path else one_line(name)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = LONGEST_QUOTE


def shown(value: object) -> str:
    """Any Python value as a message shows it: short, on one line."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # of a number with thousands of digits
        text = f"a {type(value).__name__} with thousands of digits"
    return one_line(" ".join(text.split()))
