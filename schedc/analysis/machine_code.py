"""What emitted code does: cycles by kernel and by cause, instruction mix, loops, stack.

Everything here is a sum over a timed trace (:mod:`schedc.analysis.single_issue`) of one call.  Sums are
in cycles or instructions per call; :class:`CodeCosts` divides by the block's samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.instructions import Instruction
from schedc.analysis.timing import BlockTiming, TimedTrace, Visit

# Report words, in the order they are printed, from instruction kinds.
MIX_WORDS = (
    "fma", "mul", "add", "float_load", "float_store", "float_move", "compare", "float_other", "divide",
    "load", "store", "int", "branch",
)  # fmt: skip
_WORDS = {
    k.FMA: "fma",
    k.MUL: "mul",
    k.ADD: "add",
    k.DIVIDE: "divide",
    k.FLOAT_LOAD: "float_load",
    k.FLOAT_STORE: "float_store",
    k.FLOAT_MOVE: "float_move",
    k.TRANSFER: "float_move",
    k.FLOAT_COMPARE: "compare",
    k.FLOAT_STATUS: "compare",
    k.VECTOR_COMPARE: "compare",
    k.PERMUTE: "float_move",
    k.FLOAT_LOGIC: "float_other",
    k.CONVERT: "float_other",
    k.LOAD: "load",
    k.STORE: "store",
    k.BRANCH: "branch",
    k.CALL: "branch",
    k.RETURN: "branch",
}


def mix_word(kind: str) -> str:
    """The report's word for an instruction kind; ``int`` for the rest."""
    return _WORDS.get(kind, "int")


@dataclass
class Costs:
    """Sums over part of a call.  ``issue``: cycles of issue by mix word; ``stalls``: cycles by cause."""

    cycles: float = 0
    mix: Counter[str] = field(default_factory=Counter)
    issue: Counter[str] = field(default_factory=Counter)
    stalls: Counter[str] = field(default_factory=Counter)
    stack_accesses: int = 0

    def add(self, timing: BlockTiming, times: int) -> None:
        part = block_costs(timing)
        self.cycles += times * part.cycles
        for mine, other in ((self.mix, part.mix), (self.issue, part.issue), (self.stalls, part.stalls)):
            for word, count in other.items():
                mine[word] += times * count
        self.stack_accesses += times * part.stack_accesses

    def merge(self, other: Costs) -> None:
        self.cycles += other.cycles
        self.mix += other.mix
        self.issue += other.issue
        self.stalls += other.stalls
        self.stack_accesses += other.stack_accesses


def block_costs(timing: BlockTiming) -> Costs:
    """The costs of one visit of a block."""
    costs = Costs(cycles=timing.cycles)
    for step in timing.steps:
        word = mix_word(step.instruction.kind)
        costs.mix[word] += 1
        costs.issue[word] += step.issue
        if step.stall:
            costs.stalls[step.cause] += step.stall
        costs.stack_accesses += step.instruction.is_stack
    return costs


@dataclass(frozen=True)
class Part:
    """One run of a kernel function, or all runs of a helper, in one call.

    ``bounds``: on an out-of-order core the named bounds, of which ``costs.cycles`` is the largest.
    """

    name: str
    function: str
    costs: Costs
    bounds: Mapping[str, float] = field(default_factory=dict)


def group_by_run(
    code: MachineCode, trace: Sequence[Visit], kernel_names: Sequence[str]
) -> dict[tuple[str, str], list[int]]:
    """(name, function) -> indices into ``trace``.

    ``kernel_names`` are given in order to the runs of functions named ``kernel...``; without names, or when
    their number differs, runs of a function are one group.
    """
    entries = {function.address: function.name for function in code.functions}
    starts = [entries.get(visit.address, "").startswith("kernel") for visit in trace]
    by_run = bool(kernel_names) and sum(starts) == len(kernel_names)
    named, run = iter(kernel_names), ""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, visit in enumerate(trace):
        if by_run and starts[index]:
            run = next(named)
        function = code.function_at(visit.address)
        key = (run, function) if by_run and function.startswith("kernel") else (function, function)
        groups.setdefault(key, []).append(index)
    return dict(sorted(groups.items(), key=lambda item: not item[0][1].startswith("kernel")))  # stable


Bounds = Callable[[Sequence[Instruction]], dict[str, float]]


def split_by_function(
    code: MachineCode,
    trace: Sequence[Visit],
    timed: TimedTrace,
    kernel_names: Sequence[str],
    bounds: Bounds | None = None,
) -> list[Part]:
    """Costs by kernel in execution order, then by other function; with ``bounds`` cycles are the largest."""
    parts = []
    known: dict[tuple[Visit, ...], dict[str, float]] = {}
    for (name, function), indices in group_by_run(code, trace, kernel_names).items():
        timings = {id(timed.each[i]): timed.each[i] for i in indices}
        costs, found = Costs(), {}
        for identity, times in Counter(id(timed.each[i]) for i in indices).items():
            costs.add(timings[identity], times)
        if bounds:
            path = tuple(trace[i] for i in indices)
            if path not in known:
                known[path] = bounds([found for visit in path for found in code.block(visit.address, visit.size)])
            found = known[path]
            costs.cycles = max(found.values())
        parts.append(Part(name, function, costs, found))
    return parts


@dataclass(frozen=True)
class Loop:
    """A loop as executed: ``start`` to ``end`` in memory, an inner loop's instructions not counted."""

    function: str
    start: int
    end: int
    iterations: int
    costs: Costs
    scalar_arithmetic: int

    @property
    def loads_per_mac(self) -> float:
        macs = self.costs.mix["fma"] or self.costs.mix["mul"]
        return self.costs.mix["float_load"] / macs if macs else 0.0


def find_loops(code: MachineCode, trace: Sequence[Visit], timed: TimedTrace) -> list[Loop]:
    """Loops by the backward branches taken in ``trace``; each visit counts for its innermost loop."""
    ends: dict[int, int] = {}
    for visit, after in pairwise(trace):
        last = code.block(visit.address, visit.size)[-1]
        if visit.taken and last.kind == k.BRANCH and last.target == after.address and after.address <= visit.address:
            ends[after.address] = max(ends.get(after.address, 0), last.end)
    ranges = sorted(ends.items(), key=lambda item: (item[1] - item[0], item[0]))
    costs: dict[int, Costs] = {start: Costs() for start, _ in ranges}
    iterations: Counter[int] = Counter()
    scalar: Counter[int] = Counter()
    tally: Counter[tuple[Visit, int]] = Counter()
    timings: dict[int, BlockTiming] = {}
    for visit, timing in zip(trace, timed.each, strict=True):
        tally[visit, id(timing)] += 1
        timings[id(timing)] = timing
    for (visit, identity), times in tally.items():
        inner = next((start for start, end in ranges if start <= visit.address < end), None)
        if inner is None:
            continue
        timing = timings[identity]
        costs[inner].add(timing, times)
        scalar[inner] += times * sum(is_scalar_arithmetic(step.instruction) for step in timing.steps)
        if visit.address == inner:
            iterations[inner] += times
    return [
        Loop(code.function_at(start), start, end, iterations[start], costs[start], scalar[start])
        for start, end in ranges
    ]


def is_scalar_arithmetic(instruction: Instruction) -> bool:
    """Floating-point arithmetic on one number: what a machine with slow scalars must not do in a loop."""
    compares = instruction.kind == k.FLOAT_COMPARE
    return (instruction.kind in k.ARITHMETIC or compares) and instruction.lanes == 1


def static_stack_bytes(code: MachineCode, entry: str) -> int:
    """The deepest stack from ``entry`` by PUSH, VPUSH, STP and SUB SP along direct calls (no recursion)."""
    starts = {function.address: function.name for function in code.functions}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name in depths:
            return depths[name]
        body = code.body(name)
        depths[name] = sum(_pushed(instruction) for instruction in body)
        called = {starts[i.target] for i in body if i.kind == k.CALL and i.target in starts}
        depths[name] += max((depth(other) for other in sorted(called)), default=0)
        return depths[name]

    return depth(entry)


def _pushed(instruction: Instruction) -> int:
    """Bytes by which an instruction lowers the stack pointer."""
    if "sp" not in instruction.writes or instruction.kind in k.LOADS or instruction.kind == k.RETURN:
        return 0
    if instruction.kind in k.STORES and instruction.access:
        return max(instruction.access.size, -instruction.access.offset)
    if instruction.mnemonic.startswith("sub") and "#" in instruction.operands:
        parts = instruction.operands.split("#")[1].split(",")
        shift = 12 if "lsl #12" in instruction.operands else 0
        return int(parts[0], 0) << shift
    return 0


@dataclass(frozen=True)
class CallCosts:
    """One call of ``frames`` samples."""

    frames: int
    cycles: float
    parts: tuple[Part, ...]
    loops: tuple[Loop, ...]

    @property
    def costs(self) -> Costs:
        total = Costs()
        for part in self.parts:
            total.merge(part.costs)
        return total


def call_costs(
    code: MachineCode,
    trace: Sequence[Visit],
    timed: TimedTrace,
    frames: int,
    kernel_names: Sequence[str] = (),
    bounds: Bounds | None = None,
) -> CallCosts:
    """Everything about one traced call."""
    parts = split_by_function(code, trace, timed, kernel_names, bounds)
    cycles = sum(part.costs.cycles for part in parts)
    return CallCosts(frames, cycles, tuple(parts), tuple(find_loops(code, trace, timed)))


def per_sample(counter: Counter[str], frames: int, order: Iterable[str] = ()) -> dict[str, float]:
    """Rounded to hundredths; by ``order``, else largest first."""
    by_size: Callable[[str], tuple[int, str]] = lambda word: (-counter[word], word)  # noqa: E731
    words = [word for word in order if counter[word]] or sorted(counter, key=by_size)
    return {word: round(counter[word] / frames, 2) for word in words if counter[word]}
