"""What a kernel does in one tile, counted from graph and schedule: the same counts the lowering emits.

Node by node in :mod:`schedc.cost.frame_counts` or, where vectors are channels, :mod:`schedc.cost.channel_counts`.
What is counted is said in :mod:`schedc.cost.counts`, per tile of ``tile_frames`` frames; for a recurrent
cell a tile is one frame (:mod:`schedc.cost.cell_counts`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schedc.cost.activations import activation_depth
from schedc.cost.cell_counts import cell_counts, cell_depth, units_together
from schedc.cost.channel_counts import channel_counts
from schedc.cost.counts import Counts
from schedc.cost.frame_counts import frame_counts
from schedc.cost.streams import is_wide, leaves, stays_interleaved
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.ops import (
    Activation,
    Combine,
    Conv,
    Op,
    RecurrentCell,
    Scale,
)
from schedc.ir.program import Kernel
from schedc.loops.channel_axis import TOGETHER, sampled_in_memory
from schedc.loops.form import taps_in_a_row
from schedc.schedule import FORCEABLE, KernelSchedule

_LONGEST_TILE = FORCEABLE["lanes"] * FORCEABLE["tile_vectors"]  # frames


@dataclass(frozen=True)
class KernelFeatures:
    """What predictions of one tile are made of."""

    # Operations by kind.
    counts: Counts
    # The longest path of dependent operations through the tile, blocks of outputs side by side.
    depth: float
    # Frames of the tile.
    frames: int
    # Floats of a vector.
    lanes: int
    # A tile waits for the one before it.
    carried: bool = False
    # A vector is channels of one frame.
    across_channels: bool = False
    # Where lanes are not frames: vectors whose activation is evaluated step by step.
    together: float = 0

    @property
    def vectors(self) -> float:
        """Vectors whose activation is evaluated side by side."""
        return self.together or self.frames / self.lanes

    @property
    def straddles(self) -> bool:
        """Some load covers a part of what the tile's frames were stored by."""
        return self.counts.straddles > 0


def kernel_features(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, contract: Contract | None = None
) -> KernelFeatures:
    """Counts for one kernel; see the module."""
    contract = contract or Contract()
    total = Counts()
    inside = set(kernel.nodes)
    depth: dict[str, float] = {}
    sampled = sampled_in_memory(graph, kernel, schedule)
    for name in kernel.nodes:
        node = graph[name]
        if isinstance(node.op, RecurrentCell):
            return _cell(node.op, schedule, contract)
        count = channel_counts if schedule.across_channels else frame_counts
        total += count(graph, node, inside, schedule, contract)
        if node.name in sampled and not leaves(graph, node, inside) and not is_wide(node, schedule):
            total.stores += schedule.stream_vectors(node.channels)
        depth[name] = _own_depth(node.op, schedule, contract) + max(
            (depth.get(operand, 0.0) for operand in node.operands), default=0.0
        )
    return KernelFeatures(
        counts=total,
        depth=max(depth.values()),
        frames=schedule.tile_frames,
        lanes=schedule.lanes,
        across_channels=schedule.across_channels,
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
            return op.columns * taps_in_a_row(op, schedule)
        case Activation():
            return activation_depth(op.kind, contract)
        case Combine() | Scale():
            return 1
        case _:
            return 0


def kernel_signature(graph: Graph, kernel: Kernel) -> tuple[object, ...]:
    """Equal for kernels that have equal features under equal schedules: dilations beyond a tile do not matter."""
    place = {name: index for index, name in enumerate(kernel.nodes)}
    result = []
    for node in (graph[name] for name in kernel.nodes):
        op = replace(node.op, dilation=min(node.op.dilation, _LONGEST_TILE)) if isinstance(node.op, Conv) else node.op
        operands = tuple((place.get(name, -1), graph[name].channels) for name in node.operands)
        result.append((op, operands, leaves(graph, node, place)))
    return tuple(result)


def tile_signature(graph: Graph, kernel: Kernel) -> tuple[object, ...]:
    """Equal for kernels that have equal features under every schedule under which the dilations of their convolutions
    have equal effects (:func:`schedc.cost.frame_counts.effect_of_dilation`).
    """
    place = {name: index for index, name in enumerate(kernel.nodes)}
    result = []
    for node in (graph[name] for name in kernel.nodes):
        op = replace(node.op, dilation=1) if isinstance(node.op, Conv) else node.op
        sources = (graph[name] for name in node.operands)
        operands = tuple((place.get(s.name, -1), s.channels, stays_interleaved(graph, s)) for s in sources)
        result.append((op, operands, leaves(graph, node, place), stays_interleaved(graph, node)))
    return tuple(result)


def _cell(op: RecurrentCell, schedule: KernelSchedule, contract: Contract) -> KernelFeatures:
    return KernelFeatures(
        counts=cell_counts(op, schedule, contract),
        depth=cell_depth(op, contract),
        frames=1,
        lanes=schedule.lanes,
        carried=True,
        together=units_together(op, schedule),
    )
