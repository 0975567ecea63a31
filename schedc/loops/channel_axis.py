"""Kernels whose vectors hold channels of one frame: which ones can be, and which streams are kept interleaved.

Frames of an interleaved stream lie one after the other, each with its channels side by side, so that one load
brings a vector of channels.  Streams that something reads or writes frame by frame stay planar, a row per channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Conv, Input, Op, Pointwise, Slice
from schedc.ir.program import Kernel, Stage
from schedc.schedule import KernelSchedule, WeightRoute

# Vectors that an element-wise step is written across for machines that issue in order: more of them run out of
# registers in the middle of a tanh.
TOGETHER = 4
# Where samples are taken as lanes of registers; see ``reads_lanes``.
_MOST_LANES, _MOST_FRAMES = 8, 2


def can_hold_channels(ops: Iterable[Op], lanes: int) -> bool:
    """Whether vectors of ``lanes`` channels can compute all of ``ops``: nothing may move from lane to lane."""
    return all(_can_hold(op, lanes) for op in ops)


def _can_hold(op: Op, lanes: int) -> bool:
    match op:
        case Conv():
            return op.groups == 1
        case Slice():
            return op.begin % lanes == 0
        case _:
            return isinstance(op, Pointwise)


def frame_items(channels: int, schedule: KernelSchedule) -> int:
    """Floats of an interleaved frame: whole vectors."""
    return schedule.channel_vectors(channels) * schedule.lanes


def interleaved_streams(stage: Stage, schedules: Mapping[str, KernelSchedule]) -> dict[str, int]:
    """Floats per frame of each stream that is kept interleaved: of several channels, made and read by kernels of
    equally long vectors of channels only, and not by the caller or another stage.
    """
    by_node = {name: schedules[kernel.name] for kernel in stage.kernels for name in kernel.nodes}
    found: dict[str, int] = {}
    for node in stage.graph:
        if node.channels < 2 or isinstance(node.op, Input):
            continue
        readers = stage.graph.consumers(node.name)
        users = [by_node.get(name) for name in (node.name, *(reader.name for reader in readers))]
        known = [user for user in users if user is not None and user.across_channels]
        if len(known) == len(users) and len({user.lanes for user in known}) == 1:
            found[node.name] = frame_items(node.channels, known[0])
    return found


def reads_lanes(channels: int, schedule: KernelSchedule) -> bool:
    """Whether a 1x1 convolution of so many channels takes its samples as lanes of the registers they are in.

    Where instructions can, or where little is in flight beside what waits for them: through memory they come later,
    taking more lanes apart is more work (measured on Zen 4, one frame: 8 channels 7 % faster than through memory, 16
    channels 3 % slower; four frames of 8: 5 % slower).
    """
    few = channels <= schedule.lanes <= _MOST_LANES and schedule.tile_vectors <= _MOST_FRAMES
    return few or schedule.weight_route is WeightRoute.LANE


def sampled_in_memory(graph: Graph, kernel: Kernel, schedule: KernelSchedule) -> set[str]:
    """Streams of a kernel whose single samples its own convolutions read from memory, which has to hold them."""
    inside = set(kernel.nodes)
    found: set[str] = set()
    for node in (graph[name] for name in kernel.nodes):
        op = node.op
        if not schedule.across_channels or not isinstance(op, Conv) or node.operands[0] not in inside:
            continue
        if not reads_lanes(op.in_channels, schedule):
            found.add(_viewed(graph, graph[node.operands[0]], inside).name)
    return found


def _viewed(graph: Graph, node: Node, inside: set[str]) -> Node:
    """The stream that a slice of a slice ... is a view of, as far as that is computed in the same kernel."""
    while isinstance(node.op, Slice) and node.operands[0] in inside:
        node = graph[node.operands[0]]
    return node
