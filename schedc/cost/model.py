"""A kernel's predicted cycles as named bounds.

In-order machines pay for every instruction, so their cycles are the sum of the bounds; out-of-order ones
overlap them and take the worst.  The numbers come from the target's description.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from schedc.cost.features import KernelFeatures, kernel_features
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.program import Kernel, Program
from schedc.schedule import KernelSchedule
from schedc.targets.base import Target


@dataclass(frozen=True)
class Bounds:
    """Cycles per tile by cause.

    ``mac``: multiply-accumulate units, other arithmetic and divisions included.  ``memory``: loads and stores.
    ``issue``: instructions over issue width.  ``latency``: the tile's longest chain.  ``overhead``: loop,
    addresses, a call's share.
    """

    mac: float
    memory: float
    issue: float
    latency: float
    overhead: float

    def cycles(self, in_order: bool) -> float:
        if in_order:
            return max(self.mac + self.memory, self.latency) + self.overhead
        return max(self.mac, self.memory, self.issue, self.latency) + self.overhead

    def deciding(self) -> str:
        """The name of the largest bound."""
        values = asdict(self)
        return max(values, key=lambda name: (values[name], name))


def kernel_bounds(features: KernelFeatures, target: Target, contract: Contract, block: int) -> Bounds:
    """The bounds of one tile; ``block`` frames per call share the call's cost."""
    fused = contract.mac == "fused"
    mac = target.fact("fused_mac_cycles" if fused else "unfused_mac_cycles")
    operation = target.fact("operation_cycles")
    tiles = max(1.0, block / features.frames)
    memory = features.loads + features.stores
    instructions = features.macs + features.arithmetic + features.divisions + features.moves + memory
    return Bounds(
        mac=mac * features.macs
        + operation * (features.arithmetic + features.moves)
        + target.fact("divide_cycles") * features.divisions,
        memory=target.fact("load_cycles") * features.loads + target.fact("store_cycles") * features.stores,
        issue=instructions / target.fact("issue_width"),
        latency=target.fact("mac_latency_cycles") * features.chain,
        overhead=target.fact("tile_cycles")
        + target.fact("block_cycles") * features.blocks
        + target.fact("call_cycles") / tiles,
    )


def estimate_cycles(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target, contract: Contract, block: int
) -> float:
    """Predicted cycles per sample of a kernel on one core, at blocks of ``block`` frames."""
    features = kernel_features(graph, kernel, schedule, contract)
    per_tile = kernel_bounds(features, target, contract, block).cycles(target.in_order)
    tiles = -(-block // features.frames)
    return per_tile * tiles / block


def predict_kernel(program: Program, kernel: Kernel, target: Target, contract: Contract) -> float:
    """The same for a kernel of a scheduled program."""
    return estimate_cycles(program.graph, kernel, program.schedules[kernel.name], target, contract, program.block)
