"""What the passes work on: a graph and, as they decide, kernels, schedule and memory.

Levels: *model* (as built), *core* (canonical; what the interpreter's bits are defined on), *fused*
(kernels), *scheduled* (tiles and rings chosen), *planned* (every byte placed; ready to lower).
A single-core program has one stage; ``partition-cores`` makes more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from schedc.errors import InternalError
from schedc.ir.elements import FLOAT32, ElementType
from schedc.ir.graph import Graph
from schedc.schedule import KernelSchedule, RingSchedule


class Level(IntEnum):
    MODEL = 0
    CORE = 1
    FUSED = 2
    SCHEDULED = 3
    PLANNED = 4


@dataclass(frozen=True)
class Kernel:
    """Nodes evaluated together, tile of frames by tile of frames, in one loop."""

    name: str
    nodes: tuple[str, ...]


POSITION_BYTES = 4  # of a ring's position in the state: a 32-bit integer on every machine


class Region(StrEnum):
    """Whose memory a stream lives in."""

    STATE = "state"  # the stage's own
    HANDOFF_IN = "handoff_in"  # what the stage before has sent
    HANDOFF_OUT = "handoff_out"  # what the next stage will receive


@dataclass(frozen=True)
class Placement:
    """Where a stream lives in its stage's memory: planar rows, one per channel; or interleaved, one row in which the
    channels of a frame lie beside each other.

    ``offset`` bytes from the base, ``row_frames`` frames from one row to the next.  ``frame_items``: elements from
    one frame to the next, 1 in planar rows, all channels and what fills their last vector in an interleaved one.
    A ring has
    ``history`` > 0 past frames kept in front of the current block; its position (frame 0 of the next
    block) moves on by each block and, once it is past ``last_frame``, is rewound to ``rewound_frame``,
    the history with it; or it is put back by ``mirror_distance`` frames, where the history has been
    copied block by block.  ``position_offset``: where in the state that position is kept; None where there is none.
    """

    base: Region
    offset: int
    channels: int
    row_frames: int
    history: int = 0
    first_frame: int = 0  # the position that init sets
    rewound_frame: int = 0
    last_frame: int = 0
    mirror_distance: int = 0  # 0: the ring is rewound
    position_offset: int | None = None
    frame_items: int = 1
    element: ElementType = FLOAT32

    @property
    def is_ring(self) -> bool:
        return self.history > 0

    @property
    def position(self) -> int:
        """``position_offset`` of a ring."""
        if self.position_offset is None:
            raise InternalError("a stream without a past has no position")
        return self.position_offset

    @property
    def is_interleaved(self) -> bool:
        return self.frame_items > 1

    @property
    def frame_bytes(self) -> int:
        return self.element.bytes * self.frame_items

    @property
    def rows(self) -> int:
        return 1 if self.is_interleaved else self.channels

    @property
    def row_bytes(self) -> int:
        return self.frame_bytes * self.row_frames

    @property
    def planar_bytes(self) -> int:
        """From one channel's row to the next, where rows are planar; of an interleaved one, one element a frame."""
        return self.element.bytes * self.row_frames

    @property
    def bytes(self) -> int:
        return self.rows * self.row_bytes


def sums_of(convolution: str) -> str:
    """What the partial sums of a convolution are called; its output stream may have a past of its own."""
    return f"{convolution}.sums"


@dataclass(frozen=True)
class Arena:
    """A stage's memory map.  Offsets and sizes in bytes.

    ``rows``: the home of each stream that outlives its tile, in the stage's own state or in the
    handoff it arrived in.  ``received`` and ``sent``: the streams of the handoffs, in and out.
    ``cells``: per recurrent cell, rows for all that it keeps (an LSTM's h and c), padded to whole vectors of the
    target.  ``sums``: per convolution whose taps are cut into parts, the ring of its partial sums
    (:mod:`schedc.loops.tap_parts`).
    ``scratch``: offset in tile scratch of each stream too wide for registers; tile scratch itself
    is at ``scratch_offset`` and is shared by all kernels of the stage.
    """

    rows: Mapping[str, Placement]
    sent: Mapping[str, Placement]
    received: Mapping[str, Placement]
    cells: Mapping[str, Placement]
    sums: Mapping[str, Placement]
    scratch: Mapping[str, int]
    scratch_offset: int
    scratch_bytes: int
    state_bytes: int
    handoff_bytes: int  # of the handoff to the next stage; 0 for the last
    received_bytes: int  # of the handoff from the stage before; 0 for the first

    @property
    def rings(self) -> dict[str, Placement]:
        """All rings, by what they are called among the start states."""
        streams = {name: place for name, place in self.rows.items() if place.is_ring}
        return {**streams, **{sums_of(name): place for name, place in self.sums.items()}}


@dataclass(frozen=True)
class Stage:
    """What one core runs: a graph whose inputs and outputs may be handoffs, and its kernels."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    arena: Arena | None = None


@dataclass(frozen=True)
class Program:
    """The state of a compilation between two passes; immutable."""

    graph: Graph
    block: int  # largest number of frames per call
    level: Level = Level.MODEL
    kernels: tuple[Kernel, ...] = ()
    schedules: Mapping[str, KernelSchedule] = field(default_factory=dict)  # by kernel name
    rings: RingSchedule | None = None
    stages: tuple[Stage, ...] = ()

    def with_graph(self, graph: Graph) -> Program:
        return replace(self, graph=graph)
