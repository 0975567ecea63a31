"""Which schedules of a kernel are legal.

``schedule_space`` lists them: sums and a column's operands of every tile fit the registers, so a tile that
spills is not in it.  A schedule file may force more than that; ``check_legal`` refuses what cannot be lowered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from schedc.analysis.channel_axis import can_hold_channels
from schedc.analysis.tap_sharing import aligns_taps, shares_taps
from schedc.errors import UserError
from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, Op
from schedc.ir.program import Kernel
from schedc.schedule import KernelSchedule, VectorAxis, WeightRoute
from schedc.targets.base import Target

# Registers for weights and samples beside a 1x1 convolution's source and sums, by weight route.
_SPARE = {"broadcast": 2, "lane": 2, "scalar": 6}


def schedule_space(graph: Graph, kernel: Kernel, target: Target, block: int) -> list[KernelSchedule]:
    """Every legal schedule that differs in cost at blocks of ``block`` frames, in a fixed order."""
    ops = [graph[name].op for name in kernel.nodes]
    width = max((op.out_channels for op in ops if isinstance(op, Conv)), default=1)
    room = target.limits.accumulators
    space: list[KernelSchedule] = []
    blocks = sorted({_even_blocks(width, most) for most in range(1, min(room, width) + 1)})
    for lanes, output_block in product(lane_widths(target), blocks):
        for vectors in range(1, max(1, room // output_block) + 1):
            schedule = KernelSchedule(
                lanes=lanes,
                tile_vectors=vectors,
                output_block=output_block,
                pointwise_block=_pointwise_block(ops, target, vectors),
                unroll_macs=target.limits.unroll_macs,
                register_values=room,
                weight_route=WeightRoute(target.vectors.weights),
                interleave=target.in_order,
                share_taps=False,
            )
            if vectors == 1 or _fits_column(schedule, target):
                space += [schedule, *_aligned(ops, schedule, target)]
            space += _shared(ops, schedule, target)
    return space + _channel_space(ops, target, block)


def _channel_space(ops: Sequence[Op], target: Target, block: int) -> list[KernelSchedule]:
    """Schedules with channels across the lanes, where blocks are too small to fill more than a vector with frames."""
    if block >= target.vectors.lanes:
        return []
    space = []
    most = max(max(op.out_channels, *op.operand_channels) for op in ops)
    enough = min((lanes for lanes in lane_widths(target) if lanes >= most), default=target.vectors.lanes)
    for lanes in lane_widths(target):
        if not 1 < lanes <= enough or not can_hold_channels(ops, lanes):
            continue
        vectors = -(-max((op.out_channels for op in ops if isinstance(op, Conv)), default=1) // lanes)
        room = target.limits.accumulators
        for frames in range(1, min(block, room) + 1):
            counts = range(1, min(vectors, room // frames) + 1)
            for outputs in sorted({lanes * _even_blocks(vectors, count) for count in counts}):
                schedule = KernelSchedule(
                    lanes=lanes,
                    tile_vectors=frames,
                    output_block=outputs,
                    pointwise_block=outputs,
                    unroll_macs=target.limits.unroll_macs,
                    register_values=room,
                    weight_route=WeightRoute(target.vectors.weights),
                    interleave=target.in_order,
                    share_taps=False,
                    axis=VectorAxis.CHANNELS,
                )
                space.append(schedule)
    return space


def _fits_column(schedule: KernelSchedule, target: Target) -> bool:
    """Whether a tile's sums, a column's samples and a vector of weights fit where weights are lanes (elsewhere a
    sample is an operand from memory, or loaded one by one).
    """
    lane_weights = schedule.weight_route is WeightRoute.LANE
    return not lane_weights or (schedule.output_block + 1) * schedule.tile_vectors < target.vectors.registers


def check_legal(graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target) -> None:
    """Raise UserError for a forced schedule that cannot be lowered."""
    obstacle = obstacle_to(graph, kernel, schedule, target)
    if obstacle:
        raise UserError(f"--schedule, kernel {kernel.name}", *obstacle)


def obstacle_to(graph: Graph, kernel: Kernel, schedule: KernelSchedule, target: Target) -> tuple[str, str] | None:
    """Why a schedule cannot be lowered, and the remedy."""
    scalar = target.vectors.lanes == 1
    if scalar != (schedule.weight_route is WeightRoute.SCALAR):
        kinds = "scalar" if scalar else "broadcast or lane"
        return f"weight_route {schedule.weight_route} on {target.name}", f"use {kinds}"
    if schedule.lanes not in lane_widths(target):
        widths = " or ".join(str(lanes) for lanes in lane_widths(target))
        return f"{schedule.lanes} lanes on {target.name}", f"use {widths}"
    if schedule.tile_vectors % schedule.weight_vectors and not schedule.across_channels:
        vectors, together = schedule.tile_vectors, schedule.weight_vectors
        return f"weight_vectors {together} does not divide tile_vectors {vectors}", "leave it out"
    if schedule.weight_vectors > 1 and schedule.across_channels:
        return "weight_vectors needs vectors of frames", "leave it out"
    if schedule.align_taps and (scalar or schedule.across_channels):
        return "align_taps needs vectors of frames", "leave it out"
    ops = [graph[name].op for name in kernel.nodes]
    if schedule.across_channels and (scalar or schedule.share_taps or not can_hold_channels(ops, schedule.lanes)):
        return _channel_obstacle(schedule, target)
    if schedule.share_taps and not may_share(ops, schedule):
        needs = "convolutions of dilation 1 and few channels, with as many taps as the tile has frames"
        return f"share_taps needs {needs}", "leave it out or make tile_vectors smaller"
    return None


def _channel_obstacle(schedule: KernelSchedule, target: Target) -> tuple[str, str]:
    if target.vectors.lanes == 1:
        return f"axis channels on {target.name}, which has no vectors", "leave it out"
    if schedule.share_taps:
        return "share_taps with axis channels", "leave one of them out"
    needs = "convolutions without groups, element-wise steps and slices that begin at a multiple of the lanes"
    return f"axis channels needs {needs}, no other steps", "name the kernels that can have it"


def _pointwise_block(ops: list[Op], target: Target, vectors: int) -> int:
    """Outputs of a 1x1 convolution that fit into registers beside the source's vectors."""
    pointwise = [op for op in ops if isinstance(op, Conv) and op.kernel_size == 1]
    narrow = [op for op in pointwise if op.in_channels * vectors <= target.limits.accumulators]
    sources = max((op.in_channels for op in narrow), default=0) * vectors
    room = max(1, (target.vectors.registers - sources - _SPARE[target.vectors.weights]) // vectors)
    if target.vectors.weights != WeightRoute.SCALAR:
        # Each weight in flight takes a register, and a source in memory one a vector.
        room = max(1, min(room, target.limits.accumulators // vectors))
    return _even_blocks(max((op.out_channels for op in pointwise), default=1), min(room, target.limits.accumulators))


def may_share(ops: Iterable[Op], schedule: KernelSchedule) -> bool:
    """Whether neighbouring taps can share their samples: all history has dilation 1, and it is long enough."""
    convolutions = [op for op in ops if isinstance(op, Conv) and op.history]
    return all(op.dilation == 1 for op in convolutions) and any(shares_taps(op, schedule) for op in convolutions)


def _aligned(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> list[KernelSchedule]:
    """The same with aligned taps, where a processor looks ahead and some tap overlaps the tile."""
    aligned = replace(schedule, align_taps=True)
    convolutions = [op for op in ops if isinstance(op, Conv)]
    return [aligned] if not target.in_order and any(aligns_taps(op, aligned) for op in convolutions) else []


def _shared(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> list[KernelSchedule]:
    """The same with taps that share their samples, as far as that fits the registers."""
    vectors = schedule.tile_vectors
    together = [count for count in range(1, vectors) if vectors % count == 0] if schedule.lanes > 1 else []
    shared = [replace(schedule, share_taps=True, weight_vectors=count) for count in together or [1]]
    return [entry for entry in shared if fits_shared(ops, entry, target)]


def fits_shared(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> bool:
    """Whether taps that share their samples find room in registers: sums, samples, weights."""
    if not may_share(ops, schedule):
        return False
    convolutions = [op for op in ops if isinstance(op, Conv) and shares_taps(op, schedule)]
    return max(_shared_registers(op, schedule) for op in convolutions) <= target.vectors.registers


def _shared_registers(op: Conv, schedule: KernelSchedule) -> float:
    outputs, vectors = min(schedule.output_block, op.out_channels), schedule.tile_vectors
    if schedule.lanes == 1:
        sources = op.columns * -(-outputs * op.groups // op.out_channels)
        return (outputs + sources) * vectors + outputs + 1 if vectors > 1 else math.inf
    weights = vectors // schedule.weight_vectors if schedule.weight_route is WeightRoute.LANE else 1
    return outputs * vectors + weights + 2 * schedule.weight_vectors  # samples are loaded one tap ahead


def lane_widths(target: Target) -> list[int]:
    """Vectors the machine has, widest first: narrower ones waste less of a small block, or of a cell's units."""
    return [lanes for lanes in (16, 8, 4, 1) if lanes == target.vectors.lanes or 4 <= lanes < target.vectors.lanes]


def _even_blocks(width: int, most: int) -> int:
    """Split ``width`` outputs into blocks of nearly equal size, at most ``most``."""
    return -(-width // -(-width // most))
