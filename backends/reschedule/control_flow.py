"""Basic blocks of one function of Arm code, and which register units live on after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction

ALL_UNITS = frozenset([f"r{i}" for i in range(13)] + ["sp", "lr", "pc", "nzcv", "fpscr"] + [f"s{i}" for i in range(64)])
# What a caller may look at after a return (AAPCS): results and what the callee must have preserved.
_AFTER_RETURN = frozenset(
    ["r0", "r1", "sp"] + [f"r{i}" for i in range(4, 12)] + ["s0", "s1", "s2", "s3"] + [f"s{i}" for i in range(16, 32)]
)


@dataclass(frozen=True)
class BasicBlock:
    """``successors``: starts of blocks of the same function; ``leaves``: units live where it leaves it."""

    instructions: tuple[Instruction, ...]
    successors: tuple[int, ...]
    leaves: frozenset[str]

    @property
    def start(self) -> int:
        return self.instructions[0].address

    @property
    def is_loop(self) -> bool:
        """It branches back to its own start."""
        return self.start in self.successors


def basic_blocks(body: Sequence[Instruction]) -> list[BasicBlock]:
    """The blocks of a function, in memory order.  A call does not end a block."""
    inside = {instruction.address for instruction in body}
    leaders = {body[0].address} | {i.target for i in body if i.target in inside and i.target is not None}
    leaders |= {i.end for i in body if i.kind in (k.BRANCH, k.RETURN)}
    blocks: list[list[Instruction]] = []
    for instruction in body:
        if instruction.address in leaders or not blocks:
            blocks.append([])
        blocks[-1].append(instruction)
    return [_finish(tuple(block), inside) for block in blocks]


def _finish(block: tuple[Instruction, ...], inside: set[int]) -> BasicBlock:
    last = block[-1]
    following = [last.end] if last.end in inside else []
    if last.kind == k.RETURN:
        return BasicBlock(block, tuple(following) if last.conditional else (), _AFTER_RETURN)
    if last.kind != k.BRANCH:
        return BasicBlock(block, tuple(following), frozenset() if following else ALL_UNITS)
    known = last.target is not None and last.target in inside
    successors = ([last.target] if known and last.target is not None else []) + (following if last.conditional else [])
    return BasicBlock(block, tuple(successors), frozenset() if known else ALL_UNITS)


def live_out(blocks: Sequence[BasicBlock]) -> dict[int, frozenset[str]]:
    """Block start -> units that may still be read after it."""
    before: dict[int, frozenset[str]] = {block.start: frozenset() for block in blocks}
    after: dict[int, frozenset[str]] = {}
    changed = True
    while changed:
        changed = False
        for block in reversed(blocks):
            out = block.leaves.union(*(before[successor] for successor in block.successors))
            after[block.start] = out
            live = live_before(block.instructions, out)
            if live != before[block.start]:
                before[block.start], changed = live, True
    return after


def live_before(instructions: Sequence[Instruction], out: frozenset[str]) -> frozenset[str]:
    """Units live before ``instructions`` when ``out`` are live after them."""
    live = set(out)
    for instruction in reversed(instructions):
        if instruction.kind == k.CALL:
            return (
                ALL_UNITS
                if instruction is instructions[0]
                else live_before(instructions[: instructions.index(instruction)], ALL_UNITS)
            )
        if not instruction.conditional or instruction.kind == k.BRANCH:
            live -= set(instruction.writes)
        live |= set(instruction.reads)
    return frozenset(live)
