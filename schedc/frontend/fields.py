"""Typed access to parsed JSON: every value knows its JSON path, every refusal names it.

A reader asks a :class:`Fields` for what it needs (``config.integer("channels")``); a value of the
wrong type or size raises :class:`ModelFileError` with file, path, what was wrong and a remedy.
Types are strict: ``3.0`` and ``true`` are not integers, ``1`` is not a boolean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn

import numpy as np

from schedc.errors import ModelFileError, UserError
from schedc.frontend.limits import (
    MAX_CHANNELS,
    MAX_HISTORY_FLOATS,
    MAX_LAYERS,
    MAX_SIZE,
    MAX_WARNINGS,
    MAX_WEIGHTS,
)
from schedc.wording import LONGEST_QUOTE, place, quoted, step

CORRECT = "correct it or export the capture again"
SMALLER = "no real capture is that large"


@dataclass
class FileReading:
    """One file being read: its name, its warnings, and what its documents have asked for so far.

    ``error`` and ``remedy``: what a refusal is, and what it tells to do where there is nothing better.
    """

    name: str
    warnings: list[str] = field(default_factory=list)
    layers: int = 0
    weights: int = 0
    history_floats: int = 0
    error: type[UserError] = ModelFileError
    remedy: str = CORRECT

    def warn(self, path: str, message: str) -> None:
        """Keeps ``FILE:path: message``; after ``MAX_WARNINGS`` only that there were more."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{place(self.name, path)}: {message}")
        elif len(self.warnings) == MAX_WARNINGS:
            self.warnings.append(f"{place(self.name, '')}: further warnings are left out")

    def count_layers(self, at: Value, layers: int) -> None:
        """Adds to the layers of the file; ModelFileError above ``MAX_LAYERS``."""
        self.layers += layers
        if self.layers > MAX_LAYERS:
            at.fail(f"brings the file to {self.layers} layers (limit {MAX_LAYERS})", SMALLER)

    def count_weights(self, at: Value, weights: int) -> None:
        """Adds to the weights the file needs; ModelFileError above ``MAX_WEIGHTS``."""
        self.weights += weights
        if self.weights > MAX_WEIGHTS:
            at.fail(f"brings the file to {quoted(self.weights)} weights (limit {MAX_WEIGHTS})", SMALLER)

    def count_history(self, at: Value, floats: int) -> None:
        """Adds to the float32 state the file needs; ModelFileError above ``MAX_HISTORY_FLOATS``."""
        self.history_floats += floats
        if self.history_floats > MAX_HISTORY_FLOATS:
            what = f"brings the file to {quoted(self.history_floats)} stored samples"
            at.fail(f"{what} (limit {MAX_HISTORY_FLOATS})", SMALLER)


@dataclass(frozen=True)
class Value:
    """A JSON value and its path; every method returns the value as one type or raises."""

    reading: FileReading
    path: str
    raw: object

    def fail(self, what: str, remedy: str = "") -> NoReturn:
        raise self.reading.error(place(self.reading.name, self.path), what, remedy or self.reading.remedy)

    def expected(self, what: str, remedy: str = "") -> NoReturn:
        self.fail(f"expected {what}, found {quoted(self.raw)}", remedy)

    def warn(self, message: str) -> None:
        self.reading.warn(self.path, message)

    def integer(self, minimum: int = 1, maximum: int = MAX_SIZE) -> int:
        if type(self.raw) is not int:
            self.expected("an integer")
        if not minimum <= self.raw <= maximum:
            self.expected(f"an integer from {minimum} to {maximum}")
        return self.raw

    def boolean(self) -> bool:
        if type(self.raw) is not bool:
            self.expected("true or false")
        return self.raw

    def string(self) -> str:
        if not isinstance(self.raw, str):
            self.expected("a string")
        return self.raw

    def number(self) -> float:
        """A finite double."""
        if type(self.raw) is not int and type(self.raw) is not float:
            self.expected("a number")
        try:
            number = float(self.raw)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.expected("a finite number")
        return number

    def float32(self) -> float:
        """A number rounded to float32, finite there too."""
        with np.errstate(over="ignore"):
            rounded = float(np.float32(self.number()))
        if not math.isfinite(rounded):
            self.expected("a number that is finite as float32")
        return rounded

    def items(self, at_most: int, at_least: int = 1) -> list[Value]:
        """The members of an array."""
        if not isinstance(self.raw, list):
            self.expected("an array")
        if not self.raw and at_least:
            self.fail("the array is empty")
        if len(self.raw) < at_least:
            self.fail(f"the array has {len(self.raw)} entries, not {at_least}")
        if len(self.raw) > at_most:
            self.fail(f"the array has {len(self.raw)} entries (limit {at_most})", SMALLER)
        return [Value(self.reading, f"{self.path}[{i}]", item) for i, item in enumerate(self.raw)]

    def fields(self) -> Fields:
        if not isinstance(self.raw, dict):
            self.expected("an object")
        return Fields(self, self.raw)

    def child(self, relative_path: str) -> Value:
        """A place below this one, for a message only."""
        path = f"{self.path}.{relative_path}" if self.path else relative_path
        return Value(self.reading, path, None)


@dataclass(frozen=True)
class Fields:
    """A JSON object.  The typed getters raise for a missing key unless a default is given."""

    value: Value
    raw: dict[str, object]

    def get(self, key: str) -> Value | None:
        """The member, or None when the key is missing."""
        if key not in self.raw:
            return None
        return Value(self.value.reading, step(self.value.path, key), self.raw[key])

    def get_unless_null(self, key: str) -> Value | None:
        """The member, or None when the key is missing or null."""
        return None if self.raw.get(key) is None else self.get(key)

    def require(self, key: str) -> Value:
        member = self.get(key)
        if member is None:
            Value(self.value.reading, step(self.value.path, key), None).fail("this key is missing")
        return member

    def integer(self, key: str, default: int | None = None, minimum: int = 1, maximum: int = MAX_SIZE) -> int:
        if default is not None and key not in self.raw:
            return default
        return self.require(key).integer(minimum, maximum)

    def width(self, key: str, default: int | None = None) -> int:
        """A number of channels or groups: 1 to ``MAX_CHANNELS``."""
        return self.integer(key, default, 1, MAX_CHANNELS)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        if default is not None and key not in self.raw:
            return default
        return self.require(key).boolean()

    def float32(self, key: str, default: float | None = None) -> float:
        if default is not None and key not in self.raw:
            return float(np.float32(default))
        return self.require(key).float32()

    def integers(self, key: str) -> tuple[int, ...]:
        """A non-empty array of integers of at least 1, at most one per layer of the largest model."""
        return tuple(item.integer() for item in self.require(key).items(MAX_LAYERS))

    def warn_unknown(self, known: tuple[str, ...], old_names: dict[str, str] | None = None) -> None:
        """One warning for every key that is not in ``known``, with the key that was probably meant."""
        for key in self.raw:
            if key in known or len(self.value.reading.warnings) > MAX_WARNINGS:
                continue
            close = get_close_matches(key, known, 1, 0.75) if len(key) <= LONGEST_QUOTE else []
            meant = (old_names or {}).get(key) or (close[0] if close else "")
            hint = f"; did you mean '{meant}'?" if meant else ""
            self.value.reading.warn(step(self.value.path, key), f"unknown key, ignored{hint}")
