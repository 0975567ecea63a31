"""Resolve references inside one section: branches, calls and PC-relative constants.

Every reference is ``S + A - P`` as in the ELF supplements: ``S`` the symbol's place, ``A`` the addend (in
the instruction on ARM, in the entry elsewhere), ``P`` the place being patched; ``S`` and ``P`` are offsets
in the same section, so the load address cancels.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from schedc.errors import InternalError
from schedc.targets.instruction_sets import AARCH64, ARM, X86_64


@dataclass(frozen=True)
class Relocation:
    """Patch at ``place`` (bytes into the section) a reference to ``target`` (bit 0 set: Thumb code)."""

    place: int
    kind: int
    target: int
    addend: int | None
    symbol: str


def apply_relocations(machine: str, text: bytearray, relocations: Sequence[Relocation]) -> None:
    """Patch ``text`` in place; ``machine`` is pyelftools' ``e_machine``.

    Raises ``InternalError`` for a kind that has no meaning inside one section, and for a target out of reach.
    """
    if machine == AARCH64.elf_word:
        _check_page_pairs(relocations)
    for relocation in relocations:
        _PATCHES[machine](text, relocation)


def _word(text: bytearray, place: int) -> int:
    return int(struct.unpack_from("<I", text, place)[0])


def _store(text: bytearray, place: int, word: int) -> None:
    struct.pack_into("<I", text, place, word & 0xFFFFFFFF)


def _signed(value: int, bits: int) -> int:
    return (value & (1 << bits) - 1) - (value >> bits - 1 & 1) * (1 << bits)


def _fits(value: int, bits: int, unit: int, relocation: Relocation) -> int:
    """Check that ``value`` bytes is a multiple of ``unit`` and encodable in ``bits`` signed bits of units."""
    if value % unit or not -(1 << bits - 1) <= value // unit < 1 << bits - 1:
        raise InternalError(
            f"reference to {relocation.symbol!r} at {relocation.place:#x} is out of reach: {value} bytes"
        )
    return value // unit


def _unknown(machine: str, relocation: Relocation) -> InternalError:
    return InternalError(
        f"{machine} relocation {relocation.kind} against {relocation.symbol!r} at {relocation.place:#x} "
        "cannot be resolved inside one section"
    )


_ARM_REL32, _ARM_CALL, _ARM_JUMP24, _ARM_THM_CALL, _ARM_THM_JUMP24 = 3, 28, 29, 10, 30


def _patch_arm(text: bytearray, relocation: Relocation) -> None:
    word = _word(text, relocation.place)
    distance = relocation.target - relocation.place
    if relocation.kind == _ARM_REL32:
        _store(text, relocation.place, word + distance)
    elif relocation.kind in (_ARM_CALL, _ARM_JUMP24):
        if relocation.target & 1:
            raise InternalError(f"ARM code branches to the Thumb function {relocation.symbol!r}")
        offset = _fits((_signed(word, 24) << 2) + distance, 24, 4, relocation)
        _store(text, relocation.place, word & 0xFF000000 | offset & 0xFFFFFF)
    elif relocation.kind in (_ARM_THM_CALL, _ARM_THM_JUMP24):
        if not relocation.target & 1:
            raise InternalError(f"Thumb code branches to the ARM function {relocation.symbol!r}")
        first, second = struct.unpack_from("<HH", text, relocation.place)
        offset = _fits(_thumb_offset(first, second) + distance - 1, 24, 2, relocation)
        struct.pack_into("<HH", text, relocation.place, *_thumb_branch(first, second, offset))
    else:
        raise _unknown("ARM", relocation)


def _thumb_offset(first: int, second: int) -> int:
    """The byte offset in a Thumb BL or B.W (encoding T4: S:I1:I2:imm10:imm11:0, In = not(Jn xor S))."""
    sign = first >> 10 & 1
    i1, i2 = 1 ^ sign ^ (second >> 13 & 1), 1 ^ sign ^ (second >> 11 & 1)
    return _signed(sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1, 25)


def _thumb_branch(first: int, second: int, halfwords: int) -> tuple[int, int]:
    """The two halfwords of the same instruction with another offset."""
    sign = halfwords >> 23 & 1
    j1, j2 = 1 ^ sign ^ (halfwords >> 22 & 1), 1 ^ sign ^ (halfwords >> 21 & 1)
    high = first & 0xF800 | sign << 10 | halfwords >> 11 & 0x3FF
    return high, second & 0xD000 | j1 << 13 | j2 << 11 | halfwords & 0x7FF


_A64_PREL32, _A64_LITERAL19, _A64_ADR21, _A64_ADRP21, _A64_JUMP26, _A64_CALL26 = 261, 273, 274, 275, 282, 283
_A64_ADD_LO12, _A64_LOAD_LO12 = 277, (278, 284, 285, 286, 299)


def _check_page_pairs(relocations: Sequence[Relocation]) -> None:
    """Every low half must have its page half: then ADRP becomes ADR (the exact address), the low half zero.

    Pages depend on the load address, which this object must not; ADR reaches 1 MiB, far beyond a capture.
    """
    pages = {(r.target, r.addend) for r in relocations if r.kind == _A64_ADRP21}
    for r in relocations:
        if r.kind in (_A64_ADD_LO12, *_A64_LOAD_LO12) and (r.target, r.addend) not in pages:
            raise InternalError(f"low-half reference to {r.symbol!r} at {r.place:#x} without a page reference")


def _patch_aarch64(text: bytearray, relocation: Relocation) -> None:
    word = _word(text, relocation.place)
    distance = relocation.target + (relocation.addend or 0) - relocation.place
    if relocation.kind in (_A64_JUMP26, _A64_CALL26):
        word = word & 0xFC000000 | _fits(distance, 26, 4, relocation) & 0x3FFFFFF
    elif relocation.kind == _A64_LITERAL19:
        word = word & ~(0x7FFFF << 5) | (_fits(distance, 19, 4, relocation) & 0x7FFFF) << 5
    elif relocation.kind in (_A64_ADR21, _A64_ADRP21):
        offset = _fits(distance, 21, 1, relocation)
        adr = 0x10000000 | word & 0x1F  # destination register
        word = adr | (offset & 3) << 29 | (offset >> 2 & 0x7FFFF) << 5
    elif relocation.kind in (_A64_ADD_LO12, *_A64_LOAD_LO12):
        word &= ~(0xFFF << 10)
    elif relocation.kind == _A64_PREL32:
        word = distance
    else:
        raise _unknown("AArch64", relocation)
    _store(text, relocation.place, word)


_X86_PC32, _X86_PLT32 = 2, 4


def _patch_x86(text: bytearray, relocation: Relocation) -> None:
    if relocation.kind not in (_X86_PC32, _X86_PLT32):
        raise _unknown("x86-64", relocation)
    distance = relocation.target + (relocation.addend or 0) - relocation.place
    _store(text, relocation.place, _fits(distance, 32, 1, relocation))


_PATCHES = {ARM.elf_word: _patch_arm, AARCH64.elf_word: _patch_aarch64, X86_64.elf_word: _patch_x86}
