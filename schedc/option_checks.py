"""What the value of an option may be: checks, each of which names the option, the fault and the remedy."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, TypeVar

from schedc.errors import OptionError
from schedc.files.paths import path_text
from schedc.frontend.limits import MAX_SIZE
from schedc.wording import shown

Check = Callable[[str, Any], object]  # the option's name and a value to what is taken for it; or OptionError


def whole_number(name: str, value: Any, unit: str, least: int, most: int) -> int:
    """``value`` as an int between ``least`` and ``most``; OptionError for anything else."""
    if isinstance(value, bool):
        raise OptionError(name, f"{value} is not a number", f"give {least} to {most}")
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(name, f"{shown(value)} is not a whole number", f"give {least} to {most}") from None
    if not least <= number <= most:
        raise OptionError(name, f"{shown(number)} {unit}", f"give {least} to {most}")
    return number


def count(unit: str, most: int) -> Check:
    """1 to ``most``, or None."""

    def check(name: str, value: Any) -> int | None:
        return None if value is None else whole_number(name, value, unit, 1, most)

    return check


def word(what: str, *words: str, may_be_none: bool = False) -> Check:
    """One of ``words``, each of which is ``what``."""

    def check(name: str, value: Any) -> str | None:
        if value is None and may_be_none:
            return None
        if not isinstance(value, str) or value not in words:
            raise OptionError(name, f"{shown(value)} is not {what}", f"use {', '.join(words[:-1])} or {words[-1]}")
        return str(value)

    return check


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing like it."""
    if not isinstance(value, bool):
        raise OptionError(name, f"{shown(value)} is neither True nor False")
    return value


def _number(name: str, value: Any, remedy: str = "") -> float:
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise OptionError(name, f"{shown(value)} is not a number", remedy)


def size(name: str, value: Any) -> float | None:
    """0 to 1, or None."""
    remedy = "give a size from 0 (smallest) to 1 (full)"
    found = None if value is None else _number(name, value, remedy)
    if found is not None and not 0 <= found <= 1:
        raise OptionError(name, f"{shown(value)} is no size", remedy)
    return found


def whole_numbers(most: int) -> Check:
    """A list of so many at most."""

    def check(name: str, value: Any) -> tuple[int, ...]:
        return tuple(_each(name, value, "whole numbers", functools.partial(_whole_number, name), most))

    return check


def _whole_number(name: str, value: Any) -> int:
    number = operator.index(value)
    if abs(number) > MAX_SIZE:
        raise OptionError(name, f"{shown(value)} is too large")
    return number


def numbers(most: int) -> Check:
    """A list of so many at most."""

    def check(name: str, value: Any) -> tuple[float, ...]:
        return tuple(_each(name, value, "numbers", functools.partial(_number, name), most))

    return check


T = TypeVar("T")


def _each(name: str, value: Any, what: str, one: Callable[[Any], T], most: int) -> list[T]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise OptionError(name, f"{shown(value)} is not a list of {what}")
    if len(value) > most:
        raise OptionError(name, f"{len(value)} {what}", f"give at most {most}")
    try:
        return [one(item) for item in value]
    except (TypeError, OptionError):
        raise OptionError(name, f"{shown(value)} is not a list of {what}") from None


def file(name: str, value: Any) -> str | None:
    """A path, or None; whether there is such a file is seen when it is read."""
    return None if value is None else path_text(name, value)
