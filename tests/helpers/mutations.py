"""Damage to files: what a bad disk, a bad editor or a bad person does to bytes, the same for equal seeds."""

from __future__ import annotations

import random

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
