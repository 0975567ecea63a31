"""Arm (A32, Thumb-2) instructions from capstone's to :class:`Instruction`.

Registers are read off the operands, not from capstone's ``regs_access``: that one forgets the scalar of
``vmul.f32 q0, q1, d2[0]`` and the lists of VLDM and VPUSH (capstone 5.0).
"""

from __future__ import annotations

from typing import Any

import capstone
from capstone import arm_const

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Access, Instruction, float_units

_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_KINDS = {
    **dict.fromkeys(("vfma", "vfms", "vfnma", "vfnms", "vmla", "vmls", "vnmla", "vnmls"), k.FMA),
    **dict.fromkeys(("vmul", "vnmul"), k.MUL),
    **dict.fromkeys(("vadd", "vsub"), k.ADD),
    **dict.fromkeys(("vdiv", "vsqrt"), k.DIVIDE),
    **dict.fromkeys(("vcvt", "vcvtr", "vcvta", "vcvtn", "vcvtp", "vcvtm"), k.CONVERT),
    **dict.fromkeys(("vrinta", "vrintn", "vrintp", "vrintm", "vrintx", "vrintz", "vrintr"), k.CONVERT),
    **dict.fromkeys(("vcmp", "vcmpe"), k.FLOAT_COMPARE),
    **dict.fromkeys(("vmrs", "vmsr"), k.FLOAT_STATUS),
    **dict.fromkeys(("vldr", "vldm", "vldmia", "vldmdb", "vpop", "vld1"), k.FLOAT_LOAD),
    **dict.fromkeys(("vstr", "vstm", "vstmia", "vstmdb", "vpush", "vst1"), k.FLOAT_STORE),
    **dict.fromkeys(("vneg", "vabs"), k.FLOAT_MOVE),
    **dict.fromkeys(("vcgt", "vcge", "vceq", "vclt", "vcle", "vmax", "vmin"), k.VECTOR_COMPARE),
    **dict.fromkeys(("vext", "vtrn", "vzip", "vuzp", "vrev64", "vswp"), k.PERMUTE),
    **dict.fromkeys(
        ("mul", "muls", "mla", "mls", "umull", "smull", "umlal", "smlal", "smlad", "smuad"), k.INT_MULTIPLY
    ),
    **dict.fromkeys(("sdiv", "udiv"), k.INT_DIVIDE),
    **dict.fromkeys(("b", "bx", "cbz", "cbnz", "tbb", "tbh"), k.BRANCH),
    **dict.fromkeys(("bl", "blx"), k.CALL),
    "nop": k.NOP,
}
_COMPARES = ("cmp", "cmn", "tst", "teq")
_ACCUMULATE = ("vfma", "vfms", "vfnma", "vfnms", "vmla", "vmls", "vnmla", "vnmls")
# With one source operand these overwrite their destination; all others (``adds r0, #4``) also read it.
_ONE_SOURCE = ("mov", "mvn", "sxt", "uxt", "rev", "rbit", "clz", "v", "adr")
_READ_MODIFY = ("vbsl", "vbit", "vbif", "movt", "bfi", "bfc")
_SIZES = {"b": 1, "sb": 1, "h": 2, "sh": 2, "d": 8}


def decode_arm(found: Any, in_it: bool) -> Instruction:
    """Decode one of capstone's instructions (with details); ``in_it``: an IT instruction covers it."""
    base = _base_name(found)
    operands = list(found.operands)
    kind = _kind(base, found, operands)
    if kind in k.LOADS | k.STORES:
        return _memory(found, base, kind, operands, in_it)
    registers = [_units(found, op) for op in operands]
    reads: list[str] = []
    writes: list[str] = []
    chained: tuple[str, ...] = ()
    has_result = base not in _COMPARES and kind not in (k.FLOAT_COMPARE, k.BRANCH, k.CALL, k.RETURN, k.NOP, k.IT)
    for index, units in enumerate(registers):
        if index == 0 and has_result:
            writes += units
            if base in _ACCUMULATE:
                chained = units
            in_place = len(operands) == 2 and not base.startswith(_ONE_SOURCE)
            if base in _ACCUMULATE or base in _READ_MODIFY or in_place or in_it:
                reads += units
            continue
        if kind == k.INT_MULTIPLY and base in ("mla", "smlad") and index == 3:
            chained = units
        if kind == k.INT_MULTIPLY and base.startswith(("umull", "smull", "umlal", "smlal")) and index == 1:
            writes += units
            continue
        reads += units
    for op in operands:
        if op.type == arm_const.ARM_OP_REG and op.shift.type >= arm_const.ARM_SFT_ASR_REG and op.shift.value:
            reads += _integer(found.reg_name(op.shift.value))
    reads, writes = _flags(found, base, kind, reads, writes)
    return Instruction(
        address=found.address,
        size=found.size,
        mnemonic=found.mnemonic,
        operands=found.op_str,
        kind=kind,
        reads=tuple(dict.fromkeys(reads)),
        writes=tuple(dict.fromkeys(writes)),
        chained=chained,
        lanes=max((len(u) for u in registers if u and u[0][0] == "s" and u[0] != "sp"), default=1),
        target=_target(kind, operands),
        conditional=_is_conditional(found) or base in ("cbz", "cbnz"),
        pinned=in_it or kind in k.FLOW or kind == k.IT or base == "adr" or "pc" in reads or "pc" in writes,
    )


def _is_conditional(found: Any) -> bool:
    return found.cc not in (arm_const.ARM_CC_INVALID, arm_const.ARM_CC_AL)


def _base_name(found: Any) -> str:
    name = str(found.mnemonic).split(".")[0]
    if name.startswith("vsel"):
        return "vsel"
    if _is_conditional(found) and name[-2:] in _CONDITIONS:
        name = name[:-2]
    return name


def _kind(base: str, found: Any, operands: list[Any]) -> str:
    if base in _KINDS:
        kind = _KINDS[base]
        return k.RETURN if base == "bx" and found.op_str == "lr" else kind
    if base.startswith(("ldr", "ldm", "pop")):
        return k.LOAD
    if base.startswith(("str", "stm", "push")):
        return k.STORE
    if base.startswith("it") and set(base[2:]) <= {"t", "e"}:
        return k.IT
    if base.startswith("v"):
        names = [found.reg_name(op.reg) for op in operands if op.type == arm_const.ARM_OP_REG]
        core = any(name[0] not in "sdq" or name in ("sp", "sb", "sl") for name in names)
        if base in ("vmov", "vdup"):
            return k.TRANSFER if core else k.PERMUTE if base == "vdup" else k.FLOAT_MOVE
        return k.FLOAT_MOVE if base in ("vsel", "vmov", "vmaxnm", "vminnm") else k.FLOAT_LOGIC
    shifted = any(op.type == arm_const.ARM_OP_REG and op.shift.type not in (0,) for op in operands)
    return k.INT_SHIFTED if shifted and base not in ("lsl", "lsls", "lsr", "lsrs", "asr", "asrs", "ror") else k.INT


def _integer(name: str) -> tuple[str, ...]:
    return ({"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12"}.get(name, name),)


def _units(found: Any, operand: Any) -> tuple[str, ...]:
    """Register units of an operand that is a register (of a lane: of the whole register)."""
    if operand.type != arm_const.ARM_OP_REG:
        return ()
    name = str(found.reg_name(operand.reg))
    if name.startswith("apsr"):
        return ("nzcv",)
    if name.startswith("fpscr"):
        return ("fpscr",)
    if name[0] in "sdq" and name[1:].isdigit():
        return float_units(name)
    return _integer(name)


def _flags(found: Any, base: str, kind: str, reads: list[str], writes: list[str]) -> tuple[list[str], list[str]]:
    conditional = _is_conditional(found)
    if (conditional and kind != k.IT) or base == "vsel":
        reads = [*reads, "nzcv"]
    if kind == k.FLOAT_COMPARE:
        writes = [*writes, "fpscr"]
    elif kind != k.FLOAT_STATUS and (base in _COMPARES or found.update_flags):
        writes = [*writes, "nzcv"]
    if base in ("adc", "adcs", "sbc", "sbcs", "rrx"):
        reads = [*reads, "nzcv"]
    if kind == k.CALL:
        writes = [*writes, "lr"]
    if kind == k.RETURN:
        reads = [*reads, "lr"]
    return reads, writes


def _target(kind: str, operands: list[Any]) -> int | None:
    if kind not in (k.BRANCH, k.CALL):
        return None
    return next((int(op.imm) for op in operands if op.type == arm_const.ARM_OP_IMM), None)


def _memory(found: Any, base: str, kind: str, operands: list[Any], in_it: bool) -> Instruction:
    """Loads and stores of any form."""
    store = kind in k.STORES
    lists = base.startswith(("ldm", "stm", "vldm", "vstm", "pop", "push", "vpush", "vpop"))
    on_stack = base in ("push", "pop", "vpush", "vpop")
    address: list[str] = []
    transferred: list[str] = []
    memory = next((op for op in operands if op.type == arm_const.ARM_OP_MEM), None)
    offset, index = 0, ""
    for position, op in enumerate(operands):
        if op.type == arm_const.ARM_OP_REG:
            pointer = lists and not on_stack and position == 0
            (address if pointer else transferred).extend(_units(found, op))
    width = max((len(_units(found, op)) for op in operands if op.type == arm_const.ARM_OP_REG), default=1)
    if on_stack:
        address = ["sp"]
    if memory is not None:
        address = list(_integer(found.reg_name(memory.mem.base)))
        offset = 0 if base in ("vld1", "vst1") else int(memory.mem.disp)  # there capstone has the alignment
        if memory.mem.index:
            index = _integer(found.reg_name(memory.mem.index))[0]
            address.append(index)
        # ``vld1.32 {d0, d1}, [r1], r2``: the step is an operand of its own.
        after = operands[operands.index(memory) + 1 :]
        steps = [u for op in after for u in _units(found, op)]
        transferred = transferred[: len(transferred) - len(steps)] if steps else transferred
        address += steps
    moves = on_stack or bool(found.writeback)
    size = 4 * len(transferred)
    if kind in (k.LOAD, k.STORE) and not lists:
        suffix = base[3:].rstrip("t") if base not in ("ldr", "str") else ""
        size = _SIZES.get(suffix, 4)
    reads = [*address, *(transferred if store else ())]
    writes = [*(() if store else transferred), *(address[:1] if moves else ())]
    if in_it or _is_conditional(found):
        reads += [*writes, "nzcv"]
    if any(str(found.op_str).count(text) for text in ("[0]", "[1]")) and not store:
        reads += transferred  # a lane load keeps the other lanes
    returns = "pc" in writes
    return Instruction(
        address=found.address,
        size=found.size,
        mnemonic=found.mnemonic,
        operands=found.op_str,
        kind=k.RETURN if returns else kind,
        reads=tuple(dict.fromkeys(reads)),
        writes=tuple(dict.fromkeys(writes)),
        data=tuple(transferred) if store else (),
        access=Access(address[0], index, offset, size, store),
        lanes=width if kind in (k.FLOAT_LOAD, k.FLOAT_STORE) else 1,
        conditional=in_it or _is_conditional(found),
        pinned=in_it or returns or "pc" in reads or "pc" in writes,
    )


THUMB_M = (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8)
THUMB_A = (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB)
ARM_A = (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM)
