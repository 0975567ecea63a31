"""Bounded JSON: a file's bytes become Python values, or a reason why they do not.

Stricter than :mod:`json` (no duplicate keys, no ``NaN``), more lenient in two points that the C++
engine has too: a byte order mark is skipped, and bytes after the document only warn.  Size, depth
and the number of values are checked on the bytes, before anything is built from them.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field

from schedc.errors import ModelFileError, one_line
from schedc.files.inputs import check_size, read_input
from schedc.frontend.limits import (
    MAX_FILE_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_STRUCTURES,
    MAX_JSON_VALUES,
)
from schedc.wording import place, quoted, step

# An unterminated string runs to the end of the data, so that scanning stays linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_A_BRACKET = bytes(sorted(set(range(256)) - set(b"[]{}")))
_SPACE = re.compile(r"[ \t\r\n]*")
_NOT_A_CAPTURE = "give the path of a .nam capture"
_EXPORT = "export the capture again"


@dataclass(frozen=True)
class JsonDocument:
    """The root value, and the number of characters after it that are not white space."""

    root: object
    trailing_characters: int


@dataclass(frozen=True)
class _Flaw:
    """Stands in the parsed tree for a value that JSON does not allow, until its path is known."""

    what: str


@dataclass
class _Flaws:
    found: list[_Flaw] = field(default_factory=list)

    def note(self, what: str) -> _Flaw:
        self.found.append(_Flaw(what))
        return self.found[-1]

    def constant(self, literal: str) -> _Flaw:
        return self.note(f"{literal} is not a JSON number")

    def members(self, pairs: list[tuple[str, object]]) -> object:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                return self.note(f"key {quoted(key)} appears more than once")
            seen.add(key)
        return members


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a regular file of at most ``MAX_FILE_BYTES``; else ModelFileError."""
    return read_input(path, MAX_FILE_BYTES, "a capture", _NOT_A_CAPTURE, ModelFileError)


def parse_json(data: bytes, name: str) -> JsonDocument:
    """Parses ``data``; ModelFileError (naming ``name`` and the place) when it is not sound JSON."""
    check_size(len(data), MAX_FILE_BYTES, one_line(name), "a capture", _NOT_A_CAPTURE, ModelFileError)
    _check_limits(data, one_line(name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ModelFileError(one_line(name), f"not UTF-8 text (byte {problem.start})", _NOT_A_CAPTURE) from None
    flaws = _Flaws()
    decoder = json.JSONDecoder(parse_constant=flaws.constant, object_pairs_hook=flaws.members)
    start = _end_of_space(text, 0)
    try:
        root, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise ModelFileError(one_line(name), f"not JSON: {one_line(problem.msg)} ({where})", _EXPORT) from None
    except ValueError:
        raise ModelFileError(one_line(name), "holds an integer of thousands of digits", _EXPORT) from None
    if flaws.found:
        path, flaw = _locate(root)
        raise ModelFileError(place(name, path), flaw.what, _EXPORT)
    return JsonDocument(root, len(text) - _end_of_space(text, end))


def _check_limits(data: bytes, name: str) -> None:
    skeleton, strings = _without_strings(data, name)
    values = skeleton.count(b",")
    brackets = skeleton.translate(None, _NOT_A_BRACKET)
    structures = strings + len(brackets) // 2
    if structures > MAX_JSON_STRUCTURES:
        what = f"{structures} objects, arrays and strings are too many (limit {MAX_JSON_STRUCTURES})"
        raise ModelFileError(name, what, _NOT_A_CAPTURE)
    if values > MAX_JSON_VALUES:
        raise ModelFileError(name, f"{values} values are too many (limit {MAX_JSON_VALUES})", _NOT_A_CAPTURE)
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            what = f"objects and arrays nest too deeply (limit {MAX_JSON_DEPTH})"
            raise ModelFileError(name, what, _NOT_A_CAPTURE)


def _without_strings(data: bytes, name: str) -> tuple[bytes, int]:
    """The bytes outside of strings, and how many strings there are; no more are looked for than there may be."""
    pieces: list[bytes] = []
    end = 0
    for match in _STRING.finditer(data):
        pieces.append(data[end : match.start()])
        end = match.end()
        if len(pieces) > MAX_JSON_STRUCTURES:
            what = f"more than {MAX_JSON_STRUCTURES} strings are too many"
            raise ModelFileError(name, what, _NOT_A_CAPTURE)
    return b"".join([*pieces, data[end:]]), len(pieces)


def _end_of_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _locate(root: object) -> tuple[str, _Flaw]:
    """The first flaw in document order and its JSON path; there is at least one."""
    pending: list[tuple[str, object]] = [("", root)]
    while True:
        path, value = pending.pop()
        if isinstance(value, _Flaw):
            return path, value
        if isinstance(value, dict):
            pending.extend((step(path, key), value[key]) for key in reversed(value))
        if isinstance(value, list):
            flawed = [i for i, item in enumerate(value) if isinstance(item, dict | list | _Flaw)]
            pending.extend((f"{path}[{i}]", value[i]) for i in reversed(flawed))
