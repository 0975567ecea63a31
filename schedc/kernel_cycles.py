"""Predicted cycles per sample of a kernel: work over throughput, times the target's overhead factor."""

from __future__ import annotations

from schedc.analysis.kernel_work import kernel_work
from schedc.analysis.stage_costs import KernelCycles
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.program import Kernel, Program
from schedc.schedule import KernelSchedule
from schedc.targets.base import Target


def estimate_cycles(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target, contract: Contract
) -> float:
    """Cycles per sample, one core, by the target's facts."""
    vectors = kernel_work(graph, kernel) / target.vectors.lanes
    outputs, tile = schedule.output_block, schedule.tile_vectors
    weights = outputs / 4 if target.vectors.weights == "lane" else outputs
    mac = target.fact("fused_mac_cycles" if contract.mac == "fused" else "unfused_mac_cycles")
    loads = target.fact("load_cycles") * (weights + tile) / (outputs * tile)
    return vectors * (mac + loads) * target.fact("overhead_factor")


def estimator(target: Target, contract: Contract) -> KernelCycles:
    """The default prediction for the kernels of a scheduled program."""

    def estimate(program: Program, kernel: Kernel) -> float:
        return estimate_cycles(program.graph, kernel, program.schedules[kernel.name], target, contract)

    return estimate
