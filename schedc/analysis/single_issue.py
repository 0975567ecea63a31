"""Cortex-M33: one instruction a cycle, and a floating-point unit that is busy after some (targets/m33.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.analysis.timing import BlockTiming, PipelineTable, State, Step, row_of


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
        ready = {unit: (cycle, kind) for unit, cycle, kind in state.ready}
        free = dict(state.busy).get("fpu", 0)
        previous, now = state.previous, 0
        steps = []
        for index, instruction in enumerate(block):
            goes = taken and index == len(block) - 1
            start, cause = self._start(instruction, ready, free, now)
            issue, previous = self._issue(instruction, previous, goes)
            steps.append(Step(instruction, start - now, cause, issue))
            self._results(instruction, ready, start)
            timing, _, blocks = row_of(self._rows, instruction)
            if instruction.kind == k.FMA or blocks:
                free = start + timing + blocks
            now = start + issue
        after = tuple(sorted((u, c - now, kind) for u, (c, kind) in ready.items() if c > now))
        busy = (("fpu", free - now),) if free > now else ()
        return BlockTiming(tuple(steps), now, State(after, busy, previous))

    def _start(
        self, instruction: Instruction, ready: Mapping[str, tuple[int, str]], free: int, now: int
    ) -> tuple[int, str]:
        """The first cycle it may issue in, and what held it back."""
        start, cause = now, ""
        for unit in instruction.reads:
            cycle, producer = ready.get(unit, (0, ""))
            late = self._late if instruction.kind == k.STORE and unit in instruction.data else 0
            if instruction.kind == k.INT_MULTIPLY and unit in instruction.chained and producer == k.INT_MULTIPLY:
                late = 1
            if cycle - late > start:
                start, cause = cycle - late, f"after {producer}"
        if self._uses_fpu(instruction) and free > start:
            start, cause = free, "fpu blocked"
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
        if instruction.kind in (k.IT, k.NOP) or instruction.kind in k.FLOW:
            return (0 if paired else 1), ""
        if not narrow:
            return issue, ""
        return issue, "narrow flags" if "nzcv" in instruction.writes else "narrow"

    def _results(self, instruction: Instruction, ready: dict[str, tuple[int, str]], start: int) -> None:
        issue, latency, _ = row_of(self._rows, instruction)
        transfers = 0
        for unit in instruction.writes:
            base = instruction.access is not None and unit == instruction.access.base
            if instruction.access is None:
                ready[unit] = (start + latency, instruction.kind)
            elif (base and instruction.kind in k.STORES) or unit in ("sp", "pc"):
                ready[unit] = (start + issue, k.INT)
            else:
                ready[unit] = (start + transfers + latency, instruction.kind)
                transfers += 1
