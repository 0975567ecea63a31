"""Which schedules of a kernel are legal.

``schedule_space`` lists them: sums and a column's operands of every tile fit the registers, so a tile that
spills is not in it.  A schedule file leaves those of them that have the values it names; where it asks for more
than that, what it asks for counts, unless it cannot be lowered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from schedc.errors import OptionError
from schedc.ir.graph import Graph
from schedc.ir.ops import CHAINS, Conv, Op, RecurrentCell
from schedc.ir.program import Kernel
from schedc.loops.channel_axis import can_hold_channels
from schedc.loops.form import AlignedCuts, InParts, Skewed, Window, forms
from schedc.schedule import (
    NOTHING_FORCED,
    Aligned,
    Forced,
    KernelSchedule,
    Parts,
    Shared,
    VectorAxis,
    WeightRoute,
    Words,
    contradiction,
)
from schedc.targets.base import Target

# Registers for weights and samples beside a 1x1 convolution's source and sums, by weight route.
_SPARE = {"broadcast": 2, "lane": 2, "scalar": 6}
# For a unit of h and a weight, beside a recurrent cell's chains.
_BESIDE_CHAINS = 2
# What schedules of a kernel differ in; the other fields follow from the target, or are given by a schedule file.
_SEARCHED = ("axis", "lanes", "tile_vectors", "output_block", "share_taps", "align_taps", "weight_vectors", "tap_parts")
_TAP_PARTS = (2, 4, 8, 16)
_LEAST_LANES = 4  # narrower vectors than these are not worth their instructions


def schedule_space(
    graph: Graph, kernel: Kernel, target: Target, block: int, forced: Forced = NOTHING_FORCED
) -> list[KernelSchedule]:
    """Every legal schedule that differs in cost at blocks of ``block`` frames and has what is ``forced``, in a fixed
    order.  What the search would not take (sums that spill, an axis at long blocks) is in it only where it is forced.

    OptionError for what cannot be lowered.
    """
    ops = [graph[name].op for name in kernel.nodes]
    given = {key: value for key, value in forced.items() if key not in _SEARCHED}
    cell = next((op for op in ops if isinstance(op, RecurrentCell)), None)
    space = _cell_space(cell, target, forced, given) if cell else _frame_space(ops, target, block, forced, given)
    # Longer blocks fill vectors with frames.
    if not cell and (block < target.vectors.lanes or forced.get("axis") is VectorAxis.CHANNELS):
        space += _channel_space(ops, target, block, forced, given)
    if not forced:
        return space
    found = [schedule.words for schedule in space if schedule.agrees_with(forced)]
    # Nothing that the search knows of is like that: force it on what it does know.
    found = found or _distinct({**schedule.words, **forced} for schedule in space)
    obstacles = [_obstacle(ops, words, target, block) for words in found]
    first = obstacles[0]
    if first and all(obstacles):
        what, remedy = first
        raise OptionError("schedule", f"kernel {kernel.name}: {what}", remedy)
    return [KernelSchedule.of(words) for words, obstacle in zip(found, obstacles, strict=True) if not obstacle]


def _distinct(found: Iterable[Words]) -> list[Words]:
    return [dict(items) for items in dict.fromkeys(tuple(words.items()) for words in found)]


def _frame_space(ops: Sequence[Op], target: Target, block: int, forced: Forced, given: Forced) -> list[KernelSchedule]:
    """Schedules with frames across the lanes."""
    width = max((op.out_channels for op in ops if isinstance(op, Conv)), default=1)
    room = target.limits.accumulators
    space: list[KernelSchedule] = []
    blocks = sorted({_even_blocks(width, most) for most in range(1, min(room, width) + 1)})
    tiles = _tiles(range(1, room + 1), blocks, 1, room, forced)
    for lanes, (vectors, output_block) in product(_numbers(forced, "lanes", lane_widths(target)), tiles):
        schedule = KernelSchedule(
            lanes=lanes,
            tile_vectors=vectors,
            output_block=output_block,
            pointwise_block=_pointwise_block(ops, target, vectors),
            unroll_macs=target.limits.unroll_macs,
            register_values=room,
            weight_route=WeightRoute(target.vectors.weights),
            interleave=target.in_order,
        ).forced_to(given)
        if vectors == 1 or "tile_vectors" in forced or _fits_column(schedule, target):
            space += [schedule, *_aligned(ops, schedule, target)]
        space += _shared(ops, schedule, target)
        space += _in_parts(ops, schedule, target, block, forced)
    return space


def _cell_space(op: RecurrentCell, target: Target, forced: Forced, given: Forced) -> list[KernelSchedule]:
    """Of a recurrent cell, whose vectors are units."""
    space = []
    for lanes in _numbers(forced, "lanes", lane_widths(target)):
        blocks = -(-op.hidden // lanes)
        together = sorted({_even_blocks(blocks, most) for most in range(1, _cells_together(target) + 1)})
        for vectors in _numbers(forced, "output_block", together):
            schedule = KernelSchedule(
                lanes=lanes,
                tile_vectors=1,
                output_block=vectors,
                pointwise_block=1,
                unroll_macs=target.limits.unroll_macs,
                register_values=target.limits.accumulators,
                weight_route=WeightRoute(target.vectors.weights),
                interleave=target.in_order,
            )
            space.append(schedule.forced_to(given))
    return space


def _cells_together(target: Target) -> int:
    """Vectors of units side by side: as many as there are registers for four chains of each.

    Weights are operands from memory or take registers too.  Where they do, a processor that looks ahead gains nothing:
    the analyser finds 1 to 4 % more cycles on a Cortex-A76.
    """
    if target.vectors.weights == WeightRoute.BROADCAST:
        return (target.vectors.registers - _BESIDE_CHAINS) // CHAINS
    return target.limits.accumulators // CHAINS if target.in_order else 1


def _channel_space(
    ops: Sequence[Op], target: Target, block: int, forced: Forced, given: Forced
) -> list[KernelSchedule]:
    """Schedules with channels across the lanes."""
    space = []
    room = target.limits.accumulators
    most = max(max(op.out_channels, *op.operand_channels) for op in ops)
    enough = min((lanes for lanes in lane_widths(target) if lanes >= most), default=target.vectors.lanes)
    widths = [lanes for lanes in lane_widths(target) if 1 < lanes <= enough]
    for lanes in _numbers(forced, "lanes", widths):
        if not can_hold_channels(ops, lanes):
            continue
        vectors = -(-max((op.out_channels for op in ops if isinstance(op, Conv)), default=1) // lanes)
        blocks = sorted({lanes * _even_blocks(vectors, count) for count in range(1, min(vectors, room) + 1)})
        for frames, outputs in _tiles(range(1, min(block, room) + 1), blocks, lanes, room, forced):
            schedule = KernelSchedule(
                lanes=lanes,
                tile_vectors=frames,
                output_block=outputs,
                pointwise_block=outputs,
                unroll_macs=target.limits.unroll_macs,
                register_values=room,
                weight_route=WeightRoute(target.vectors.weights),
                interleave=target.in_order,
                axis=VectorAxis.CHANNELS,
            )
            space.append(schedule.forced_to(given))
    return space


def _tiles(
    counts: Sequence[int], blocks: Sequence[int], outputs_per_vector: int, room: int, forced: Forced
) -> list[tuple[int, int]]:
    """(vectors, outputs) whose sums fit the registers; the smallest of what is forced where none do."""
    free = product(_numbers(forced, "tile_vectors", counts), _numbers(forced, "output_block", blocks))
    tiles = [(vectors, outputs) for vectors, outputs in free]
    fitting = [(vectors, outputs) for vectors, outputs in tiles if vectors * -(-outputs // outputs_per_vector) <= room]
    return fitting or tiles[:1]


def _numbers(forced: Forced, key: str, free: Sequence[int]) -> Sequence[int]:
    """What a number may be: what is forced, or one of ``free``."""
    value = forced.get(key)
    return [value] if isinstance(value, int) else free


def _fits_column(schedule: KernelSchedule, target: Target) -> bool:
    """Whether a tile's sums, a column's samples and a vector of weights fit where weights are lanes (elsewhere a
    sample is an operand from memory, or loaded one by one).
    """
    lane_weights = schedule.weight_route is WeightRoute.LANE
    return not lane_weights or (schedule.output_block + 1) * schedule.tile_vectors < target.vectors.registers


def _obstacle(ops: Sequence[Op], words: Words, target: Target, block: int) -> tuple[str, str] | None:
    """Why what these words say cannot be lowered, and the remedy."""
    scalar, channels = target.vectors.lanes == 1, words["axis"] is VectorAxis.CHANNELS
    if scalar != (words["weight_route"] is WeightRoute.SCALAR):
        kinds = "scalar" if scalar else "broadcast or lane"
        return f"weight_route {words['weight_route']} on {target.name}", f"use {kinds}"
    if words["lanes"] not in lane_widths(target):
        widths = " or ".join(str(lanes) for lanes in lane_widths(target))
        return f"{words['lanes']} lanes on {target.name}", f"use {widths}"
    vectors, together = int(words["tile_vectors"]), int(words["weight_vectors"])
    if vectors % together and not channels:
        return f"weight_vectors {together} does not divide tile_vectors {vectors}", "leave it out"
    if together > 1 and channels:
        return "weight_vectors needs vectors of frames", "leave it out"
    if words["align_taps"] and (scalar or channels):
        return "align_taps needs vectors of frames", "leave it out"
    if channels and (scalar or words["share_taps"] or not can_hold_channels(ops, int(words["lanes"]))):
        return _channel_obstacle(words, target)
    return contradiction(words) or _taps_obstacle(ops, KernelSchedule.of(words), block)


def _taps_obstacle(ops: Sequence[Op], schedule: KernelSchedule, block: int) -> tuple[str, str] | None:
    match schedule.taps:
        case Shared() if not may_share(ops, schedule):
            needs = "convolutions of dilation 1 and few channels, with as many taps as the tile has frames"
            return f"share_taps needs {needs}", "leave it out or make tile_vectors smaller"
        case Parts() if not may_cut(ops, schedule, block):
            taps = max(block, schedule.tile_frames)
            needs = f"a convolution of dilation 1, without groups, of few channels and with {taps} taps a part or more"
            return f"tap_parts needs {needs}", "leave it out, or make it or tile_vectors smaller"
    return None


def _channel_obstacle(words: Words, target: Target) -> tuple[str, str]:
    if target.vectors.lanes == 1:
        return f"axis channels on {target.name}, which has no vectors", "leave it out"
    if words["share_taps"]:
        return "share_taps with axis channels", "leave one of them out"
    needs = "convolutions without groups, element-wise steps and slices that begin at a multiple of the lanes"
    return f"axis channels needs {needs}, no other steps", "name the kernels that can have it"


def _pointwise_block(ops: Sequence[Op], target: Target, vectors: int) -> int:
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
    return _are_dense(convolutions) and bool(_sharing(convolutions, schedule))


def _sharing(ops: Iterable[Op], schedule: KernelSchedule) -> list[Conv]:
    return [op for op, loop in forms(ops, schedule) if isinstance(loop, Window | Skewed)]


def may_cut(ops: Iterable[Op], schedule: KernelSchedule, block: int) -> bool:
    """Whether taps can run in parts at calls of up to ``block`` frames: there are such convolutions, and what a part
    goes on from is always of an earlier call.
    """
    cut = [loop for _, loop in forms(ops, schedule) if isinstance(loop, InParts)]
    return bool(cut) and all(loop.taps >= block for loop in cut)


def _are_dense(ops: Iterable[Op]) -> bool:
    """Whether no tap of theirs skips a sample."""
    return all(op.dilation == 1 for op in ops if isinstance(op, Conv) and op.history)


def _aligned(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> list[KernelSchedule]:
    """The same with aligned taps, where a processor looks ahead and some tap overlaps the tile."""
    if target.in_order:
        return []
    aligned = replace(schedule, taps=Aligned())
    return [aligned] if any(isinstance(loop, AlignedCuts) for _, loop in forms(ops, aligned)) else []


def _in_parts(
    ops: Sequence[Op], schedule: KernelSchedule, target: Target, block: int, forced: Forced
) -> list[KernelSchedule]:
    """The same with taps in parts, where a processor can run several chains but the tiles of a block are too few."""
    dense = any(isinstance(op, Conv) and op.history and op.dilation == 1 for op in ops)
    wanted = dense and not target.in_order and block <= schedule.tile_frames
    counts = [parts for parts in _numbers(forced, "tap_parts", _TAP_PARTS if wanted else ()) if parts > 1]
    cut = [replace(schedule, taps=Parts(parts)) for parts in counts]
    room = target.limits.accumulators
    return [entry for entry in cut if may_cut(ops, entry, block) and _sums_in_parts(ops, entry) <= room]


def _sums_in_parts(ops: Iterable[Op], schedule: KernelSchedule) -> int:
    """Vectors of sums that the widest convolution holds whose taps are cut into parts."""
    sums = (op.out_channels * loop.parts for op, loop in forms(ops, schedule) if isinstance(loop, InParts))
    return max(sums) * schedule.tile_vectors


def _shared(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> list[KernelSchedule]:
    """The same with taps that share their samples, as far as that fits the registers."""
    if not _are_dense(ops):
        return []
    vectors = schedule.tile_vectors
    together = [count for count in range(1, vectors) if vectors % count == 0] if schedule.lanes > 1 else []
    shared = [replace(schedule, taps=Shared(count)) for count in together or [1]]
    return [entry for entry in shared if fits_shared(ops, entry, target)]


def fits_shared(ops: Sequence[Op], schedule: KernelSchedule, target: Target) -> bool:
    """Whether taps that share their samples find room in registers: sums, samples, weights."""
    if not may_share(ops, schedule):
        return False
    return max(_shared_registers(op, schedule) for op in _sharing(ops, schedule)) <= target.vectors.registers


def _shared_registers(op: Conv, schedule: KernelSchedule) -> float:
    together = schedule.taps.weight_vectors if isinstance(schedule.taps, Shared) else 1
    outputs, vectors = min(schedule.output_block, op.out_channels), schedule.tile_vectors
    if schedule.lanes == 1:
        sources = op.columns * -(-outputs * op.groups // op.out_channels)
        return (outputs + sources) * vectors + outputs + 1 if vectors > 1 else math.inf
    weights = vectors // together if schedule.weight_route is WeightRoute.LANE else 1
    return outputs * vectors + weights + 2 * together  # samples are loaded one tap ahead


def lane_widths(target: Target) -> list[int]:
    """Vectors the machine has, widest first: narrower ones waste less of a small block, or of a cell's units."""
    return [
        lanes
        for lanes in (16, 8, 4, 1)
        if lanes == target.vectors.lanes or _LEAST_LANES <= lanes < target.vectors.lanes
    ]


def _even_blocks(width: int, most: int) -> int:
    """Split ``width`` outputs into blocks of nearly equal size, at most ``most``."""
    return -(-width // -(-width // most))
