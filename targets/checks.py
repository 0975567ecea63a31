"""Holds a target description to :mod:`schedc.targets.keys`, key by key; :mod:`schedc.targets.rules` are about all.

Every fault is a UserError in one line: the file and the path of the key, what is wrong, what to write.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from schedc.errors import UserError
from schedc.targets.keys import DESCRIPTION, Key, Table

_LONGEST = 40  # characters of a value in a message


def check_keys(data: object, where: str) -> dict[str, Any]:
    """What a file states, as it states it: every key known, every value of its kind.  Nothing need be there.

    None stays None: it leaves out what would be inherited.
    """
    return _checked_table(data, DESCRIPTION, where, "")


def leaves(table: Table, path: str = "") -> Iterator[tuple[str, Key]]:
    """Every key that holds a value, by its path."""
    for name, inner in table.items():
        place = f"{path}.{name}" if path else name
        if isinstance(inner, Key):
            yield place, inner
        else:
            yield from leaves(inner, place)


def merged(base: Mapping[str, Any], own: Mapping[str, Any], table: Table = DESCRIPTION) -> dict[str, Any]:
    """``own`` over ``base``, key by key; None takes a key out."""
    result = dict(base)
    for key, value in own.items():
        inner = table[key]
        if value is None:
            result.pop(key, None)
        elif isinstance(inner, Key):
            result[key] = value
        else:
            result[key] = merged(base.get(key, {}), value, inner)
    return result


def _checked_table(data: object, table: Table, where: str, path: str) -> dict[str, Any]:
    place = f"{where}: {path}" if path else where
    if not isinstance(data, dict):
        what = "is empty" if data is None else f"{shown(data)} is not a table of keys"
        raise UserError(place, what, f"known: {_listed(table)}")
    for name in data:
        if name not in table:
            _unknown(place, name, table)
    return {
        name: _checked(value, table[name], where, f"{path}.{name}" if path else name) for name, value in data.items()
    }


def _checked(value: object, inner: Key | Table, where: str, path: str) -> Any:
    if value is None:
        return None
    if not isinstance(inner, Key):
        return _checked_table(value, inner, where, path)
    return _CHECKS[inner.kind](value, inner, f"{where}: {path}")


def _unknown(place: str, name: str, table: Table) -> NoReturn:
    names = [*table]
    elsewhere = {path.rpartition(".")[2]: path for path, _ in leaves(DESCRIPTION)}
    near = difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(name, elsewhere, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known: {_listed(table)}"
    if name in elsewhere:
        remedy = f"it is called {elsewhere[name]}"
    raise UserError(place, f"there is no key {shown(name)}", remedy)


def _text(value: object, key: Key, place: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        if key.default == "" and value == "":
            return ""
        raise UserError(place, f"{shown(value)} is not a text", _example(key))
    return value


def _word(value: object, key: Key, place: str) -> str:
    if not isinstance(value, str) or value not in key.words:
        words = [word for word in key.words if word]
        near = difflib.get_close_matches(str(value), words, n=1) if isinstance(value, str) else []
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(place, f"{shown(value)} is not known", f"{hint}use {one_of(words)}")
    return value


def _words(value: object, key: Key, place: str) -> list[str]:
    if not isinstance(value, list) or not value:
        what = "is empty" if value == [] else f"{shown(value)} is not a list"
        raise UserError(place, what, f"write [{', '.join(key.words)}] or one of them")
    found = [_word(item, key, place) for item in value]
    if len(set(found)) < len(found):
        raise UserError(place, f"names {' and '.join(found)}", "name each once")
    return found


def _flag(value: object, key: Key, place: str) -> bool:
    if not isinstance(value, bool):
        raise UserError(place, f"{shown(value)} is neither true nor false", _example(key))
    return value


def _whole_number(value: object, key: Key, place: str) -> int:
    number = _number(value, key, place)
    if number != int(number):
        raise UserError(place, f"{shown(value)} is not a whole number", _range(key))
    return int(number)


def _number(value: object, key: Key, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(place, f"{shown(value)} is not a number", _range(key))
    if not key.least <= value <= key.most:  # NaN neither
        raise UserError(place, f"{shown(value)} cannot be", _range(key))
    return value


def _fact(value: object, key: Key, place: str) -> dict[str, Any]:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        number = "..." if isinstance(value, str) else shown(value)
        remedy = f'write {{value: {number}, source: "where it is from, or guess"}}'
        raise UserError(place, f"{shown(value)} has no source", remedy)
    found = _row(value, place, ("value", "source"))
    check = _whole_number if key.whole else _number
    return {"value": check(found["value"], key, f"{place}.value"), "source": _source(found, place)}


def _timing(value: object, key: Key, place: str) -> dict[str, Any]:
    found = _row(value, place, ("issue", "latency", "source"), ("blocks",))
    numbers: dict[str, Any] = {
        name: _number(found[name], key, f"{place}.{name}") for name in ("issue", "latency", "blocks") if name in found
    }
    return {**numbers, "source": _source(found, place)}


def _row(value: object, place: str, needed: tuple[str, ...], others: tuple[str, ...] = ()) -> dict[str, Any]:
    form = f"write {{{', '.join(f'{name}: ...' for name in needed)}}}"
    if not isinstance(value, dict):
        raise UserError(place, f"{shown(value)} is not a table", form)
    for name in value:
        if name not in (*needed, *others):
            raise UserError(place, f"there is no key {shown(name)}", form)
    for name in needed:
        if value.get(name) is None:
            raise UserError(place, f"has no {name}", form)
    return value


def _source(row: Mapping[str, Any], place: str) -> str:
    if not isinstance(row["source"], str) or not row["source"].strip():
        raise UserError(f"{place}.source", f"{shown(row['source'])} is not a text", 'say where it is from, or "guess"')
    return row["source"]


_CHECKS: Mapping[str, Callable[[object, Key, str], object]] = {
    "text": _text,
    "word": _word,
    "words": _words,
    "flag": _flag,
    "whole number": _whole_number,
    "number": _number,
    "fact": _fact,
    "timing": _timing,
}


def shown(value: object) -> str:
    """A value as a message shows it: on one line, short."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
    )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def one_of(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``one of a, b, c``."""
    return " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"


def _range(key: Key) -> str:
    unit = f" {key.unit}" if key.unit else ""
    return f"give {key.least:,.15g} to {key.most:,.15g}{unit}"


def _example(key: Key) -> str:
    return "write true or false" if key.kind == "flag" else f"write {key.meaning}"


def _listed(table: Table) -> str:
    names = [*table]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
