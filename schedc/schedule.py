"""The schedule: decisions that change speed and memory, never a bit of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from enum import StrEnum

from schedc.errors import UserError


class WeightRoute(StrEnum):
    """How a weight reaches the multiply-accumulate."""

    BROADCAST = "broadcast"  # one scalar load, splat over the vector
    LANE = "lane"  # a lane of a four-weight vector load (NEON by-element)
    SCALAR = "scalar"  # a plain scalar register (no vector unit)


@dataclass(frozen=True)
class KernelSchedule:
    """How one kernel's tile loop is built.

    ``lanes``: floats per vector.  ``tile_vectors``: vectors of frames per tile; the tile is
    ``lanes * tile_vectors`` frames.  ``output_block``: output channels of a convolution whose
    accumulators are held in registers together; ``pointwise_block`` the same for 1x1 convolutions, whose
    sources sit in registers too.  ``unroll_macs``: a tap loop of more
    multiply-accumulate instructions than this is rolled; so is a channel loop.
    ``register_values``: streams of at most this many vectors per tile stay in registers, wider
    ones go through tile scratch.  ``interleave``: write element-wise steps across the tile's vectors,
    for machines that issue in order.  ``share_taps``: with dilation 1, neighbouring taps read the same
    samples; load each once for several taps.  ``weight_vectors``: where they do, and lanes are frames, so many
    neighbouring vectors share a weight.
    """

    lanes: int
    tile_vectors: int
    output_block: int
    pointwise_block: int
    unroll_macs: int
    register_values: int
    weight_route: WeightRoute
    interleave: bool
    share_taps: bool
    weight_vectors: int = 1

    @property
    def tile_frames(self) -> int:
        return self.lanes * self.tile_vectors


@dataclass(frozen=True)
class RingSchedule:
    """Linear rings with a rewind.

    A ring of ``history`` past frames has room for ``span(history)`` frames after them and is rewound
    (its history copied back) when less than one block of that is left.  Longer spans rewind less
    often and cost memory.  First positions are staggered, so that rings do not rewind together.
    """

    block_frames: int  # a block rounded up to whole tiles
    most_blocks: int
    copy_frames: int  # rewinds copy whole chunks of so many frames

    def span(self, history: int) -> int:
        """Frames after the history: about three times the history, 2 to ``most_blocks`` blocks."""
        blocks = -(-3 * history // self.block_frames)
        return self.block_frames * max(2, min(self.most_blocks, blocks))


ALL_KERNELS = "*"
# What a schedule file may force, and the largest value of each number.
FORCEABLE: dict[str, int] = {
    "tile_vectors": 32,
    "output_block": 64,
    "pointwise_block": 64,
    "unroll_macs": 4096,
    "register_values": 256,
    "weight_vectors": 32,
}
FORCEABLE_FLAGS = ("interleave", "share_taps")


@dataclass(frozen=True)
class ScheduleOverrides:
    """What a schedule file forces: (kernel or ``*``, ((field, value), ...)) in order, later ones win.

    Values are checked when the file is read (:mod:`schedc.schedule_file`).
    """

    kernels: tuple[tuple[str, tuple[tuple[str, int | bool | WeightRoute], ...]], ...] = ()
    most_blocks: int | None = None

    def check_names(self, names: Sequence[str]) -> None:
        """Raise UserError for a kernel that the model does not have."""
        for name, _ in self.kernels:
            if name != ALL_KERNELS and name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its kernels: {', '.join(names[:4])}, ..."
                raise UserError("--schedule", f"the model has no kernel {name!r}", hint)

    def apply(self, kernel: str, schedule: KernelSchedule) -> KernelSchedule:
        """``schedule`` with what is forced for ``kernel``."""
        known = {field.name for field in fields(schedule)}
        for name, values in self.kernels:
            if name in (ALL_KERNELS, kernel):
                changes = {key: value for key, value in values if key in known}
                schedule = replace(schedule, **changes)  # type: ignore[arg-type]
        return schedule
