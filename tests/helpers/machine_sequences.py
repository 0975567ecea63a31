"""Tiny Thumb-2 sequences: text -> bytes, checked against capstone when they are used."""

from __future__ import annotations

import capstone

from schedc.analysis.disassembly_arm import ARM_A, THUMB_M, decode_arm
from schedc.analysis.instructions import Instruction

THUMB = {
    "vfma.f32 s0, s1, s2": "a0ee810a",
    "vfma.f32 s3, s1, s2": "e0ee811a",
    "vmul.f32 s0, s1, s2": "20ee810a",
    "vmul.f32 s3, s1, s2": "60ee811a",
    "vadd.f32 s0, s0, s3": "30ee210a",
    "vadd.f32 s4, s4, s3": "32ee212a",
    "vldr s1, [r0]": "d0ed000a",
    "vstr s0, [r1]": "81ed000a",
    "ldr r2, [r0]": "0268",
    "str r2, [r1]": "0a60",
    "adds r2, #1": "0132",
    "add r3, r4": "2344",
    "add.w r3, r3, r4, lsl #1": "03eb4403",
    "subs r7, #1": "013f",
    "nop": "00bf",
    "bne #0": "fed1",
    "ldrd r2, r3, [r0]": "d0e90023",
    "vpush {d8, d9}": "2ded048b",
}
NEON = {
    "vmla.f32 q0, q1, q2": "540d02f2",
    "vmul.f32 q3, q1, q2": "546d02f3",
    "vadd.f32 q0, q0, q3": "460d00f2",
    "vld1.32 {d4, d5}, [r0]": "8f4a20f4",
    "vmul.f32 s0, s1, s2": "810a20ee",
    "add r1, r1, #4": "041081e2",
}


def assemble(texts: list[str], table: dict[str, str] = THUMB) -> list[Instruction]:
    """The decoded instructions; a wrong constant fails here."""
    engine = capstone.Cs(*(THUMB_M if table is THUMB else ARM_A))
    engine.detail = True
    result = []
    for text in texts:
        found = next(engine.disasm(bytes.fromhex(table[text]), 0, 1))
        assert f"{found.mnemonic} {found.op_str}".rstrip() == text, f"{found.mnemonic} {found.op_str}"
        result.append(decode_arm(found, False))
    return result
