"""What is decoded by forms is what capstone says of each instruction where it stands."""

from __future__ import annotations

import random

import pytest
from helpers.effort import FACTOR

from schedc.analysis import decoder
from schedc.analysis.decoder import Mode, decode
from schedc.analysis.disassembly_aarch64 import AARCH64
from schedc.analysis.disassembly_arm import ARM_A, THUMB_A, THUMB_M

# Scalar floating-point instructions: a word, and the bits that may be anything.
_SCALARS = [
    (0xEE000A00, 0x01FFF1FF),  # data processing
    (0xFE000A00, 0x01FFF1FF),  # VSEL, VMAXNM, ...
    (0xEEB00A40, 0x004FF0AF),  # of two operands
    (0xED000A00, 0x00FFF0FF),  # VLDR, VSTR, VLDM, ...
]
_MODES = [THUMB_M, THUMB_A, ARM_A, AARCH64]


def _words(mode: Mode, draw: random.Random, count: int) -> list[bytes]:
    words = []
    for number in range(count):
        word = draw.getrandbits(32)
        if mode in (THUMB_M, THUMB_A) and number % 3:
            base, free = draw.choice(_SCALARS)
            word = base | word & free
            word = word >> 16 | (word & 0xFFFF) << 16
        words.append(word.to_bytes(4, "little"))
    return words


@pytest.mark.parametrize("mode", _MODES, ids=["thumb_m", "thumb_a", "arm", "aarch64"])
def test_forms_are_what_capstone_says(mode: Mode) -> None:
    seed = random.randrange(2**32) if FACTOR else 1
    draw = random.Random(seed)
    for raw in _words(mode, draw, 1500 * max(FACTOR, 1)):
        address, in_it = draw.choice([0, 4, 0x1008, 0x20000]), not draw.randrange(9)
        in_it = in_it and mode in (THUMB_M, THUMB_A)
        try:
            wanted = decoder._asked(mode, raw, address, in_it)
        except (IndexError, ValueError):
            continue  # what this reader of capstone's operands does not know
        assert decode(mode, raw, address, in_it) == wanted, f"seed {seed}: {raw.hex()} at {address:#x}"


def test_forms_are_shared() -> None:
    """Other registers, and another place, ask capstone nothing more."""
    fma = [0xEEA00A81 | d << 22 | n << 16 for d in (0, 1) for n in range(16)]
    raws = [(word >> 16 | (word & 0xFFFF) << 16).to_bytes(4, "little") for word in fma]
    decode(THUMB_M, raws[0], 0)
    misses = decoder._scalar_form.cache_info().misses
    found = [decode(THUMB_M, raw, 4 * place) for place, raw in enumerate(raws)]
    assert decoder._scalar_form.cache_info().misses == misses
    assert len({one.operands for one in found if one}) == len(raws)
