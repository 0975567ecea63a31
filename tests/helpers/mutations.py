"""Damage to files: what a bad disk, a bad editor or a bad person does to bytes, the same for equal seeds."""

from __future__ import annotations

import base64
import copy
import random
import zlib
from typing import Any

_NUMBERS = (b"\xff" * 8, bytes(8), b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80", b"\x00\x00\x00\x00\x00\x00\x00\x80")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """``data`` with bits or bytes changed, cut off, left out, put in or moved."""
    changed = bytearray(data)
    at = rng.randrange(len(data))
    match rng.randrange(7):
        case 0:
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            return data[:at]
        case 2:  # where most headers are
            changed[rng.randrange(min(64, len(data)))] = rng.randrange(256)
        case 3:
            number = rng.choice((*_NUMBERS, rng.randbytes(8), rng.randbytes(4)))
            changed[at : at + len(number)] = number
        case 4:
            del changed[at : at + rng.randint(1, 40)]
        case 5:
            changed[at:at] = rng.randbytes(rng.randint(1, 40))
        case _:
            length = rng.randint(1, 80)
            changed[at : at + length] = data[(other := rng.randrange(len(data))) : other + length]
    return bytes(changed)


_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "none", "\n\x1b[31m", "x" * 100_000, [], {}, [[[[[]]]]], {"a": {"b": []}}, [None] * 50),
    *(0, 1, -1, 3, 2**31, 2**32, 2**63, 10**30, -(10**400), 0.5, 1e308, 1060205056),
    base64.b64encode(zlib.compress(bytes(1 << 24))).decode(),
)


def altered(document: Any, rng: random.Random) -> Any:
    """A JSON document with one value replaced, left out, repeated, moved, or off by a little."""
    result = copy.deepcopy(document)
    holder = result
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key: Any = rng.choice(keys)
        below = holder[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.15:
            break
        holder = below
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(rng.choice(holder)))
        case 2 if isinstance(below, int):
            holder[key] = below + rng.choice((-64, -4, -1, 1, 4, 64, below))
        case 3 if isinstance(below, str) and below:
            holder[key] = below[: rng.randrange(len(below))] + rng.choice(("", "0", "x"))
        case 4:
            holder[key] = copy.deepcopy(holder[rng.choice(keys)])
        case _:
            holder[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
    return result
