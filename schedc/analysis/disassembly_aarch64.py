"""AArch64 instructions from capstone's to :class:`Instruction`."""

from __future__ import annotations

from typing import Any

import capstone
from capstone import arm64_const

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Access, Instruction

AARCH64 = (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
_KINDS = {
    **dict.fromkeys(("fmla", "fmls", "fmadd", "fmsub", "fnmadd", "fnmsub"), k.FMA),
    **dict.fromkeys(("fmul", "fnmul", "fmulx"), k.MUL),
    **dict.fromkeys(("fadd", "fsub", "faddp", "fabd"), k.ADD),
    **dict.fromkeys(("fdiv", "fsqrt"), k.DIVIDE),
    **dict.fromkeys(("fcmp", "fcmpe", "fccmp"), k.FLOAT_COMPARE),
    **dict.fromkeys(("fcmgt", "fcmge", "fcmeq", "fcmle", "fcmlt"), k.VECTOR_COMPARE),
    **dict.fromkeys(("fmax", "fmin", "fmaxnm", "fminnm"), k.VECTOR_COMPARE),
    **dict.fromkeys(("dup", "ext", "ins", "zip1", "zip2", "uzp1", "uzp2", "trn1", "trn2", "tbl"), k.PERMUTE),
    **dict.fromkeys(("madd", "msub", "mul", "mneg", "smull", "umull", "smulh", "umulh"), k.INT_MULTIPLY),
    **dict.fromkeys(("sdiv", "udiv"), k.INT_DIVIDE),
    **dict.fromkeys(("b", "br", "cbz", "cbnz", "tbz", "tbnz"), k.BRANCH),
    **dict.fromkeys(("bl", "blr"), k.CALL),
    **dict.fromkeys(("mrs", "msr"), k.FLOAT_STATUS),  # of FPCR and FPSR; code of ours has no other
    "ret": k.RETURN,
    "nop": k.NOP,
}
_READ_MODIFY = ("fmla", "fmls", "bsl", "bit", "bif", "movk", "bfi", "bfm", "bfxil", "ins")
_COMPARES = ("cmp", "cmn", "tst", "ccmp")
_SETS_FLAGS = (*_COMPARES, "adds", "subs", "ands", "bics", "negs", "adcs", "sbcs")
_READS_FLAGS = ("csel", "csinc", "csinv", "csneg", "cset", "csetm", "cinc", "fcsel", "adc", "sbc", "ccmp")
_BYTES = {"q": 16, "d": 8, "s": 4, "h": 2, "b": 1, "x": 8, "w": 4}


def _unit(name: str) -> str:
    """``w7`` is ``x7``; every view of a vector register is ``v``; the zero register is nothing."""
    if name in ("xzr", "wzr"):
        return ""
    if name in ("sp", "wsp"):
        return "sp"
    if name[0] in "qdshbv" and name[1:].isdigit():
        return f"v{name[1:]}"
    if name[0] == "w" and name[1:].isdigit():
        return f"x{name[1:]}"
    return {"fp": "x29", "lr": "x30"}.get(name, name)


def decode_aarch64(found: Any) -> Instruction:
    """Decode one of capstone's instructions (with details)."""
    base = str(found.mnemonic).split(".")[0]
    operands = list(found.operands)
    registers = [_unit(found.reg_name(op.reg)) if op.type == arm64_const.ARM64_OP_REG else "" for op in operands]
    if base.startswith(("ld", "st")):
        return _memory(found, base, operands, registers)
    kind = _kind(base, registers)
    has_result = base not in _COMPARES and kind not in (k.FLOAT_COMPARE, k.BRANCH, k.CALL, k.RETURN, k.NOP)
    writes = [registers[0]] if has_result and registers and registers[0] else []
    reads = [unit for index, unit in enumerate(registers) if unit and (index > 0 or not has_result)]
    # An insertion into a lane (``mov v0.s[1], ...``) keeps the rest.
    inserts = has_result and operands and operands[0].type == arm64_const.ARM64_OP_REG and operands[0].vector_index >= 0
    accumulator = base in _READ_MODIFY or inserts
    if accumulator:
        reads += writes
    conditional = base == "b" and found.mnemonic != "b"
    if base in _SETS_FLAGS or kind == k.FLOAT_COMPARE:
        writes.append("nzcv")
    if base in _READS_FLAGS or conditional:
        reads.append("nzcv")
    if kind == k.FLOAT_STATUS:
        (writes if base == "msr" else reads).append(found.op_str.replace(",", "").split()[base == "mrs"])
    if kind == k.CALL:
        writes.append("x30")
    if kind == k.RETURN:
        reads.append("x30")
    immediate = [int(op.imm) for op in operands if op.type == arm64_const.ARM64_OP_IMM]
    vector = any(op.type == arm64_const.ARM64_OP_REG and op.vas for op in operands)
    return Instruction(
        address=found.address,
        size=found.size,
        mnemonic=found.mnemonic,
        operands=found.op_str,
        kind=kind,
        reads=tuple(dict.fromkeys(reads)),
        writes=tuple(dict.fromkeys(writes)),
        chained=tuple(writes[:1]) if base in ("fmla", "fmls") else (registers[3],) if base == "fmadd" else (),
        lanes=4 if vector else 1,
        target=immediate[-1] if kind in (k.BRANCH, k.CALL) and immediate else None,
        conditional=conditional or base in ("cbz", "cbnz", "tbz", "tbnz"),
        pinned=kind in k.FLOW or base in ("adr", "adrp"),
    )


def _kind(base: str, registers: list[str]) -> str:
    if base in _KINDS:
        return _KINDS[base]
    if base.startswith(("fcvt", "frint", "scvtf", "ucvtf")):
        return k.CONVERT
    vectors = [unit for unit in registers if unit.startswith("v")]
    if not vectors:
        return k.INT
    if len(vectors) < len([unit for unit in registers if unit]):
        return k.TRANSFER
    return k.FLOAT_MOVE if base in ("mov", "fmov", "movi", "fneg", "fabs") else k.FLOAT_LOGIC


def _memory(found: Any, base: str, operands: list[Any], registers: list[str]) -> Instruction:
    store = base.startswith("st")
    transferred = [unit for unit in registers if unit]
    memory = next((op for op in operands if op.type == arm64_const.ARM64_OP_MEM), None)
    # A literal's address is the program counter and a number, a gathering load's a vector: "pc" for both.
    address = [_unit(found.reg_name(memory.mem.base)) if memory is not None else "pc"]
    index = _unit(found.reg_name(memory.mem.index)) if memory is not None and memory.mem.index else ""
    if index:
        address.append(index)
    is_float = any(unit.startswith("v") for unit in transferred)
    if base in ("ld1r", "ld1", "st1"):
        each = 4 if base == "ld1r" else 16
    else:
        first = found.reg_name(operands[0].reg)
        each = 4 if base.endswith("sw") else _BYTES.get(first[0], 8)
    kind = (k.FLOAT_STORE if store else k.FLOAT_LOAD) if is_float else (k.STORE if store else k.LOAD)
    return Instruction(
        address=found.address,
        size=found.size,
        mnemonic=found.mnemonic,
        operands=found.op_str,
        kind=kind,
        reads=tuple(dict.fromkeys([*address, *(transferred if store else ())])),
        writes=tuple(dict.fromkeys([*(() if store else transferred), *(address[:1] if found.writeback else ())])),
        data=tuple(transferred) if store else (),
        access=Access(address[0], index, int(memory.mem.disp) if memory else 0, each * max(1, len(transferred)), store),
        lanes=4 if is_float else 1,
        pinned=address[0] == "pc",
    )
