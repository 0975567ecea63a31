"""select-kernels: a tile, an output block and a weight route for each kernel, one ring policy.

    kernel array0.layer3   -->   kernel array0.layer3 tile=4x16 block=3

The rule here is simple and per target: as many output channels and frames as half the registers
hold (the other half is for operands and weights), as many frames as make a column's multiply-accumulates
cheapest: loads, latency and frames wasted at the end of a block count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, LstmCell
from schedc.ir.program import Kernel, Level, Program
from schedc.schedule import KernelSchedule, RingSchedule, WeightRoute
from schedc.targets.base import Target


# What a column costs besides: addresses, loop ends, a tile's share of prologue. A guess; it breaks ties.
_LOOP_CYCLES = 0.25


@dataclass(frozen=True)
class SelectKernels:
    target: Target
    name: str = "select-kernels"

    def __call__(self, program: Program) -> Program:
        schedules = {k.name: select_kernel(program.graph, k, self.target, program.block) for k in program.kernels}
        frames = round_up_to_tiles(program.block, schedules.values())
        rings = RingSchedule(frames, self.target.limits.rewind_blocks, self.target.vectors.lanes)
        return replace(program, schedules=schedules, rings=rings, level=Level.SCHEDULED)


def round_up_to_tiles(block: int, schedules: Iterable[KernelSchedule]) -> int:
    """Frames that the last tile of a full block may reach, for the widest tile in use."""
    tiles = {schedule.tile_frames for schedule in schedules}
    return max((-(-block // tile) * tile for tile in tiles), default=block)


def select_kernel(graph: Graph, kernel: Kernel, target: Target, block: int) -> KernelSchedule:
    """The schedule for one kernel on ``target`` with blocks of ``block`` frames."""
    ops = [graph[name].op for name in kernel.nodes]
    width = max((op.out_channels for op in ops if isinstance(op, Conv)), default=1)
    room = target.vectors.registers // 2
    output_block = _even_blocks(width, room)
    choices = range(1, room // output_block + 1)
    best = min(choices, key=lambda vectors: (_cycles(target, output_block, vectors, block), vectors))
    units = next((op.hidden for op in ops if isinstance(op, LstmCell)), 0)
    return KernelSchedule(
        lanes=_unit_lanes(units, target.vectors.lanes) if units else target.vectors.lanes,
        tile_vectors=best,
        output_block=output_block,
        unroll_macs=target.limits.unroll_macs,
        register_values=room,
        weight_route=WeightRoute(target.vectors.weights),
    )


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
