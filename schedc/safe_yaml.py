"""YAML that anybody may have written, as plain values: bounded, and read the one way that people mean it.

A subset of YAML: mappings with names as keys, lists, strings, ``true``, ``false``, ``null`` and decimal numbers.
Aliases and tags are refused, for a few of them make a document of any size and type; so is a plain word or number that
versions of YAML read differently (``yes``, ``0x10``, ``010``, ``1_000``, ``1:30``, a date).  Imports only
:mod:`schedc.errors`, so that target descriptions may use it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from schedc.errors import UserError

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events from C, ten times faster
_MOST_VALUES = 200_000
_DEEPEST = 20
_LONGEST = 40  # characters of a value in a message
_DIGITS = 18  # of a whole number
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# What YAML 1.1 takes for a boolean, a number, a time, a merge or a default; what 1.2 takes for other numbers.
_AMBIGUOUS = re.compile(
    r"yes|no|on|off|<<|=|[-+]?(?:0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|\.(?:inf|nan)|\.[0-9_]+(?:e[-+]?[0-9_]+)?"
    r"|[0-9][0-9_]*(?::[0-9_]+)*(?:\.[0-9_]*)?(?:e[-+]?[0-9_]+)?)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE | re.DOTALL,
)


def read_yaml(text: bytes, where: str) -> Plain:
    """The one document in ``text``; UserError, about ``where`` and a line of it, for anything else."""
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER), where).document()
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise UserError(where, f"is not YAML: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or not problem:
        return str(error)[:200].partition("\n")[0]
    return f"line {mark.line + 1}: {problem}"


class _Reader:
    """Builds values from a parser's events; nothing is kept that is not in the result."""

    def __init__(self, events: Iterator[Any], where: str) -> None:
        self._events, self._where, self._values = events, where, 0

    def document(self) -> Plain:
        result: Plain = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document")
                result = self._value(next(self._events), 1)
        return result

    def _value(self, event: Any, depth: int) -> Plain:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise self._refusal(event, f"more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise self._refusal(event, f"lists and mappings nest deeper than {_DEEPEST}")
        if isinstance(event, yaml.AliasEvent):
            raise self._refusal(event, f"an alias, {_shown(str(event.anchor))}", "write it out")
        tag: str = event.tag or "!"
        if tag != "!":
            raise self._refusal(event, f"a tag ({tag[:_LONGEST]})", "leave it out")
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(entry, depth + 1) for entry in self._until(yaml.SequenceEndEvent)]
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        return self._scalar(event)

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise self._refusal(event, "a key that is no name", "quote it if it is one")
            if key in result:
                raise self._refusal(event, f"key {_shown(key)} appears more than once")
            result[key] = self._value(next(self._events), depth + 1)
        return result

    def _until(self, end: type) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _scalar(self, event: Any) -> Plain:
        text: str = event.value
        if event.style or event.tag == "!":  # quoted, or a block of text
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _DECIMAL.fullmatch(text):
            return self._number(event, text)
        if _AMBIGUOUS.fullmatch(text):
            remedy = "write true, false, null or a decimal number, or put it in quotes"
            raise self._refusal(event, f"{_shown(text)} is not the same in all versions of YAML", remedy)
        return text

    def _number(self, event: Any, text: str) -> int | float:
        if _WHOLE.fullmatch(text) and len(text) <= _DIGITS:
            return int(text)
        number = math.inf if _WHOLE.fullmatch(text) else float(text)
        if math.isinf(number):
            raise self._refusal(event, f"{_shown(text)} is too large a number")
        return number

    def _refusal(self, event: Any, what: str, remedy: str = "") -> UserError:
        return UserError(self._where, f"line {event.start_mark.line + 1}: {what}", remedy)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}..."
