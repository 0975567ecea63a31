"""Scalar floating-point instructions of Thumb-2 with other registers.

The operands are ``d, n, m`` in the fields D:22 Vd:15-12, N:7 Vn:19-16 and M:5 Vm:3-0 of the two halfwords
read as one word; a single-precision register's number is field then bit (Arm ARM, A7 of DDI0553).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.errors import InternalError

_FIELDS = {"d": (12, 22), "n": (16, 7), "m": (0, 5)}


def encode_registers(
    code: bytes, instruction: Instruction, reads: Mapping[str, str], writes: Mapping[str, str]
) -> bytes:
    """``code`` with the registers it reads and writes exchanged by ``reads`` and ``writes``."""
    if not reads and not writes:
        return code
    names = [text for text in instruction.operands.split(", ") if text[0] == "s" and text[1:].isdigit()]
    if len(code) != 4 or not 1 <= len(names) <= 3:
        raise InternalError(f"{instruction.text} is not a scalar floating-point instruction")
    fields = {1: "d", 2: "dm", 3: "dnm"}[len(names)]
    first, second = struct.unpack("<HH", code)
    word = first << 16 | second
    writes_first = instruction.kind not in (k.FLOAT_STORE, k.FLOAT_COMPARE)
    for position, (name, field) in enumerate(zip(names, fields, strict=True)):
        table = writes if position == 0 and writes_first else reads
        number = int(table.get(name, name)[1:])
        high, low = _FIELDS[field]
        if _number(word, high, low) != int(name[1:]):
            raise InternalError(f"{instruction.text} has not the usual encoding")
        word = word & ~(0xF << high | 1 << low) | (number >> 1) << high | (number & 1) << low
    return struct.pack("<HH", word >> 16, word & 0xFFFF)


def _number(word: int, high: int, low: int) -> int:
    return (word >> high & 0xF) << 1 | word >> low & 1
