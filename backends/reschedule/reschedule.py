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
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from elftools.elf.elffile import ELFFile

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import Function, MachineCode
from schedc.analysis.instructions import Instruction
from schedc.analysis.single_issue import SingleIssue, TimedInstruction
from schedc.analysis.timing import State
from schedc.backends.reschedule.control_flow import BasicBlock, basic_blocks, live_before, live_out
from schedc.backends.reschedule.dependences import Region, build_region
from schedc.backends.reschedule.list_schedule import ATTEMPTS, Costs, Order, Search, ideal_cycles
from schedc.backends.reschedule.thumb_registers import encode_registers
from schedc.errors import InternalError
from schedc.targets.base import Pipeline, Target

_SHORTEST = 6  # instructions; less is not worth a look
_CLOSE = 1.004  # to the stall-free count; a better order is not worth the search
_MOST_INSTRUCTIONS = 20_000  # looked at in one object, in its order: a few seconds; the rest stays as it is
_MOST_FUNCTIONS = 512  # whose orders are remembered; some 5 KB each


def reschedule(elf: bytes, target: Target) -> bytes:
    """``elf`` (from ``finish_object``) with faster orders; unchanged for targets without this model."""
    table = target.pipeline
    if table is None or table.model != "single_issue":
        return elf
    core = _Core(table)
    code = MachineCode(elf)
    ((start, text),) = code.sections.items()
    result = bytearray(text)
    left = _MOST_INSTRUCTIONS
    for function in code.functions:
        known = _known(core.key, code.facts(function))
        if known.text is None or known.instructions > left:
            found = _improve_function(code, core, function, left)
            if found.instructions <= left:
                known.text, known.instructions = found.text, found.instructions
            known = found
        at = function.address - start
        result[at : at + function.size] = known.text or b""
        left -= known.instructions
        if left < 0:
            break
    return _replace_text(elf, bytes(result))


@dataclass
class _Ordered:
    """A function's bytes in a better order, None if that is not known yet; how many instructions were looked at."""

    text: bytes | None = None
    instructions: int = 0


@lru_cache(_MOST_FUNCTIONS)
def _known(core: object, function: object) -> _Ordered:
    """What is remembered of a function, in this process: captures of one kind have most kernels in common."""
    return _Ordered()


class _Core:
    """A core's table as the search wants it; ``key``: all that an order depends on but the code."""

    def __init__(self, table: Pipeline) -> None:
        self.pipeline = SingleIssue(table, bool(table.options["bus_blocked"].value))
        self.costs = Costs(
            {kind: int(row.issue) for kind, row in table.kinds.items()},
            {kind: int(row.blocks) for kind, row in table.kinds.items()},
            self.pipeline.bus_blocked,
        )
        self.latency = {kind: int(row.latency) for kind, row in table.kinds.items()}
        rows = [(kind, row.issue, row.latency, row.blocks) for kind, row in table.kinds.items()]
        self.key = (*sorted(rows), *sorted((name, fact.value) for name, fact in table.options.items()))


def _improve_function(code: MachineCode, core: _Core, function: Function, most: int) -> _Ordered:
    """The function in a better order, up to the block with which it would be more than ``most`` instructions."""
    result = _Ordered(code.read(function.address, function.size))
    body = code.body(function.name)
    if not any(instruction.kind in k.ARITHMETIC for instruction in body):
        return result
    text = bytearray(result.text or b"")
    blocks = basic_blocks(body)
    live = live_out(blocks)
    scheduler = _BlockScheduler(code, core, _may_point_to_stack(body))
    for block in blocks:
        if sum(instruction.kind in k.ARITHMETIC for instruction in block.instructions) < 2:
            continue
        result.instructions += len(block.instructions)
        if result.instructions > most:
            break
        new = scheduler.improve(block, live[block.start])
        at = block.start - function.address
        if len(new) != block.instructions[-1].end - block.start:
            raise InternalError("a rescheduled block changed its size")
        text[at : at + len(new)] = new
    result.text = bytes(text)
    return result


def _may_point_to_stack(body: Sequence[Instruction]) -> frozenset[str]:
    """Registers that an instruction computes from the stack pointer."""
    return frozenset(unit for i in body if "sp" in i.reads and i.access is None for unit in i.writes if unit != "sp")


def _replace_text(elf: bytes, text: bytes) -> bytes:
    section: Any = ELFFile(io.BytesIO(elf)).get_section_by_name(".text")
    offset = int(section["sh_offset"])
    return elf[:offset] + text + elf[offset + len(text) :]


Piece = list[tuple[Instruction, bytes]]


class _BlockScheduler:
    """Improves one block, one straight piece after the other."""

    def __init__(self, code: MachineCode, core: _Core, tainted: frozenset[str]) -> None:
        self._code, self._core, self._tainted = code, core, tainted

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
                current[begin:end] = self._best(block, current, begin, end, rest)
            begin = end + 1
        return b"".join(data for _, data in current)

    def _best(self, block: BasicBlock, current: Piece, begin: int, end: int, live: frozenset[str]) -> Piece:
        """The piece from ``begin`` to ``end``, in the best order found."""
        core, piece = self._core, current[begin:end]
        timed = [core.pipeline.timed(i) for i, _ in current]
        fewest = self._cycles(block, timed)
        floor = ideal_cycles([i for i, _ in current], core.costs)
        if fewest <= floor * _CLOSE:
            return piece
        region = build_region([i for i, _ in piece], live, core.latency, self._tainted)
        search = Search(region, core.costs)
        renaming = _Renaming(region, timed[begin:end])
        tried: list[Order] = []
        chosen: Order | None = None
        for window, reserve in ATTEMPTS:
            order = search.find_order(window, reserve)
            if order is None or order in tried:
                continue
            tried.append(order)
            cycles = self._cycles(block, [*timed[:begin], *renaming.timed(order), *timed[end:]])
            if cycles < fewest:
                chosen, fewest = order, cycles
            if fewest <= floor * _CLOSE:
                break
        return piece if chosen is None else self._encode(region, [data for _, data in piece], chosen)

    def _cycles(self, block: BasicBlock, code: Sequence[TimedInstruction]) -> int:
        """Cycles of one pass; of a loop in its third, which is a steady state."""
        cycles, state = self._core.pipeline.cycles(code, block.is_loop, State())
        for _ in range(2 if block.is_loop else 0):
            before = state
            cycles, state = self._core.pipeline.cycles(code, block.is_loop, before)
            if state == before:
                break
        return cycles

    def _encode(self, region: Region, data: list[bytes], order: Order) -> Piece:
        """The piece's bytes; what they decode to must be what was asked for."""
        result = []
        address = region.code[0].address
        for index in order.indices:
            old = region.code[index]
            reads = {unit: order.registers[web] for unit, web in region.reads[index].items()}
            writes = {unit: order.registers[web] for unit, web in region.writes[index].items()}
            raw = encode_registers(data[index], old, reads, writes)
            made = old.changed(address=address) if raw == data[index] else self._code.decode(raw, address)
            wanted = {reads.get(unit, unit) for unit in old.reads}, [writes.get(unit, unit) for unit in old.writes]
            if (made.kind, set(made.reads), list(made.writes)) != (old.kind, *wanted):
                raise InternalError(f"{old.text} became {made.text}")
            result.append((made, raw))
            address += len(raw)
        return result


class _Renaming:
    """A region's instructions, as the pipeline sees them, with the registers of an order."""

    def __init__(self, region: Region, timed: Sequence[TimedInstruction]) -> None:
        # Of each instruction, what it reads and writes: webs, and the units that keep their names.
        self._reads = [[named.get(unit, unit) for unit in i[0]] for named, i in zip(region.reads, timed, strict=True)]
        self._writes = [[named.get(unit, unit) for unit in i[1]] for named, i in zip(region.writes, timed, strict=True)]
        self._facts = [facts for _, _, facts in timed]
        self._units: dict[str | int, str] = {unit: unit for reads, writes, _ in timed for unit in (*reads, *writes)}

    def timed(self, order: Order) -> list[TimedInstruction]:
        names = dict(self._units)
        for web, unit in order.registers.items():
            names[web] = unit
        name, reads, writes, facts = names.__getitem__, self._reads, self._writes, self._facts
        return [(tuple(map(name, reads[i])), tuple(map(name, writes[i])), facts[i]) for i in order.indices]


def _is_barrier(instruction: Instruction) -> bool:
    moves_stack = "sp" in instruction.writes
    sets_mode = instruction.kind == k.FLOAT_STATUS and not instruction.operands.startswith("apsr")
    return instruction.pinned or instruction.conditional or moves_stack or sets_mode
