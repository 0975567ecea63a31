"""Timing a run: how many cycles a sequence of basic blocks takes, and what it waits for.

A model steps one instruction at a time.  Its ``State`` says, relative to the cycle in which the next
instruction may issue at the earliest, when each register unit and the floating-point unit are free.
States repeat: a loop reaches its steady state after an iteration or two, so a block is timed once per
entry state and remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
