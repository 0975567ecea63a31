"""What a node costs where vectors are channels of one frame: operations of a tile, by kind."""

from __future__ import annotations

from schedc.cost.activations import activation_counts
from schedc.cost.counts import Counts
from schedc.cost.streams import is_wide, leaves, stays_interleaved
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Activation, Combine, Conv, Scale, Slice, Start
from schedc.loops.channel_axis import TOGETHER, reads_lanes
from schedc.schedule import KernelSchedule, WeightRoute


def channel_counts(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule, contract: Contract) -> Counts:
    """Where a vector is channels of one frame.  Kernels around this one are taken to be alike."""
    vectors = schedule.stream_vectors(node.channels)
    counts = Counts()
    if leaves(graph, node, inside):
        if stays_interleaved(graph, node):
            counts.stores += vectors
        else:
            counts.stores += node.channels * schedule.tile_vectors
            counts.moves += node.channels * schedule.tile_vectors
    elif is_wide(node, schedule):
        counts.stores += vectors
    if isinstance(node.op, Conv):
        return counts + _convolution(graph, node, inside, schedule)
    if isinstance(node.op, Slice):
        return counts
    for operand in (graph[name] for name in node.operands):
        if operand.name not in inside and not stays_interleaved(graph, operand):
            counts.loads += node.channels * schedule.tile_vectors
            counts.moves += node.channels * schedule.tile_vectors
        elif operand.name not in inside or is_wide(operand, schedule):
            counts.loads += vectors
    if isinstance(node.op, Combine | Scale):
        counts.arithmetic += vectors
    if isinstance(node.op, Activation):
        counts += activation_counts(node.op.kind, contract, vectors, -(-vectors // TOGETHER))
    return counts


def _convolution(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule) -> Counts:
    op, frames = node.op, schedule.tile_vectors
    assert isinstance(op, Conv)
    terms = op.columns * op.kernel_size
    vectors = schedule.channel_vectors(op.out_channels)
    block = schedule.channel_vectors(schedule.outputs_at_once(op.kernel_size, op.out_channels))
    blocks = -(-vectors // block)
    source = graph[node.operands[0]]
    in_registers = op.kernel_size == 1 and source.name in inside and not is_wide(source, schedule)
    counts = Counts()
    if in_registers and reads_lanes(op.in_channels, schedule):
        counts.moves = 0 if schedule.weight_route is WeightRoute.LANE else terms * frames * blocks
    elif schedule.weight_route is WeightRoute.LANE and stays_interleaved(graph, source):
        counts.loads = schedule.channel_vectors(op.in_channels) * op.kernel_size * frames * blocks
    else:
        # One operand of a multiply-accumulate may be in memory: the sample, if it is of use only once.
        once = schedule.weight_route is WeightRoute.BROADCAST and (block == 1 or frames == 1)
        if once:
            counts.folded = terms * frames * blocks
        else:
            counts.weights = terms * frames * blocks
    counts.macs = vectors * terms * frames
    counts.loads += vectors * (terms + (op.start is Start.BIAS))
    counts.moves += vectors * (frames - 1) if op.start is Start.BIAS else 0
    counts.chain = terms * blocks
    counts.blocks = blocks
    return counts
