"""What a node costs where vectors are frames: operations of a tile, by kind."""

from __future__ import annotations

from schedc.cost.activations import activation_counts
from schedc.cost.counts import Counts
from schedc.cost.streams import is_wide, leaves
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Activation, Combine, Conv, Scale, Slice, Start
from schedc.loops.form import AlignedCuts, form
from schedc.loops.tap_sharing import overlaps_tile
from schedc.schedule import KernelSchedule


def frame_counts(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule, contract: Contract) -> Counts:
    """Operations of a tile."""
    vectors = schedule.tile_vectors
    counts = Counts()
    if leaves(graph, node, inside) or is_wide(node, schedule):
        counts.stores += node.channels * vectors
    if isinstance(node.op, Slice):
        return counts
    if isinstance(node.op, Conv):
        return counts + _convolution(graph, node, inside, schedule)
    for operand in node.operands:
        if operand not in inside or is_wide(graph[operand], schedule):
            counts.loads += node.channels * vectors
    if isinstance(node.op, Combine | Scale):
        counts.arithmetic += node.channels * vectors
    if isinstance(node.op, Activation):
        counts += activation_counts(node.op.kind, contract, node.channels * vectors, node.channels)
    return counts


def _convolution(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule) -> Counts:
    op, vectors = node.op, schedule.tile_vectors
    assert isinstance(op, Conv)
    terms = op.columns * op.kernel_size
    block = schedule.outputs_at_once(op.kernel_size, op.out_channels)
    passes = max(1, -(-(op.out_channels // op.groups) // block))  # times a source is read
    source = node.operands[0]
    in_registers = op.kernel_size == 1 and source in inside and not is_wide(graph[source], schedule)
    work = form(op, schedule).work(op, schedule)
    counts = Counts()
    counts.stores = work.kept_sums * vectors
    counts.splices = op.in_channels * passes * work.splices
    counts.straddles = int(work.straddles)
    # A 1x1 convolution reads registers, where its source is in this kernel.
    samples = 0 if in_registers else op.in_channels * passes * work.samples
    weights = op.out_channels * terms / schedule.weights_at_once * work.weight_loads
    starts = op.out_channels if op.start is Start.BIAS else 0
    counts.macs = op.out_channels * terms * vectors
    counts.loads, counts.weights = samples + counts.stores, int(weights + starts)
    counts.moves = starts * (vectors - 1)
    blocks = op.groups * passes if op.out_channels // op.groups >= block else -(-op.out_channels // block)
    counts.chain = op.columns * work.rounds * blocks
    counts.blocks = blocks
    return counts


def tap_loads(graph: Graph, node: Node, schedule: KernelSchedule) -> float:
    """Loads per multiply-accumulate of a convolution of frames, where one instruction loads two vectors of samples."""
    counts = _convolution(graph, node, {node.name}, schedule)
    return (counts.loads / 2 + counts.weights) / counts.macs


def effect_of_dilation(op: Conv, schedule: KernelSchedule) -> tuple[int, ...]:
    """Equal for convolutions that differ in dilation only and have equal counts under ``schedule``."""
    if op.dilation == 1:
        return (1,)
    loop = form(op, schedule)
    if not isinstance(loop, AlignedCuts):
        return (-overlaps_tile(op, schedule),)
    work = loop.work(op, schedule)
    return work.samples, work.splices
