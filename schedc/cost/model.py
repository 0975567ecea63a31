"""A kernel's predicted cycles as named bounds.

In-order machines pay for every instruction, so their cycles are the sum of the bounds; out-of-order ones
overlap them and take little more than the worst.  The numbers come from the target's description.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from schedc.cost.features import KernelFeatures, kernel_features, tile_signature
from schedc.cost.frame_counts import effect_of_dilation
from schedc.ir.contract import Contract
from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, history
from schedc.ir.program import Kernel, Program
from schedc.loops.form import cut_convolutions
from schedc.loops.paired_cells import in_loops, share_loop
from schedc.loops.tap_parts import kept_sums
from schedc.schedule import KernelSchedule
from schedc.targets.base import Target

_LINE_BYTES = 64
# Out of order, bounds near each other get in each other's way: the norm that fits measured kernels best.
_NORM = 3.5


@dataclass(frozen=True)
class Bounds:
    """Cycles per tile by cause.

    ``mac``: multiply-accumulate units, other arithmetic and divisions included, and on in-order machines what
    their results let them wait.  ``memory``: loads and stores.
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
        bounds = (self.mac, self.memory, self.issue, self.latency)
        return math.pow(sum(bound**_NORM for bound in bounds), 1 / _NORM) + self.overhead

    def deciding(self) -> str:
        """The name of the largest bound."""
        values = asdict(self)
        return max(values, key=lambda name: (values[name], name))


def kernel_bounds(features: KernelFeatures, target: Target, contract: Contract, block: int) -> Bounds:
    """The bounds of one tile; ``block`` frames per call share the call's cost."""
    if target.in_order:
        return _in_order(features, target, contract, block)
    return _out_of_order(features, target, contract, block)


def _in_order(features: KernelFeatures, target: Target, contract: Contract, block: int) -> Bounds:
    counts = features.counts
    mac, operation = _mac_cycles(target, contract), target.fact("operation_cycles")
    others = counts.arithmetic + counts.moves - counts.multiply_adds - 2 * counts.selects
    return Bounds(
        mac=mac * counts.macs
        # A polynomial's next coefficient is copied to where the multiply-accumulate adds to it.
        + (mac + operation) * counts.multiply_adds
        + target.fact("select_cycles") * counts.selects
        + operation * others
        + target.fact("divide_cycles") * counts.divisions
        + _waiting_cycles(features, target),
        memory=target.fact("load_cycles") * (counts.loads + counts.weights)
        + target.fact("store_cycles") * counts.stores,
        issue=counts.instructions / target.fact("issue_width"),
        latency=target.fact("mac_latency_cycles") * counts.chain,
        overhead=_overhead(features, target, block),
    )


def _waiting_cycles(features: KernelFeatures, target: Target) -> float:
    """On in-order machines an activation's operations wait for each other, but not those of the tile's vectors."""
    if target.pipeline is None:
        return 0.0
    operation = target.pipeline.kinds["add"]
    return features.counts.dependent * max(0.0, operation.latency - features.vectors * operation.issue)


def _out_of_order(features: KernelFeatures, target: Target, contract: Contract, block: int) -> Bounds:
    """Vectors narrower than the machine's cost less where it runs wide ones in two halves; a load or store
    that crosses a cache line costs more; chains within reach of the reorder window hide each other's latency.
    """
    counts = features.counts
    width = max(features.lanes / target.vectors.lanes, target.fact("narrowest_vector_cost"))
    crossing = FLOAT32.bytes * (features.lanes - 1) / _LINE_BYTES  # of vectors at any float's address
    lines = 1 + target.fact("line_crossing_cost") * crossing
    return Bounds(
        mac=width
        * (
            _mac_cycles(target, contract) * counts.macs
            + target.fact("operation_cycles") * counts.arithmetic
            + target.fact("divide_cycles") * counts.divisions
            + target.fact("splice_cycles") * counts.splices
        ),
        memory=lines * width * (target.fact("load_cycles") * counts.loads + target.fact("store_cycles") * counts.stores)
        + target.fact("weight_load_cycles") * (counts.weights + counts.folded),
        issue=counts.instructions / target.fact("issue_width"),
        latency=target.fact("mac_latency_cycles") * _waiting_depth(features, target, block),
        overhead=_overhead(features, target, block) + _forward_stall(features, target, block),
    )


def _forward_stall(features: KernelFeatures, target: Target, block: int) -> float:
    """A block of one tile reads what the kernel before it has only just stored: a load that straddles such a store
    waits for the cache.  Of several tiles each was stored long enough ago.
    """
    just_stored = features.straddles and block <= features.frames
    return target.fact("forward_stall_cycles") if just_stored else 0.0


def _waiting_depth(features: KernelFeatures, target: Target, block: int) -> float:
    """Dependent operations of a tile that no other work hides."""
    reach = target.fact("reorder_window") / features.counts.instructions
    if features.across_channels:
        # Only the newest tap waits for the kernel before, so that kernels that follow fill the window too.
        return features.depth / max(1.0, reach)
    tiles = min(-(-block // features.frames), reach)
    in_flight = 1.0 if features.carried else max(1.0, max(1.0, features.counts.blocks) * tiles)
    return max(features.depth, features.counts.chain) / in_flight


def _mac_cycles(target: Target, contract: Contract) -> float:
    return target.fact("fused_mac_cycles" if contract.mac == "fused" else "unfused_mac_cycles")


def _overhead(features: KernelFeatures, target: Target, block: int) -> float:
    tiles = max(1.0, block / features.frames)
    return (
        target.fact("tile_cycles")
        + target.fact("block_cycles") * features.counts.blocks
        + target.fact("call_cycles") / tiles
    )


def estimate_cycles(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target, contract: Contract, block: int
) -> float:
    """Predicted cycles per sample of a kernel on one core, at blocks of ``block`` frames."""
    features = kernel_features(graph, kernel, schedule, contract)
    per_tile = kernel_bounds(features, target, contract, block).cycles(target.in_order)
    tiles = -(-block // features.frames)
    return per_tile * tiles / block


class Prices:
    """:func:`estimate_cycles` for one machine, contract and block.  Many layers differ in their dilation only, which
    few schedules care about; what is equal is estimated once.
    """

    def __init__(self, target: Target, contract: Contract, block: int) -> None:
        self.target, self.contract, self.block = target, contract, block
        self._known: dict[object, dict[object, float]] = {}

    def of(self, graph: Graph, kernel: Kernel) -> Callable[[KernelSchedule], float]:
        """Predicted cycles per sample of a kernel by schedule."""
        known = self._known.setdefault(tile_signature(graph, kernel), {})
        convolutions = [op for op in (graph[name].op for name in kernel.nodes) if isinstance(op, Conv)]

        def price(schedule: KernelSchedule) -> float:
            key = schedule, *(effect_of_dilation(op, schedule) for op in convolutions)
            if key not in known:
                known[key] = estimate_cycles(graph, kernel, schedule, self.target, self.contract, self.block)
            return known[key]

        return price


def predict_alone(program: Program, target: Target, contract: Contract) -> list[float]:
    """The same for each kernel of a scheduled program in a loop of its own, with the upkeep of the rings it writes."""
    return [_work(program, k, target, contract) + ring_cycles(program, k, target) for k in program.kernels]


def _work(program: Program, kernel: Kernel, target: Target, contract: Contract) -> float:
    schedule = program.schedules[kernel.name]
    return estimate_cycles(program.graph, kernel, schedule, target, contract, program.block)


def predict_kernels(program: Program, target: Target, contract: Contract) -> list[float]:
    """The same where each may share its loop with another kernel of its stage (of the program, before it is cut)."""
    stages = [stage.kernels for stage in program.stages] or [program.kernels]
    found: list[float] = []
    for loop in (loop for kernels in stages for loop in in_loops(kernels, _paired(program))):
        works = [_work(program, kernel, target, contract) for kernel in loop]
        if len(loop) == 2:
            both, total = _cycles_of_pair(program, loop, target, contract), sum(works)
            works = [work / total * both for work in works]
        found += [work + ring_cycles(program, kernel, target) for work, kernel in zip(works, loop, strict=True)]
    return found


def _paired(program: Program) -> Callable[[Kernel, Kernel], bool]:
    def share(first: Kernel, second: Kernel) -> bool:
        one, two = ((program.graph[k.nodes[0]].op, program.schedules[k.name]) for k in (first, second))
        return share_loop(one, two)

    return share


def _cycles_of_pair(program: Program, cells: Sequence[Kernel], target: Target, contract: Contract) -> float:
    """Cycles per sample of cells in one loop: neither waits for the other, so their latencies pass together."""
    features = [kernel_features(program.graph, cell, program.schedules[cell.name], contract) for cell in cells]
    bounds = [kernel_bounds(each, target, contract, program.block) for each in features]
    both = Bounds(
        mac=sum(each.mac for each in bounds),
        memory=sum(each.memory for each in bounds),
        issue=sum(each.issue for each in bounds),
        latency=max(each.latency for each in bounds),
        overhead=max(each.overhead for each in bounds),
    )
    return both.cycles(target.in_order)


def predict_program(program: Program, target: Target, contract: Contract) -> float:
    """Predicted cycles per sample of all kernels of a scheduled program, one after the other."""
    return sum(predict_kernels(program, target, contract))


def ring_cycles(program: Program, kernel: Kernel, target: Target) -> float:
    """Cycles per sample to start over the rings that a kernel's results are kept in."""
    copied = 0.0
    for name in kernel.nodes:
        past = max((history(reader.op) for reader in program.graph.consumers(name)), default=0)
        if past and program.rings:
            copied += program.graph[name].channels * program.rings.copied_share(past)
    for _, op, cut in cut_convolutions(program.graph, kernel, program.schedules[kernel.name]):
        if program.rings:
            copied += kept_sums(op, cut.parts) * program.rings.copied_share(cut.taps)
    return target.fact("copy_cycles_per_float") * copied
