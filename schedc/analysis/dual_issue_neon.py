"""Cortex-A8: two integer pipelines in front of an in-order NEON unit.

Every instruction passes the integer pipelines, two a cycle.  NEON ones then wait in a queue of 16; the NEON
unit starts at most one load, store or permutation and one data-processing operation a cycle, in order.  So
integer work hides behind NEON work until the queue is full.  Not modelled: caches, the conflict of a VMLA's
second half with a VADD, mispredicted branches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.analysis.timing import BlockTiming, PipelineTable, State, Step, row_of

_LOAD_PIPE = frozenset({k.FLOAT_LOAD, k.FLOAT_STORE, k.PERMUTE, k.TRANSFER})
_SCALAR = {k.ADD: "scalar_add", k.MUL: "scalar_mul", k.FMA: "scalar_fma"}


@dataclass
class _Clock:
    """Times in cycles; ``now`` and ``slot`` are the integer pipelines', the rest NEON's."""

    now: int = 0
    slot: int = 0
    memory: int = -1  # the cycle of the last integer load or store
    pipes: dict[str, int] = field(default_factory=lambda: {"load": 0, "data": 0})
    order: int = 0
    queue: deque[int] = field(default_factory=deque)


@dataclass
class DualIssueNeon:
    """See the module's text and targets/a8.yaml."""

    table: PipelineTable

    def __post_init__(self) -> None:
        self._rows = {kind: (int(row.issue), int(row.latency)) for kind, row in self.table.kinds.items()}
        options = {name: int(option.value) for name, option in self.table.options.items()}
        self._depth, self._taken = options["queue"], options["taken_cycles"]
        self._accumulator, self._store = options["accumulator_early"], options["store_early"]

    def run(self, block: Sequence[Instruction], taken: bool, state: State) -> BlockTiming:
        clock, ready = _restore(state)
        steps = []
        for index, instruction in enumerate(block):
            goes = taken and index == len(block) - 1
            neon = instruction.kind in k.FLOAT
            steps.append(self._neon(instruction, clock, ready) if neon else self._core(instruction, clock, ready, goes))
        return BlockTiming(tuple(steps), clock.now, _save(clock, ready))

    def _core(self, instruction: Instruction, clock: _Clock, ready: dict[str, tuple[int, str]], taken: bool) -> Step:
        issue, latency = row_of(self._rows, instruction)
        before = clock.now
        needed, cause = _latest(instruction.reads, ready)
        memory = instruction.access is not None
        if needed > clock.now or clock.slot == 2 or (memory and clock.memory == clock.now):
            clock.now, clock.slot = max(needed, clock.now + (needed <= clock.now)), 0
        start = clock.now
        clock.slot += 1
        if memory:
            clock.memory = start
            issue = max(issue, -(-instruction.access.words // 2)) if instruction.access else issue
        if issue > 1:
            clock.now, clock.slot = start + issue - 1, 2
        for unit in instruction.writes:
            base = instruction.access is not None and unit == instruction.access.base
            ready[unit] = (start + issue - 1 + (1 if base else latency), instruction.kind)
        if taken:
            clock.now, clock.slot = start + self._taken, 0
        stall = max(0, needed - before)
        return Step(instruction, stall, f"after {cause}" if stall else "", clock.now - before - stall)

    def _neon(self, instruction: Instruction, clock: _Clock, ready: dict[str, tuple[int, str]]) -> Step:
        if clock.slot == 2:
            clock.now, clock.slot = clock.now + 1, 0
        clock.slot += 1
        address = [instruction.access.base, instruction.access.index] if instruction.access else []
        clock.now = max(clock.now, _latest(address, ready)[0])
        if len(clock.queue) >= self._depth:
            first = clock.queue.popleft()
            if first > clock.now:
                clock.now, clock.slot = first, 1
        issue, latency = self._timing(instruction)
        scalar = instruction.lanes == 1 and instruction.kind in _SCALAR
        pipes = ("load", "data") if scalar else ("load",) if instruction.kind in _LOAD_PIPE else ("data",)
        free = max(clock.now, clock.order, *(clock.pipes[pipe] for pipe in pipes))
        needed, cause = self._operands(instruction, ready)
        start = max(free, needed)
        for pipe in pipes:
            clock.pipes[pipe] = start + issue
        clock.order = start + (issue if scalar else 0)
        clock.queue.append(start)
        for unit in instruction.writes:
            if instruction.access is not None and unit == instruction.access.base:
                ready[unit] = (clock.now + 1, k.INT)
            else:
                ready[unit] = (start + latency, instruction.kind)
        return Step(instruction, start - free, f"NEON after {cause}" if start > free else "", issue)

    def _operands(self, instruction: Instruction, ready: Mapping[str, tuple[int, str]]) -> tuple[int, str]:
        latest, cause = 0, ""
        for unit in instruction.reads:
            cycle, producer = ready.get(unit, (0, ""))
            if unit in instruction.chained:
                cycle -= self._accumulator
            if unit in instruction.data:
                cycle += self._store if producer in k.ARITHMETIC else 0
            if cycle > latest:
                latest, cause = cycle, producer
        return latest, cause

    def _timing(self, instruction: Instruction) -> tuple[int, int]:
        kind = instruction.kind
        if instruction.lanes == 1 and kind in _SCALAR:
            return self._rows[_SCALAR[kind]]
        issue, latency = row_of(self._rows, instruction)
        if kind in (k.FLOAT_LOAD, k.FLOAT_STORE):
            doubles = max(1, (instruction.access.size if instruction.access else 8) // 8)
            single = instruction.mnemonic.startswith(("vldr", "vstr"))
            return (1 if single else max(issue, 1 + doubles // 2)), latency
        if issue == 2 and instruction.lanes == 2:
            return 1, latency - 1
        return issue, latency


def _latest(units: Sequence[str], ready: Mapping[str, tuple[int, str]]) -> tuple[int, str]:
    return max((ready.get(unit, (0, "")) for unit in units), default=(0, ""))


def _save(clock: _Clock, ready: Mapping[str, tuple[int, str]]) -> State:
    now = clock.now
    after = tuple(sorted((unit, cycle - now, kind) for unit, (cycle, kind) in ready.items() if cycle > now))
    waiting = tuple((f"queue {n:02}", start - now) for n, start in enumerate(s for s in clock.queue if s > now))
    pipes = tuple((pipe, max(0, free - now)) for pipe, free in sorted(clock.pipes.items()))
    rest = (("slot", clock.slot), ("memory", int(clock.memory == now)), ("order", max(0, clock.order - now)))
    return State(after, pipes + rest + waiting)


def _restore(state: State) -> tuple[_Clock, dict[str, tuple[int, str]]]:
    busy = dict(state.busy)
    queue = deque(start for name, start in state.busy if name.startswith("queue"))
    clock = _Clock(
        slot=busy.get("slot", 0),
        memory=0 if busy.get("memory") else -1,
        pipes={"load": busy.get("load", 0), "data": busy.get("data", 0)},
        order=busy.get("order", 0),
        queue=queue,
    )
    return clock, {unit: (cycle, kind) for unit, cycle, kind in state.ready}
