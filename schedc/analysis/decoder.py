"""Bytes to instructions: capstone is asked once for each form of an instruction.

A *form* is an instruction without its place, and in Thumb code, for the scalar floating-point arithmetic, loads and
stores that kernels consist of, without its floating-point registers: those are exchanged in what capstone said of the
form.  What reads otherwise in another place (branches) has no form and is decoded where it stands.
"""

from __future__ import annotations

import struct
import threading
from functools import lru_cache
from typing import Any

import capstone

from schedc.analysis.disassembly_aarch64 import AARCH64, decode_aarch64
from schedc.analysis.disassembly_arm import ARM_A, decode_arm
from schedc.analysis.instructions import Instruction

Mode = tuple[int, int]  # capstone's architecture and mode

_MOST_FORMS = 4096  # some 2 KB each
_ELSEWHERE = 0x1234  # where a form is decoded a second time, to see whether its place matters
# The fields of Sd, Sn and Sm in the two halfwords read as one word, and three registers in them.
_SD, _SN, _SM = 15 << 12 | 1 << 22, 15 << 16 | 1 << 7, 15 | 1 << 5
_S1, _S3, _S5 = 1 << 22, 1 << 16 | 1 << 7, 2 | 1 << 5


class _Engines(threading.local):
    """capstone's handles, each for one thread."""

    def __init__(self) -> None:
        self._made: dict[Mode, Any] = {}

    def of(self, mode: Mode) -> Any:
        if mode not in self._made:
            self._made[mode] = capstone.Cs(*mode)
            self._made[mode].detail = True
        return self._made[mode]


_engines = _Engines()


def decode(mode: Mode, data: bytes, address: int, in_it: bool = False) -> Instruction | None:
    """The instruction that ``data`` begins with, at ``address``; None if capstone knows none.

    ``in_it``: an IT instruction covers it.
    """
    raw = data[:4]
    if in_it:
        return _asked(mode, raw, address, in_it)
    if mode not in (AARCH64, ARM_A) and len(data) >= 4:
        first = data[0] | data[1] << 8
        if first < 0xE800:
            raw = data[:2]
        elif 0xED00 <= first < 0xEF00 or first >= 0xFE00:
            found = _with_registers(mode, first << 16 | data[2] | data[3] << 8, address)
            if found:
                return found
    form = _form(mode, raw)
    return _asked(mode, raw, address, in_it) if form is None else form.changed(address=address)


@lru_cache(_MOST_FORMS)
def _form(mode: Mode, raw: bytes) -> Instruction | None:
    """The instruction at address 0, None if there is none or its place matters."""
    here = _asked(mode, raw, 0, False)
    if here is None or here.pinned:
        return None
    if mode == AARCH64 and "#" in here.operands and here.access is None:  # a number, or an address as PRFM has one
        there = _asked(mode, raw, _ELSEWHERE, False)
        return here if there and there.changed(address=0) == here else None
    return here


def _asked(mode: Mode, raw: bytes, address: int, in_it: bool) -> Instruction | None:
    found = next(_engines.of(mode).disasm(raw, address, 1), None)
    if found is None:
        return None
    return decode_aarch64(found) if mode == AARCH64 else decode_arm(found, in_it)


def _with_registers(mode: Mode, word: int, address: int) -> Instruction | None:
    """A scalar instruction, its halfwords read as one ``word``, from a form with other registers; None without one.

    VLDR and VSTR have Sd; data processing has Sd, Sn and Sm, or no Sn (Arm ARM, A5 of DDI0553: opc1 is 1x11).
    """
    if word & 0xFF200F00 == 0xED000A00:
        form = _scalar_form(mode, word & ~_SD | _S1, "s1, [")
    elif word & 0xEF000F10 != 0xEE000A00:
        return None
    elif word & 0x00B00000 == 0x00B00000:
        form = _scalar_form(mode, word & ~(_SD | _SM) | _S1 | _S5, "s1, s5")
    else:
        form = _scalar_form(mode, word & ~(_SD | _SN | _SM) | _S1 | _S3 | _S5, "s1, s3, s5")
    if form is None:
        return None
    d, n, m = word >> 11 & 30 | word >> 22 & 1, word >> 15 & 30 | word >> 7 & 1, word << 1 & 30 | word >> 5 & 1
    names = {"s1": f"s{d}", "s3": f"s{n}", "s5": f"s{m}"}
    exchanged = names.get
    return form.changed(
        address=address,
        operands=", ".join([exchanged(text, text) for text in form.operands.split(", ")]),
        reads=tuple(dict.fromkeys([exchanged(unit, unit) for unit in form.reads])),
        writes=tuple([exchanged(unit, unit) for unit in form.writes]),
        chained=tuple([exchanged(unit, unit) for unit in form.chained]),
        data=tuple([exchanged(unit, unit) for unit in form.data]),
    )


@lru_cache(_MOST_FORMS)
def _scalar_form(mode: Mode, word: int, begin: str) -> Instruction | None:
    """The form of an instruction of s1, or of s1, s3 and s5; None if its operands do not ``begin`` so."""
    form = _asked(mode, struct.pack("<HH", word >> 16, word & 0xFFFF), 0, False)
    return form if form and not form.pinned and form.operands.startswith(begin) else None
