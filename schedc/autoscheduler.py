"""The autoscheduler: asks the cost model about every legal schedule of a kernel and keeps the cheapest.

The one place where passes (what is legal) and cost model (what it costs) meet.  Kernels are chosen one by
one: nothing a kernel's schedule decides changes another's cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedc.cost.features import kernel_features
from schedc.cost.model import Bounds, estimate_cycles, kernel_bounds
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.program import Kernel
from schedc.passes.select_kernels import Choose, schedule_space
from schedc.schedule import KernelSchedule
from schedc.targets.base import Target


@dataclass(frozen=True)
class RankedSchedule:
    """A schedule with its predicted cycles per sample and the bound that decides them."""

    cycles_per_sample: float
    schedule: KernelSchedule
    bounds: Bounds


def rank(graph: Graph, kernel: Kernel, target: Target, contract: Contract, block: int) -> list[RankedSchedule]:
    """Every legal schedule of a kernel, cheapest first; ties go to the smaller tile, then the smaller block."""
    space = schedule_space(graph, kernel, target)
    return sorted(
        (_price(graph, kernel, schedule, target, contract, block) for schedule in space),
        key=lambda entry: (
            round(entry.cycles_per_sample, 6),
            entry.schedule.tile_vectors,
            entry.schedule.output_block,
            entry.schedule.share_taps,
        ),
    )


def _price(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target, contract: Contract, block: int
) -> RankedSchedule:
    cycles = estimate_cycles(graph, kernel, schedule, target, contract, block)
    features = kernel_features(graph, kernel, schedule, contract)
    return RankedSchedule(cycles, schedule, kernel_bounds(features, target, contract, block))


def cheapest(target: Target, contract: Contract) -> Choose:
    """What `SelectKernels` is told to do: take the cheapest."""

    def choose(graph: Graph, kernel: Kernel, block: int) -> KernelSchedule:
        return rank(graph, kernel, target, contract, block)[0].schedule

    return choose
