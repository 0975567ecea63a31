"""select-kernels: a tile, an output block and a weight route for each kernel, one ring policy.

    kernel array0.layer3   -->   kernel array0.layer3 tile=4x16 block=3

The rule here is simple and per target: as many output channels and frames as the accumulator registers
hold (the others are for operands and weights), as many frames as make a column's multiply-accumulates
cheapest: loads, latency and frames wasted at the end of a block count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, LstmCell, Op, history
from schedc.ir.program import Kernel, Level, Program
from schedc.schedule import KernelSchedule, RingSchedule, WeightRoute
from schedc.targets.base import Target


# What a column costs besides: addresses, loop ends, a tile's share of prologue. A guess; it breaks ties.
_LOOP_CYCLES = 0.25
# Registers for weights and samples beside a 1x1 convolution's source and sums, by weight route.
_SPARE = {"broadcast": 2, "lane": 2, "scalar": 6}
# Shared taps are written out; longer kernels would be too much code.
_MOST_SHARED_TAPS = 16


@dataclass(frozen=True)
class SelectKernels:
    target: Target
    name: str = "select-kernels"

    def __call__(self, program: Program) -> Program:
        schedules = {k.name: select_kernel(program.graph, k, self.target, program.block) for k in program.kernels}
        rings = select_rings(program.graph, self.target, round_up_to_tiles(program.block, schedules.values()))
        return replace(program, schedules=schedules, rings=rings, level=Level.SCHEDULED)


def select_rings(graph: Graph, target: Target, block_frames: int) -> RingSchedule:
    """The longest spans whose rings leave a quarter of the target's memory to others (where it states any)."""
    copy_frames = max(8, target.vectors.lanes)
    most = target.limits.rewind_blocks
    room = 0.75 * target.facts["sram_bytes"].value if "sram_bytes" in target.facts else math.inf
    while most > 2 and ring_bytes(graph, RingSchedule(block_frames, most, copy_frames)) > room:
        most //= 2
    return RingSchedule(block_frames, most, copy_frames)


def ring_bytes(graph: Graph, rings: RingSchedule) -> int:
    """Bytes of all rings under a policy, alignment left out."""
    total = 0
    for node in graph:
        past = max((history(reader.op) for reader in graph.consumers(node.name)), default=0)
        if past:
            total += 4 * node.channels * (past + rings.span(past))
    return total


def round_up_to_tiles(block: int, schedules: Iterable[KernelSchedule]) -> int:
    """Frames that the last tile of a full block may reach, for the widest tile in use."""
    tiles = {schedule.tile_frames for schedule in schedules}
    return max((-(-block // tile) * tile for tile in tiles), default=block)


def select_kernel(graph: Graph, kernel: Kernel, target: Target, block: int) -> KernelSchedule:
    """The schedule for one kernel on ``target`` with blocks of ``block`` frames."""
    ops = [graph[name].op for name in kernel.nodes]
    width = max((op.out_channels for op in ops if isinstance(op, Conv)), default=1)
    room = target.limits.accumulators
    output_block = _even_blocks(width, room)
    choices = range(1, room // output_block + 1)
    convolutions = [op for op in ops if isinstance(op, Conv) and op.history]
    window = shared_window(convolutions, target)
    if window:
        choices = range(window, window + 1)
    best = min(choices, key=lambda vectors: (_cycles(target, output_block, vectors, block), vectors))
    units = next((op.hidden for op in ops if isinstance(op, LstmCell)), 0)
    return KernelSchedule(
        lanes=_unit_lanes(units, target.vectors.lanes) if units else target.vectors.lanes,
        tile_vectors=best,
        output_block=output_block,
        pointwise_block=_pointwise_block(ops, target, best),
        unroll_macs=target.limits.unroll_macs,
        register_values=room,
        weight_route=WeightRoute(target.vectors.weights),
        interleave=target.in_order,
        share_taps=window > 0,
    )


def _pointwise_block(ops: list[Op], target: Target, vectors: int) -> int:
    """Outputs of a 1x1 convolution that fit into registers beside the source's vectors."""
    pointwise = [op for op in ops if isinstance(op, Conv) and op.kernel_size == 1]
    narrow = [op for op in pointwise if op.in_channels * vectors <= target.limits.accumulators]
    sources = max((op.in_channels for op in narrow), default=0) * vectors
    room = max(1, (target.vectors.registers - sources - _SPARE[target.vectors.weights]) // vectors)
    return _even_blocks(max((op.out_channels for op in pointwise), default=1), min(room, target.limits.accumulators))


def shared_window(convolutions: list[Conv], target: Target) -> int:
    """Frames per tile where taps share their samples, or 0 where they cannot.

    One frame per register, dilation 1, dense: a tile needs a register per sum, one per sample of the window
    and a column's weights.
    """
    if target.vectors.lanes > 1 or not convolutions:
        return 0
    if any(op.dilation != 1 or op.groups > 1 or op.kernel_size > _MOST_SHARED_TAPS for op in convolutions):
        return 0
    outputs, columns = max(op.out_channels for op in convolutions), max(op.columns for op in convolutions)
    frames = (target.vectors.registers - outputs - 1) // (outputs + columns)
    return frames if frames > 1 else 0


def _unit_lanes(units: int, most: int) -> int:
    """Lanes for a recurrent kernel: as wide as the target allows without padding more units than needed."""
    widths = [lanes for lanes in (16, 8, 4) if lanes <= most] or [most]
    return min(widths, key=lambda lanes: (-(-units // lanes) * lanes, -lanes))


def _even_blocks(width: int, most: int) -> int:
    """Split ``width`` outputs into blocks of nearly equal size, at most ``most``."""
    return -(-width // -(-width // most))


def _cycles(target: Target, outputs: int, vectors: int, block: int) -> float:
    """Cycles of one column's multiply-accumulates per useful frame.

    Bounds: the multiply-accumulates, the loads, and the latency from one column to the next on the same
    accumulator.  In-order machines pay for loads and arithmetic, out-of-order ones for the worse.
    """
    mac = target.fact("fused_mac_cycles" if "fused" in target.mac else "unfused_mac_cycles")
    weights = outputs / 4 if target.vectors.weights == "lane" else outputs
    arithmetic = mac * outputs * vectors
    loads = target.fact("load_cycles") * (weights + vectors)
    busy = arithmetic + loads if target.in_order else max(arithmetic, loads)
    tiles = -(-block // (vectors * target.vectors.lanes))
    return (max(busy, target.fact("mac_latency_cycles")) + _LOOP_CYCLES) * tiles / block
