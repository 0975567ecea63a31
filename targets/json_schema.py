"""The keys of a target description as JSON Schema, for editors and other programs."""

from __future__ import annotations

from typing import Any

from schedc.targets.keys import DESCRIPTION, Key, Table

_NUMBER = {"type": "number"}
_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "word": {"type": "string"},
    "flag": {"type": "boolean"},
    "whole number": {"type": "integer"},
    "number": _NUMBER,
}


def json_schema() -> dict[str, Any]:
    """Of a file that may be ``based_on`` another: nothing is required, and null takes a key out."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "schedc target",
        **_table(DESCRIPTION),
        "type": "object",
    }


def _table(table: Table) -> dict[str, Any]:
    properties = {name: _key(inner) if isinstance(inner, Key) else _table(inner) for name, inner in table.items()}
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties}


def _key(key: Key) -> dict[str, Any]:
    described = {"description": f"{key.meaning} ({key.unit})" if key.unit else key.meaning}
    if key.kind == "fact":
        value = {"type": "integer"} if key.whole else _NUMBER
        return {**described, **_row({"value": {**value, **_bounds(key)}}, ["value", "source"])}
    if key.kind == "timing":
        numbers = {name: {**_NUMBER, **_bounds(key)} for name in ("issue", "latency", "blocks")}
        return {**described, **_row(numbers, ["issue", "latency", "source"])}
    if key.kind == "words":
        items = {"type": "string", "enum": [*key.words]}
        return {**described, "type": ["array", "null"], "items": items, "minItems": 1, "uniqueItems": True}
    kind = _TYPES[key.kind]
    choice = {"enum": [*key.words, None]} if key.words else {}
    return {**described, **kind, "type": [kind["type"], "null"], **choice, **(_bounds(key) if key.most else {})}


def _row(numbers: dict[str, Any], required: list[str]) -> dict[str, Any]:
    properties = {**numbers, "source": {"type": "string", "minLength": 1}}
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties, "required": required}


def _bounds(key: Key) -> dict[str, float]:
    return {"minimum": key.least, "maximum": key.most}
