"""What a kernel does in one tile, counted from graph and schedule: the same counts the lowering emits.

All counts are of vector operations (of ``lanes`` floats, or scalars without a vector unit) per tile of
``tile_frames`` frames; for an LSTM cell a tile is one frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, replace

from schedc.analysis.channel_axis import TOGETHER, reads_lanes, sampled_in_memory
from schedc.analysis.tap_parts import kept_sums, newest_taps, part_taps, splits_taps
from schedc.analysis.tap_sharing import aligns_taps, overlaps_tile, shares_taps
from schedc.cost.activations import activation_depth, activation_work
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    Combine,
    Conv,
    Input,
    LstmCell,
    Op,
    Output,
    Scale,
    Slice,
    Start,
    history,
)
from schedc.ir.program import Kernel
from schedc.schedule import FORCEABLE, KernelSchedule, WeightRoute

# Of an LSTM cell's groups of units after the first, what a frame waits for though another group could go on (fitted).
_EXPOSED = 0.25
_LONGEST_TILE = FORCEABLE["lanes"] * FORCEABLE["tile_vectors"]  # frames


@dataclass(frozen=True)
class KernelFeatures:
    """``macs``: multiply-accumulates.  ``loads``: of whole vectors of samples.  ``weights``: loads of weights
    and constants.  ``stores``.

    ``arithmetic``: other float and bit operations; ``dependent``: those of activations, of one vector.
    ``divisions``.  ``moves``: copies of start values.
    ``chain``: dependent multiply-accumulates of a tile, one block of outputs after the other.  ``depth``: the
    longest path of dependent operations through the tile, blocks side by side.  ``blocks`` of outputs, each
    with a start and an end.  ``frames`` of the tile, ``lanes`` of a vector.  ``carried``: a tile waits for the
    one before it.  ``splices``: vectors cut out of two.  ``straddles``: some load covers a part of what the tile's
    frames were stored by.

    ``across_channels``: a vector is channels of one frame.  Only then are there ``folded``: loads of samples that
    are operands of multiply-accumulates.  ``together``: where lanes are not frames, vectors whose activation is
    evaluated step by step.
    """

    macs: float
    loads: float
    weights: float
    stores: float
    arithmetic: float
    dependent: float
    divisions: float
    moves: float
    chain: float
    depth: float
    blocks: float
    frames: int
    lanes: int
    carried: bool = False
    splices: float = 0.0
    straddles: bool = False
    across_channels: bool = False
    folded: float = 0
    together: float = 0

    @property
    def vectors(self) -> float:
        """Vectors whose activation is evaluated side by side."""
        return self.together or self.frames / self.lanes

    @property
    def memory(self) -> float:
        """Loads and stores."""
        return self.loads + self.weights + self.stores

    @property
    def instructions(self) -> float:
        return self.macs + self.arithmetic + self.divisions + self.moves + self.splices + self.memory


def kernel_features(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, contract: Contract | None = None
) -> KernelFeatures:
    """Counts for one kernel; see the module."""
    contract = contract or Contract()
    total: Counter[str] = Counter()
    inside = set(kernel.nodes)
    depth: dict[str, float] = {}
    sampled = sampled_in_memory(graph, kernel, schedule)
    for name in kernel.nodes:
        node = graph[name]
        if isinstance(node.op, LstmCell):
            return _lstm(node.op, schedule, contract)
        count = _channel_node if schedule.across_channels else _node
        total.update(count(graph, node, inside, schedule, contract))
        if node.name in sampled and not _leaves(graph, node, inside) and not _is_wide(node, schedule):
            total["stores"] += schedule.stream_vectors(node.channels)
        depth[name] = _own_depth(node.op, schedule, contract) + max(
            (depth.get(operand, 0.0) for operand in node.operands), default=0.0
        )
    return KernelFeatures(
        macs=total["macs"],
        loads=total["loads"],
        weights=total["weights"],
        stores=total["stores"],
        arithmetic=total["arithmetic"],
        dependent=total["dependent"],
        divisions=total["divisions"],
        moves=total["moves"],
        chain=total["chain"],
        depth=max(depth.values()),
        blocks=total["blocks"],
        frames=schedule.tile_frames,
        lanes=schedule.lanes,
        splices=total["splices"],
        straddles=total["straddles"] > 0,
        across_channels=schedule.across_channels,
        folded=total["folded"],
        together=_together(graph, kernel, schedule),
    )


def _together(graph: Graph, kernel: Kernel, schedule: KernelSchedule) -> int:
    if not schedule.across_channels:
        return 0
    return min(TOGETHER, schedule.stream_vectors(max(graph[name].channels for name in kernel.nodes)))


def _own_depth(op: Op, schedule: KernelSchedule, contract: Contract) -> float:
    """Dependent operations from a node's operands to its value."""
    match op:
        case Conv():
            return op.columns * _taps_in_a_row(op, schedule)
        case Activation():
            return activation_depth(op.kind, contract)
        case Combine() | Scale():
            return 1
        case _:
            return 0


def _taps_in_a_row(op: Conv, schedule: KernelSchedule) -> int:
    """Taps that a call adds to one sum."""
    if not splits_taps(op, schedule):
        return op.kernel_size
    return part_taps(op, schedule.tap_parts) + newest_taps(op, schedule.tap_parts)


def _node(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule, contract: Contract) -> Counter[str]:
    vectors = schedule.tile_vectors
    counts: Counter[str] = Counter()
    if _leaves(graph, node, inside) or _is_wide(node, schedule):
        counts["stores"] += node.channels * vectors
    if isinstance(node.op, Slice):
        return counts
    if isinstance(node.op, Conv):
        counts.update(_convolution(graph, node, inside, schedule))
        return counts
    for operand in node.operands:
        if operand not in inside or _is_wide(graph[operand], schedule):
            counts["loads"] += node.channels * vectors
    if isinstance(node.op, Combine | Scale):
        counts["arithmetic"] += node.channels * vectors
    if isinstance(node.op, Activation):
        work = activation_work(node.op.kind, contract)
        for key in ("arithmetic", "divisions"):
            counts[key] += work[key] * node.channels * vectors
        counts["dependent"] += work["arithmetic"] * node.channels
        counts["weights"] += work["constants"]
    return counts


def _channel_node(
    graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule, contract: Contract
) -> Counter[str]:
    """Where a vector is channels of one frame.  Kernels around this one are taken to be alike."""
    vectors = schedule.stream_vectors(node.channels)
    counts: Counter[str] = Counter()
    if _leaves(graph, node, inside):
        if _stays_interleaved(graph, node):
            counts["stores"] += vectors
        else:
            counts.update(dict.fromkeys(("stores", "moves"), node.channels * schedule.tile_vectors))
    elif _is_wide(node, schedule):
        counts["stores"] += vectors
    if isinstance(node.op, Conv):
        counts.update(_channel_convolution(graph, node, inside, schedule))
        return counts
    if isinstance(node.op, Slice):
        return counts
    for operand in (graph[name] for name in node.operands):
        if operand.name not in inside and not _stays_interleaved(graph, operand):
            counts.update(dict.fromkeys(("loads", "moves"), node.channels * schedule.tile_vectors))
        elif operand.name not in inside or _is_wide(operand, schedule):
            counts["loads"] += vectors
    if isinstance(node.op, Combine | Scale):
        counts["arithmetic"] += vectors
    if isinstance(node.op, Activation):
        work = activation_work(node.op.kind, contract)
        for key in ("arithmetic", "divisions"):
            counts[key] += work[key] * vectors
        counts["dependent"] += work["arithmetic"] * -(-vectors // TOGETHER)
        counts["weights"] += work["constants"]
    return counts


def _stays_interleaved(graph: Graph, node: Node) -> bool:
    """Whether a stream could be, as far as that does not depend on other kernels' schedules."""
    ends = [reader.op for reader in graph.consumers(node.name)] + [node.op]
    return node.channels > 1 and not any(isinstance(op, Input | Output | LstmCell) for op in ends)


def _channel_convolution(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule) -> Counter[str]:
    op, frames = node.op, schedule.tile_vectors
    assert isinstance(op, Conv)
    terms = op.columns * op.kernel_size
    vectors = schedule.channel_vectors(op.out_channels)
    outputs = schedule.output_block if op.kernel_size > 1 else schedule.pointwise_block
    block = min(vectors, schedule.channel_vectors(outputs))
    blocks = -(-vectors // block)
    source = graph[node.operands[0]]
    in_registers = op.kernel_size == 1 and source.name in inside and not _is_wide(source, schedule)
    counts: Counter[str] = Counter()
    if in_registers and reads_lanes(op.in_channels, schedule):
        counts["moves"] = 0 if schedule.weight_route is WeightRoute.LANE else terms * frames * blocks
    elif schedule.weight_route is WeightRoute.LANE and _stays_interleaved(graph, source):
        counts["loads"] = schedule.channel_vectors(op.in_channels) * op.kernel_size * frames * blocks
    else:
        # One operand of a multiply-accumulate may be in memory: the sample, if it is of use only once.
        once = schedule.weight_route is WeightRoute.BROADCAST and (block == 1 or frames == 1)
        counts["folded" if once else "weights"] = terms * frames * blocks
    counts["macs"] = vectors * terms * frames
    counts["loads"] += vectors * (terms + (op.start is Start.BIAS))
    counts["moves"] += vectors * (frames - 1) if op.start is Start.BIAS else 0
    counts["chain"] = terms * blocks
    counts["blocks"] = blocks
    return counts


def _leaves(graph: Graph, node: Node, inside: Container[str]) -> bool:
    """Whether a node's value is stored for others: another kernel, an output, a later block."""
    readers = graph.consumers(node.name)
    return any(r.name not in inside or isinstance(r.op, Output) or history(r.op) for r in readers)


def kernel_signature(graph: Graph, kernel: Kernel) -> tuple[object, ...]:
    """Equal for kernels that have equal features under equal schedules: dilations beyond a tile do not matter."""
    place = {name: index for index, name in enumerate(kernel.nodes)}
    result = []
    for node in (graph[name] for name in kernel.nodes):
        op = replace(node.op, dilation=min(node.op.dilation, _LONGEST_TILE)) if isinstance(node.op, Conv) else node.op
        operands = tuple((place.get(name, -1), graph[name].channels) for name in node.operands)
        result.append((op, operands, _leaves(graph, node, place)))
    return tuple(result)


def _is_wide(node: Node, schedule: KernelSchedule) -> bool:
    """Whether a value goes through memory inside its kernel (a view is read where its source is)."""
    return not isinstance(node.op, Slice) and not schedule.holds(node.channels)


def _convolution(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule) -> Counter[str]:
    op, vectors = node.op, schedule.tile_vectors
    assert isinstance(op, Conv)
    terms = op.columns * op.kernel_size
    block = schedule.output_block if op.kernel_size > 1 else schedule.pointwise_block
    passes = max(1, -(-(op.out_channels // op.groups) // block))  # times a source is read
    source = node.operands[0]
    in_registers = op.kernel_size == 1 and source in inside and not _is_wide(graph[source], schedule)
    steps = _taps_in_a_row(op, schedule)
    samples = 0 if in_registers else op.in_channels * steps * vectors * passes
    weights = op.out_channels * terms / (4 if schedule.weight_route is WeightRoute.LANE else 1)
    if shares_taps(op, schedule):
        together, skew, rest = 1, vectors - 1, 0
        if schedule.lanes > 1:
            together = schedule.weight_vectors
            skew, rest = schedule.lanes * (vectors - together), op.kernel_size % schedule.lanes
            steps += skew
            # Each vector, or every ``together``, is at a tap of its own; all at the same for the rest.
            weights *= (vectors / together * (op.kernel_size - rest) + rest) / op.kernel_size
        samples = op.in_channels * (together * (op.kernel_size - rest + skew) + rest * vectors) * passes
    counts: Counter[str] = Counter()
    if aligns_taps(op, schedule):
        vectors_read, counts["splices"] = (op.in_channels * passes * count for count in _aligned_vectors(op, schedule))
        samples = vectors_read
    elif overlaps_tile(op, schedule) and not shares_taps(op, schedule):
        counts["straddles"] = 1
    if splits_taps(op, schedule):
        kept = kept_sums(op, schedule.tap_parts) * vectors
        samples, counts["stores"] = samples + kept, kept
    starts = op.out_channels if op.start is Start.BIAS else 0
    counts["macs"] = op.out_channels * terms * vectors
    counts["loads"], counts["weights"] = samples, int(weights + starts)
    counts["moves"] = starts * (vectors - 1)
    blocks = op.groups * passes if op.out_channels // op.groups >= block else -(-op.out_channels // block)
    counts["chain"] = op.columns * steps * blocks
    counts["blocks"] = blocks
    return counts


def tap_loads(graph: Graph, node: Node, schedule: KernelSchedule) -> float:
    """Loads per multiply-accumulate of a convolution of frames, where one instruction loads two vectors of samples."""
    counts = _convolution(graph, node, {node.name}, schedule)
    return (counts["loads"] / 2 + counts["weights"]) / counts["macs"]


def _aligned_vectors(op: Conv, schedule: KernelSchedule) -> tuple[int, int]:
    """(loads, splices) of one channel whose taps are aligned: a vector is loaded once, however many are cut from it."""
    lanes = schedule.lanes
    first = [
        lanes * vector - op.dilation * tap for vector in range(schedule.tile_vectors) for tap in range(op.kernel_size)
    ]
    cut = [frame for frame in first if frame % lanes and frame + lanes > 0]
    pairs = {frame - frame % lanes + at for frame in cut for at in (0, lanes)}
    return len(pairs.union(set(first) - set(cut))), len(cut)


def _lstm(op: LstmCell, schedule: KernelSchedule, contract: Contract) -> KernelFeatures:
    """One frame; hidden units across the lanes."""
    blocks = -(-op.hidden // schedule.lanes)
    together = min(schedule.output_block, blocks)
    groups = -(-blocks // together)
    columns = op.in_channels + op.hidden
    sigmoid, tanh = (activation_work(kind, contract) for kind in (ActivationKind.SIGMOID, ActivationKind.TANH))
    activations = 3 * sigmoid["arithmetic"] + 2 * tanh["arithmetic"]
    constants = sigmoid["constants"] + tanh["constants"]
    # Samples: once for all gates of one block, or once a gate for all blocks of a group.
    splats = columns * (blocks if together == 1 else 4 * groups)
    copied = 0 if groups == 1 else blocks  # the new h, which waits until all have read the old one
    # A quarter of the columns, the sums of the chains, a gate, the cell, its tanh and a product.
    depth = (
        -(-op.hidden // 4)
        + 5
        + sum(activation_depth(kind, contract) for kind in (ActivationKind.SIGMOID, ActivationKind.TANH))
    )
    return KernelFeatures(
        macs=4 * columns * blocks,
        loads=(4 * (columns + 1) + 1) * blocks,
        weights=splats + constants * groups + op.hidden + copied,
        stores=2 * blocks + op.hidden + copied,
        arithmetic=(activations + 4 * min(4, op.hidden) + 3) * blocks,
        dependent=activations * groups,
        divisions=(3 * sigmoid["divisions"] + 2 * tanh["divisions"]) * blocks,
        moves=0,
        chain=depth * (1 + (groups - 1) * _EXPOSED),
        depth=depth,
        blocks=groups,
        frames=1,
        lanes=schedule.lanes,
        carried=True,
        together=together,
    )
