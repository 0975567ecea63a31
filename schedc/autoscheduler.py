"""The autoscheduler: asks the cost model about every legal schedule of a kernel and keeps the cheapest.

The one place where passes (what is legal) and cost model (what it costs) meet.  Kernels are chosen one by
one: nothing a kernel's schedule decides changes another's cost.  Where costs can be measured,
``whole_schedules`` gives what is worth measuring: schedules of all kernels together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

from schedc.cost.features import kernel_signature
from schedc.cost.frame_counts import tap_loads
from schedc.cost.model import Prices, predict_program
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.ops import history
from schedc.ir.program import Kernel, Program
from schedc.passes.schedule_space import schedule_space
from schedc.passes.select_kernels import Choose, round_up_to_tiles, select_rings
from schedc.schedule import NOTHING_FORCED, Aligned, Forced, KernelSchedule, Parts, RingPolicy, Shared, Taps, VectorAxis
from schedc.targets.base import Target

_CLOSE = 1.02  # predictions nearer than this say nothing about which is faster


@dataclass(frozen=True)
class RankedSchedule:
    """A schedule with its predicted cycles per sample."""

    cycles_per_sample: float
    schedule: KernelSchedule


def rank(graph: Graph, kernel: Kernel, prices: Prices, forced: Forced = NOTHING_FORCED) -> list[RankedSchedule]:
    """Every legal schedule of a kernel that has what is ``forced``, cheapest first; ties go to wider vectors, smaller
    tiles, smaller blocks.  UserError if there is none.
    """
    price = prices.of(graph, kernel)
    return sorted(
        (RankedSchedule(price(s), s) for s in schedule_space(graph, kernel, prices.target, prices.block, forced)),
        key=lambda entry: (
            round(entry.cycles_per_sample, 6),
            -entry.schedule.lanes,
            entry.schedule.tile_vectors,
            entry.schedule.output_block,
            _rank_of(entry.schedule.taps),
        ),
    )


def _rank_of(taps: Taps) -> tuple[int, bool, bool, int]:
    """Among equals the simpler: fewer parts, nothing shared, nothing aligned, fewer vectors a weight."""
    if isinstance(taps, Shared):
        return 1, True, taps.align_rest, taps.weight_vectors
    return _parts(taps), False, isinstance(taps, Aligned), 1


def _parts(taps: Taps) -> int:
    return taps.count if isinstance(taps, Parts) else 1


@dataclass(frozen=True)
class WholeSchedule:
    """A schedule for every kernel and the rings, with its predicted cycles per sample."""

    cycles_per_sample: float
    program: Program


def whole_schedules(program: Program, target: Target, contract: Contract) -> list[WholeSchedule]:
    """Ways to schedule a scheduled program, cheapest first: its own, each tile for all kernels that can have it,
    and its own with other rings.
    """
    found = [program]
    prices = Prices(target, contract, program.block)
    ranked = {k.name: rank(program.graph, k, prices) for k in program.kernels}
    tiles = sorted({_tile(entry.schedule) for entries in ranked.values() for entry in entries})
    for tile in tiles:
        chosen = {name: _nearest(entries, tile) for name, entries in ranked.items()}
        frames = round_up_to_tiles(program.block, chosen.values())
        rings = select_rings(program.graph, target, frames)
        if all(chosen != other.schedules for other in found):
            found.append(replace(program, schedules=chosen, rings=rings))
    if program.rings:
        policies = product((1, 2, 4, program.rings.most_blocks), RingPolicy)
        others = [replace(program.rings, most_blocks=blocks, policy=policy) for blocks, policy in policies]
        found += [replace(program, rings=rings) for rings in others if rings != program.rings]
    priced = [WholeSchedule(predict_program(v, target, contract), v) for v in found]
    return sorted(priced, key=lambda entry: entry.cycles_per_sample)


Tile = tuple[VectorAxis, int, int, int, int]


def _tile(schedule: KernelSchedule) -> Tile:
    return schedule.axis, schedule.lanes, schedule.tile_vectors, schedule.output_block, _parts(schedule.taps)


def _nearest(ranked: list[RankedSchedule], tile: Tile) -> KernelSchedule:
    """The legal schedule with this tile or the most similar one; the cheaper of equals."""

    def distance(entry: RankedSchedule) -> tuple[float, ...]:
        axis, *numbers = _tile(entry.schedule)
        return axis != tile[0], *(abs(math.log2(a / b)) for a, b in zip(numbers, tile[1:], strict=True))

    return min(ranked, key=distance).schedule


def cheapest(target: Target, contract: Contract) -> Choose:
    """What `SelectKernels` is told to do: take the cheapest."""

    known: dict[object, KernelSchedule] = {}
    prices: dict[int, Prices] = {}

    def choose(graph: Graph, kernel: Kernel, block: int, forced: Forced) -> KernelSchedule:
        key = kernel_signature(graph, kernel), block, frozenset(forced.items())
        if key not in known:
            ranked = rank(graph, kernel, prices.setdefault(block, Prices(target, contract, block)), forced)
            known[key] = choice(ranked if forced else _with_few_loads(graph, kernel, ranked, target), target).schedule
        return known[key]

    return choose


def _with_few_loads(graph: Graph, kernel: Kernel, ranked: list[RankedSchedule], target: Target) -> list[RankedSchedule]:
    """Those that load as seldom in their tap loop as the target's limit asks; all, where none does or none has taps.
    Channels across the lanes are for blocks so short that this is not the question.
    """
    node = next((graph[name] for name in kernel.nodes if history(graph[name].op)), None)
    most = target.limits.loads_per_mac
    if node is None or math.isinf(most):
        return ranked
    few = [e for e in ranked if e.schedule.across_channels or tap_loads(graph, node, e.schedule) < most]
    return few or ranked


@dataclass(frozen=True)
class RunnerUp:
    """The best schedule with another tile or block, and how much more it is predicted to take (0.01: 1 %)."""

    schedule: KernelSchedule
    loses_by: float


def runner_up(program: Program, kernel: Kernel, prices: Prices) -> RunnerUp | None:
    """What a kernel's schedule was preferred to; None if there was no choice."""
    ranked = _with_few_loads(program.graph, kernel, rank(program.graph, kernel, prices), prices.target)
    mine = program.schedules[kernel.name]
    cycles = prices.of(program.graph, kernel)(mine)
    other = next((entry for entry in ranked if _tile(entry.schedule) != _tile(mine)), None)
    return RunnerUp(other.schedule, other.cycles_per_sample / cycles - 1) if other else None


def choice(ranked: list[RankedSchedule], target: Target) -> RankedSchedule:
    """The first of a ranking; out of order, of those that are as good within the model's reach, one that may leave
    its streams interleaved (the cost of planar ones is its neighbours'), and of these the one with the
    fewest passes over the outputs: more of them lost on every such machine (docs/machines.md#what-lost); then
    the one with the fewest parts of taps, which keeps the least state.
    """
    if target.in_order:
        return ranked[0]
    close = [entry for entry in ranked if entry.cycles_per_sample <= _CLOSE * ranked[0].cycles_per_sample]

    def merits(entry: RankedSchedule) -> tuple[int, ...]:
        schedule = entry.schedule
        return schedule.across_channels, schedule.lanes, schedule.output_block, -_parts(schedule.taps)

    return max(close, key=merits)
