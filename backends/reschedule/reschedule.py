"""Post-schedule a finished object: better instruction orders inside basic blocks, in the same bytes.

LLVM orders instructions for its own idea of the core.  On Cortex-M33 a result costs a cycle if the
next instruction wants it, and nothing but integer work issues in the two cycles after a fused
multiply-accumulate.  ``reschedule`` list-schedules every straight piece of floating-point code by the
target's pipeline table, renaming scalar registers, and keeps the best order by the analyser's own count.
Blocks keep their places and sizes, so no branch changes; operations and their operands stay
the same, so no bit of a result does.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from elftools.elf.elffile import ELFFile

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.instructions import Instruction
from schedc.analysis.single_issue import SingleIssue
from schedc.analysis.timing import State
from schedc.backends.reschedule.control_flow import BasicBlock, basic_blocks, live_before, live_out
from schedc.backends.reschedule.dependences import Region, build_region
from schedc.backends.reschedule.list_schedule import ATTEMPTS, Costs, Order, find_order, ideal_cycles, renamed
from schedc.backends.reschedule.thumb_registers import encode_registers
from schedc.errors import InternalError
from schedc.targets.base import Target

_SHORTEST = 6  # instructions; less is not worth a look
_CLOSE = 1.004  # to the stall-free count; a better order is not worth the search
_MOST_INSTRUCTIONS = 20_000  # looked at in one object, in its order: a few seconds; the rest stays as it is


def reschedule(elf: bytes, target: Target) -> bytes:
    """``elf`` (from ``finish_object``) with faster orders; unchanged for targets without this model."""
    table = target.pipeline
    if table is None or table.model != "single_issue":
        return elf
    pipeline = SingleIssue(table, bool(table.options["bus_blocked"].value))
    costs = Costs(
        {kind: int(row.issue) for kind, row in table.kinds.items()},
        {kind: int(row.blocks) for kind, row in table.kinds.items()},
        pipeline.bus_blocked,
    )
    latency = {kind: int(row.latency) for kind, row in table.kinds.items()}
    code = MachineCode(elf)
    ((start, text),) = code.sections.items()
    result = bytearray(text)
    left = _MOST_INSTRUCTIONS
    for function in code.functions:
        body = code.body(function.name)
        if not any(instruction.kind in k.ARITHMETIC for instruction in body):
            continue
        blocks = basic_blocks(body)
        live = live_out(blocks)
        tainted = _may_point_to_stack(body)
        for block in blocks:
            if sum(instruction.kind in k.ARITHMETIC for instruction in block.instructions) < 2:
                continue
            left -= len(block.instructions)
            if left < 0:
                return _replace_text(elf, bytes(result))
            scheduler = _BlockScheduler(code, pipeline, costs, latency, tainted)
            new = scheduler.improve(block, live[block.start])
            at = block.start - start
            if len(new) != block.instructions[-1].end - block.start:
                raise InternalError("a rescheduled block changed its size")
            result[at : at + len(new)] = new
    return _replace_text(elf, bytes(result))


def _may_point_to_stack(body: Sequence[Instruction]) -> frozenset[str]:
    """Registers that an instruction computes from the stack pointer."""
    return frozenset(unit for i in body if "sp" in i.reads and i.access is None for unit in i.writes if unit != "sp")


def _replace_text(elf: bytes, text: bytes) -> bytes:
    section: Any = ELFFile(io.BytesIO(elf)).get_section_by_name(".text")
    offset = int(section["sh_offset"])
    return elf[:offset] + text + elf[offset + len(text) :]


class _BlockScheduler:
    """Improves one block, one straight piece after the other."""

    def __init__(
        self, code: MachineCode, pipeline: SingleIssue, costs: Costs, latency: dict[str, int], tainted: frozenset[str]
    ) -> None:
        self._code, self._pipeline, self._costs = code, pipeline, costs
        self._latency, self._tainted = latency, tainted

    def improve(self, block: BasicBlock, live: frozenset[str]) -> bytes:
        """The block's bytes in the best order found."""
        current = [(i, self._code.read(i.address, i.size)) for i in block.instructions]
        begin = 0
        while begin < len(current):
            end = begin
            while end < len(current) and not _is_barrier(current[end][0]):
                end += 1
            if end - begin >= _SHORTEST:
                rest = live_before([i for i, _ in current[end:]], live)
                current = self._best(block, current, begin, end, rest)
            begin = end + 1
        return b"".join(data for _, data in current)

    def _best(
        self, block: BasicBlock, current: list[tuple[Instruction, bytes]], begin: int, end: int, live: frozenset[str]
    ) -> list[tuple[Instruction, bytes]]:
        fewest = self._cycles(block, current)
        floor = ideal_cycles([i for i, _ in current], self._costs)
        if fewest <= floor * _CLOSE:
            return current
        region = build_region([i for i, _ in current[begin:end]], live, self._latency, self._tainted)
        chosen: Order | None = None
        for window, reserve in ATTEMPTS:
            order = find_order(region, self._costs, window, reserve)
            if order is None:
                continue
            piece = [(found, b"") for found in renamed(region, order)]
            cycles = self._cycles(block, [*current[:begin], *piece, *current[end:]])
            if cycles < fewest:
                chosen, fewest = order, cycles
            if fewest <= floor * _CLOSE:
                break
        if chosen is None:
            return current
        return [
            *current[:begin],
            *self._encode(region, [data for _, data in current[begin:end]], chosen),
            *current[end:],
        ]

    def _cycles(self, block: BasicBlock, code: list[tuple[Instruction, bytes]]) -> int:
        """Cycles of one pass; of a loop in its steady state."""
        state, cycles = State(), 0
        for _ in range(3 if block.is_loop else 1):
            timing = self._pipeline.run([i for i, _ in code], block.is_loop, state)
            state, cycles = timing.exit, timing.cycles
        return cycles

    def _encode(self, region: Region, data: list[bytes], order: Order) -> list[tuple[Instruction, bytes]]:
        """The piece's bytes; what they decode to must be what was asked for."""
        result = []
        address = region.code[0].address
        for index, wanted in zip(order.indices, renamed(region, order), strict=True):
            reads = {unit: order.registers[web] for unit, web in region.reads[index].items()}
            writes = {unit: order.registers[web] for unit, web in region.writes[index].items()}
            raw = encode_registers(data[index], region.code[index], reads, writes)
            made = self._code.decode(raw, address)
            if (made.kind, set(made.reads), made.writes) != (wanted.kind, set(wanted.reads), wanted.writes):
                raise InternalError(f"{region.code[index].text} became {made.text}")
            result.append((made, raw))
            address += len(raw)
        return result


def _is_barrier(instruction: Instruction) -> bool:
    moves_stack = "sp" in instruction.writes
    sets_mode = instruction.kind == k.FLOAT_STATUS and not instruction.operands.startswith("apsr")
    return instruction.pinned or instruction.conditional or moves_stack or sets_mode
