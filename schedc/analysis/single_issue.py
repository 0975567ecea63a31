"""Cortex-M33: one instruction a cycle, and a floating-point unit that is busy after some (targets/m33.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.analysis.timing import BlockTiming, PipelineTable, State, Step, row_of

_PAIRS = k.FLOW | {k.IT, k.NOP}  # what may issue with the narrow instruction before it


class Timed(NamedTuple):
    """What :class:`SingleIssue` looks at in an instruction, but for the names of its registers."""

    uses_fpu: bool
    issue: int
    latency: int
    holds: int  # cycles until the FPU is free again, 0 if it is not held
    pairs: bool  # it or the next one may be part of a pair
    special: bool  # operands or results are not wanted or there at the usual time
    instruction: Instruction


TimedInstruction = tuple[tuple[str, ...], tuple[str, ...], Timed]  # units read and written


@dataclass
class SingleIssue:
    """Cortex-M33: one instruction a cycle; 16-bit pairs with IT, NOP and branches (see targets/m33.yaml)."""

    table: PipelineTable
    bus_blocked: bool = True
    _rows: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {
            kind: (int(row.issue), int(row.latency), int(row.blocks)) for kind, row in self.table.kinds.items()
        }
        self._taken = int(self.table.options["taken_cycles"].value)
        self._taken_paired = int(self.table.options["taken_paired_cycles"].value)
        self._late = int(self.table.options["store_data_late"].value)

    def run(self, block: Sequence[Instruction], taken: bool, state: State) -> BlockTiming:
        steps: list[Step] = []
        code = [self.timed(instruction) for instruction in block]
        cycles, after = self._run(code, taken, state, steps)
        return BlockTiming(tuple(steps), cycles, after)

    def cycles(self, code: Sequence[TimedInstruction], taken: bool, state: State) -> tuple[int, State]:
        """What ``run`` says of :meth:`timed` instructions, without the steps."""
        return self._run(code, taken, state, None)

    def timed(self, instruction: Instruction) -> TimedInstruction:
        """What this model looks at in an instruction; its units may be exchanged."""
        issue, latency, blocks = row_of(self._rows, instruction)
        words = instruction.access.words if instruction.access else 0
        facts = Timed(
            self._uses_fpu(instruction),
            max(words, issue),
            latency,
            issue + blocks if instruction.kind == k.FMA or blocks else 0,
            instruction.size == 2 or instruction.kind in _PAIRS,
            instruction.kind in (k.STORE, k.INT_MULTIPLY) or _has_other_results(instruction),
            instruction,
        )
        return instruction.reads, instruction.writes, facts

    def _run(
        self, code: Sequence[TimedInstruction], taken: bool, state: State, steps: list[Step] | None
    ) -> tuple[int, State]:
        ready = {unit: (cycle, kind) for unit, cycle, kind in state.ready}
        free = dict(state.busy).get("fpu", 0)
        previous, now = state.previous, 0
        last = len(code) - 1
        for index, (reads, writes, facts) in enumerate(code):
            uses_fpu, issue, latency, holds, pairs, special, instruction = facts
            start, cause = now, ""
            if special:
                start, cause = self._start(instruction, reads, ready, now)
            else:
                for unit in reads:
                    if unit in ready and ready[unit][0] > start:
                        start, cause = ready[unit]
            if uses_fpu and free > start:
                start, cause = free, "fpu"
            if pairs or (taken and index == last):
                issue, previous = self._issue(instruction, previous, taken and index == last)
            else:
                previous = ""
            if steps is not None:
                why = cause and ("fpu blocked" if cause == "fpu" else f"after {cause}")
                steps.append(Step(instruction, start - now, why, issue))
            if special:
                self._results(instruction, writes, ready, start)
            else:
                result = start + latency, instruction.kind
                for unit in writes:
                    ready[unit] = result
            if holds:
                free = start + holds
            now = start + issue
        after = tuple(sorted((u, c - now, kind) for u, (c, kind) in ready.items() if c > now))
        busy = (("fpu", free - now),) if free > now else ()
        return now, State(after, busy, previous)

    def _start(
        self, instruction: Instruction, reads: Sequence[str], ready: Mapping[str, tuple[int, str]], now: int
    ) -> tuple[int, str]:
        """The first cycle in which its operands are there, and the kind of what it waits for."""
        start, cause = now, ""
        for unit in reads:
            cycle, producer = ready.get(unit, (0, ""))
            late = self._late if instruction.kind == k.STORE and unit in instruction.data else 0
            if instruction.kind == k.INT_MULTIPLY and unit in instruction.chained and producer == k.INT_MULTIPLY:
                late = 1
            if cycle - late > start:
                start, cause = cycle - late, producer
        return start, cause

    def _uses_fpu(self, instruction: Instruction) -> bool:
        if instruction.kind in (k.FLOAT_LOAD, k.FLOAT_STORE):
            return self.bus_blocked
        return instruction.kind in k.FLOAT

    def _issue(self, instruction: Instruction, previous: str, taken: bool) -> tuple[int, str]:
        """Cycles of the issue slot, and what the next one may pair with: "narrow", "narrow flags", ""."""
        narrow = instruction.size == 2
        paired = narrow and previous != ""
        words = instruction.access.words if instruction.access else 0
        issue = max(words, row_of(self._rows, instruction)[0])
        if taken:
            if words:  # POP {.., pc}
                return words + self._taken - 1, ""
            return (self._taken_paired if paired and previous == "narrow" else self._taken), ""
        if instruction.kind in _PAIRS:
            return (0 if paired else 1), ""
        if not narrow:
            return issue, ""
        return issue, "narrow flags" if "nzcv" in instruction.writes else "narrow"

    def _results(
        self, instruction: Instruction, writes: Sequence[str], ready: dict[str, tuple[int, str]], start: int
    ) -> None:
        issue, latency, _ = row_of(self._rows, instruction)
        transfers = 0
        for unit in writes:
            base = instruction.access is not None and unit == instruction.access.base
            if instruction.access is None:
                ready[unit] = (start + latency, instruction.kind)
            elif (base and instruction.kind in k.STORES) or unit in ("sp", "pc"):
                ready[unit] = (start + issue, k.INT)
            else:
                ready[unit] = (start + transfers + latency, instruction.kind)
                transfers += 1


def _has_other_results(instruction: Instruction) -> bool:
    """It loads several registers, one after the other, or moves a pointer on the way."""
    access, writes = instruction.access, instruction.writes
    return access is not None and (len(writes) > 1 or not {access.base, "sp", "pc"}.isdisjoint(writes))
