"""In-order pipelines: how many cycles a sequence of basic blocks takes, and what it waits for.

A model steps one instruction at a time.  Its ``State`` says, relative to the cycle in which the next
instruction may issue at the earliest, when each register unit and the floating-point unit are free.
States repeat: a loop reaches its steady state after an iteration or two, so a block is timed once per
entry state and remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.errors import UserError


class TimingRow(Protocol):
    """A row of a target's timing table, in cycles."""

    @property
    def issue(self) -> float: ...
    @property
    def latency(self) -> float: ...
    @property
    def blocks(self) -> float: ...


class Option(Protocol):
    @property
    def value(self) -> float: ...


class PipelineTable(Protocol):
    """What :class:`schedc.targets.base.Pipeline` holds."""

    @property
    def model(self) -> str: ...
    @property
    def kinds(self) -> Mapping[str, TimingRow]: ...
    @property
    def options(self) -> Mapping[str, Option]: ...


@dataclass(frozen=True)
class State:
    """The pipeline between two instructions; times in cycles from now, only what lies in the future.

    ``ready``: (unit, cycles, kind of its producer); ``busy``: (resource, cycles); ``previous``: what the
    next instruction could pair with, a word of the model.
    """

    ready: tuple[tuple[str, int, str], ...] = ()
    busy: tuple[tuple[str, int], ...] = ()
    previous: str = ""


@dataclass(frozen=True)
class Step:
    """One instruction in one block: cycles waited and why, cycles of issue."""

    instruction: Instruction
    stall: int
    cause: str
    issue: int


@dataclass(frozen=True)
class BlockTiming:
    """A block from one entry state."""

    steps: tuple[Step, ...]
    cycles: int
    exit: State


class Pipeline(Protocol):
    """A model of one core."""

    def run(self, block: Sequence[Instruction], taken: bool, state: State) -> BlockTiming: ...


Row = TypeVar("Row")


def row_of(rows: Mapping[str, Row], instruction: Instruction) -> Row:
    """The timing of an instruction's kind.  UserError if the core has none such, as in code made for another."""
    try:
        return rows[instruction.kind]
    except KeyError:
        raise UserError(
            "--target",
            f"its core is not known to have {instruction.text!r} (at {instruction.address:#x}: {instruction.kind})",
            "name the target that the code was made for",
        ) from None


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


@dataclass(frozen=True)
class Visit:
    """A basic block as executed: ``taken`` if the next one does not follow it in memory."""

    address: int
    size: int
    taken: bool


Trace = Sequence[Visit]


def visits(blocks: Sequence[tuple[int, int]]) -> list[Visit]:
    """From (address, size) in execution order; the last block returns."""
    following = [address for address, _ in blocks[1:]]
    result = [
        Visit(address, size, address + size != after) for (address, size), after in zip(blocks, following, strict=False)
    ]
    if blocks:
        result.append(Visit(*blocks[-1], taken=True))
    return result


@dataclass
class TimedTrace:
    """Cycles of a trace: ``total``, and how often each block was timed how."""

    total: int
    counts: Counter[BlockTiming]
    each: list[BlockTiming]  # in execution order


class TraceTimer:
    """Times traces of one object; remembers blocks."""

    def __init__(self, pipeline: Pipeline, fetch: Fetch) -> None:
        self._pipeline, self._fetch = pipeline, fetch
        self._known: dict[tuple[Visit, State], BlockTiming] = {}

    def run(self, trace: Trace) -> TimedTrace:
        state, total = State(), 0
        each: list[BlockTiming] = []
        for visit in trace:
            key = visit, state
            timing = self._known.get(key)
            if timing is None:
                timing = self._pipeline.run(self._fetch.block(visit.address, visit.size), visit.taken, state)
                self._known[key] = timing
            each.append(timing)
            total += timing.cycles
            state = timing.exit
        identities = {id(timing): timing for timing in each}
        tally = Counter(id(timing) for timing in each)
        return TimedTrace(total, Counter({identities[i]: n for i, n in tally.items()}), each)


class Fetch(Protocol):
    """Where a block's instructions come from: :class:`schedc.analysis.disassembly.MachineCode`."""

    def block(self, address: int, size: int) -> tuple[Instruction, ...]: ...
