"""The schedule: decisions that change speed and memory, never a bit of the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from schedc.errors import OptionError

_LINE_FRAMES = 16  # 64 bytes
_COLLIDING_FRAMES = 256  # 1 KiB
_LONG_BLOCKS = 4  # a history of more blocks than this is long
LANES_OF_WEIGHTS = 4  # a NEON register


class WeightRoute(StrEnum):
    """How a weight reaches the multiply-accumulate."""

    BROADCAST = "broadcast"  # one scalar load, splat over the vector
    LANE = "lane"  # a lane of a four-weight vector load (NEON by-element)
    SCALAR = "scalar"  # a plain scalar register (no vector unit)


class VectorAxis(StrEnum):
    """What lies across the lanes of a vector.  (Of an LSTM cell always its hidden units.)"""

    FRAMES = "frames"  # neighbouring frames of one channel
    CHANNELS = "channels"  # neighbouring channels of one frame: no lane is wasted on a small block


@dataclass(frozen=True)
class Plain:
    """Every tap loads its own samples."""

    word: ClassVar[str] = ""


@dataclass(frozen=True)
class Shared:
    """With dilation 1, neighbouring taps read the same samples: each is loaded once for several taps.

    ``weight_vectors``: where lanes are frames, so many neighbouring vectors share a weight.  ``align_rest``: those of
    the kernel's convolutions that cannot share align theirs.
    """

    weight_vectors: int = 1
    align_rest: bool = False
    word: ClassVar[str] = "shared"


@dataclass(frozen=True)
class Aligned:
    """Where a tap's samples overlap the tile's own frames, they are cut out of vectors loaded as those were stored: a
    processor can pass on what it has just stored to a load of the same bytes, but not to one that straddles them.
    """

    word: ClassVar[str] = "aligned"


@dataclass(frozen=True)
class Parts:
    """The taps of a long convolution of dilation 1 are cut into so many parts that run at the same time, each for
    frames further ahead.
    """

    count: int

    @property
    def word(self) -> str:
        return f"in {self.count} parts"


# How the taps of a kernel's convolutions get their samples, where they can (:mod:`schedc.loops.form`).
Taps = Plain | Shared | Aligned | Parts


@dataclass(frozen=True)
class KernelSchedule:
    """How one kernel's tile loop is built.

    ``axis``: what a vector holds.  ``lanes``: floats per vector.  ``tile_vectors``: vectors of frames per tile; the
    tile is ``lanes * tile_vectors`` frames, or ``tile_vectors`` where a vector is channels of one frame.
    ``output_block``: output channels of a convolution whose accumulators are held in registers together; of an LSTM
    cell, vectors of units side by side.  ``pointwise_block``: the same for 1x1 convolutions, whose sources sit in
    registers too.  ``unroll_macs``: a tap loop of more multiply-accumulate instructions than this is rolled; so is a
    channel loop.
    ``register_values``: streams of at most this many vectors per tile stay in registers, wider
    ones go through tile scratch.  ``interleave``: write element-wise steps across the tile's vectors,
    for machines that issue in order.  ``taps``: how samples get to the taps.
    """

    lanes: int
    tile_vectors: int
    output_block: int
    pointwise_block: int
    unroll_macs: int
    register_values: int
    weight_route: WeightRoute
    interleave: bool
    taps: Taps = Plain()
    axis: VectorAxis = VectorAxis.FRAMES

    @property
    def tile_frames(self) -> int:
        return self.tile_vectors if self.across_channels else self.lanes * self.tile_vectors

    @property
    def across_channels(self) -> bool:
        return self.axis is VectorAxis.CHANNELS

    @property
    def weights_at_once(self) -> int:
        """Weights that one load fetches, where it fetches single ones."""
        return LANES_OF_WEIGHTS if self.weight_route is WeightRoute.LANE else 1

    def outputs_at_once(self, taps: int, outputs: int) -> int:
        """Of a convolution of so many taps and output channels: those whose sums are held in registers together."""
        block = self.output_block if taps > 1 else self.pointwise_block
        return block if block < outputs else outputs

    def channel_vectors(self, channels: int) -> int:
        """Vectors of one frame of so many channels, where a vector is channels."""
        return -(-channels // self.lanes)

    def stream_vectors(self, channels: int) -> int:
        """Vectors of a whole tile of a stream of so many channels."""
        return (self.channel_vectors(channels) if self.across_channels else channels) * self.tile_vectors

    def holds(self, channels: int) -> bool:
        """Whether a tile of a stream of so many channels stays in registers inside its kernel."""
        return self.stream_vectors(channels) <= self.register_values

    @property
    def words(self) -> Words:
        """The same as schedule files put it, word by word."""
        fields = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        return {**fields, **_words_of(self.taps), "axis": self.axis}

    @staticmethod
    def of(words: Words) -> KernelSchedule:
        """The schedule of such words, of which :func:`contradiction` has nothing to say."""
        fields: dict[str, Any] = {name: words[name] for name in (*_PLAIN_FIELDS, "axis")}
        return KernelSchedule(**fields, taps=_taps_of(words))

    def forced_to(self, values: Forced) -> KernelSchedule:
        """The same with some values forced."""
        return KernelSchedule.of({**self.words, **values}) if values else self

    def agrees_with(self, values: Forced) -> bool:
        """Whether it has these values already."""
        words = self.words
        return all(words[key] == value for key, value in values.items())


_PLAIN_FIELDS = (
    *("lanes", "tile_vectors", "output_block", "pointwise_block", "unroll_macs", "register_values", "weight_route"),
    "interleave",
)


def _words_of(taps: Taps) -> Words:
    return {
        "share_taps": isinstance(taps, Shared),
        "weight_vectors": taps.weight_vectors if isinstance(taps, Shared) else 1,
        "align_taps": isinstance(taps, Aligned) or (isinstance(taps, Shared) and taps.align_rest),
        "tap_parts": taps.count if isinstance(taps, Parts) else 1,
    }


def contradiction(words: Words) -> tuple[str, str] | None:
    """What cannot be asked for together, and the remedy."""
    others = words["share_taps"] or words["align_taps"] or words["axis"] is VectorAxis.CHANNELS
    if int(words["tap_parts"]) > 1 and others:
        return "tap_parts with share_taps, align_taps or axis channels", "leave one of them out"
    return None


def _taps_of(words: Mapping[str, Any]) -> Taps:
    if words["share_taps"]:
        return Shared(words["weight_vectors"], words["align_taps"])
    if words["tap_parts"] > 1:
        return Parts(words["tap_parts"])
    return Aligned() if words["align_taps"] else Plain()


class RingPolicy(StrEnum):
    """What happens when a ring has no room for another block."""

    REWIND = "rewind"  # its history is copied to the front: rarely, and then all at once
    MIRROR = "mirror"  # nothing: each block near the end was copied to the front when it was written
    MIXED = "mixed"  # long histories are mirrored, which would take longest to copy at once, short ones rewound


@dataclass(frozen=True)
class RingSchedule:
    """Where past samples are kept: linear rings, and the rows of a block beside them.

    A ring of ``history`` past frames has room for ``span(history)`` frames after them and starts over when
    less than one block of that is left.  Longer spans start over less often and cost memory; one block
    is a shift buffer.  First positions are staggered, so that rings do not start over together.
    ``colour``: rows never lie a multiple of 1 KiB apart, where they would share few sets of a cache.
    """

    block_frames: int  # a block rounded up to whole tiles
    most_blocks: int
    copy_frames: int  # rewinds copy whole chunks of so many frames
    policy: RingPolicy = RingPolicy.REWIND
    colour: bool = False

    def span(self, history: int) -> int:
        """Frames after the history: about three times the history, at most ``most_blocks`` blocks.

        Two blocks at least (one where ``most_blocks`` says so); mirrored rings have room for their history
        and two blocks, so that no frame is both an image and in need of one.
        """
        blocks = min(self.most_blocks, max(2, -(-3 * history // self.block_frames)))
        if self.mirrors(history):
            blocks = max(blocks, 2 - (-history // self.block_frames))
        return self.block_frames * blocks

    def mirrors(self, history: int) -> bool:
        """Whether a ring of so many past frames is mirrored."""
        long = history > _LONG_BLOCKS * self.block_frames
        return self.policy is RingPolicy.MIRROR or (self.policy is RingPolicy.MIXED and long)

    def mirror_distance(self, history: int) -> int:
        """Frames from a frame to its mirror image; 0 where the ring is rewound."""
        return self.span(history) - self.block_frames if self.mirrors(history) else 0

    def copied_share(self, history: int) -> float:
        """Frames copied per frame written, in the long run and with whole blocks."""
        distance = self.mirror_distance(history)
        # The first block that reaches into the mirrored stretch is copied in part.
        return (history + self.block_frames) / distance if distance else history / self.span(history)

    def stagger(self, index: int, history: int) -> int:
        """Frames into its span at which ring number ``index`` begins; before anything that needs an image."""
        last = self.span(history) - self.block_frames
        if self.mirrors(history):
            last -= history
        return index * self.block_frames % (last + 1)

    def row_frames(self, frames: int) -> int:
        """``frames``, or a cache line more where rows that long would share few sets."""
        return frames + _LINE_FRAMES if self.colour and frames % _COLLIDING_FRAMES == 0 else frames


ALL_KERNELS = "*"
# What a schedule file may force, and the largest value of each number.
FORCEABLE: dict[str, int] = {
    "lanes": 16,
    "tile_vectors": 32,
    "output_block": 64,
    "pointwise_block": 64,
    "unroll_macs": 4096,
    "register_values": 256,
    "weight_vectors": 32,
    "tap_parts": 32,
}
FORCEABLE_FLAGS = ("interleave", "share_taps", "align_taps")
KernelValue = int | bool | WeightRoute | VectorAxis
Words = dict[str, KernelValue]  # a whole KernelSchedule, as schedule files put it
Forced = Mapping[str, KernelValue]  # what fields of a KernelSchedule have to be
NOTHING_FORCED: Forced = MappingProxyType({})
RingValue = int | bool | RingPolicy


@dataclass(frozen=True)
class ScheduleOverrides:
    """What a schedule file forces: (kernel or ``*``, ((field, value), ...)) in order, later ones win.

    ``rings``: (field, value) of the :class:`RingSchedule`.  ``boundaries``: nodes at which a kernel begins.
    Values are checked when the file is read (:mod:`schedc.schedule_file`).
    """

    kernels: tuple[tuple[str, tuple[tuple[str, KernelValue], ...]], ...] = ()
    rings: tuple[tuple[str, RingValue], ...] = ()
    boundaries: tuple[str, ...] = ()

    def check_names(self, names: Sequence[str]) -> None:
        """Raise OptionError for a kernel that the model does not have."""
        _check_names("kernel", [name for name, _ in self.kernels if name != ALL_KERNELS], names)

    def check_boundaries(self, names: Sequence[str]) -> None:
        """Raise OptionError for a node that the model does not have."""
        _check_names("node", self.boundaries, names)

    def forced(self, kernel: str) -> Forced:
        """What ``kernel``'s schedule has to be; nothing is said of the fields left out."""
        values: dict[str, KernelValue] = {}
        for number in sorted(number for name in {ALL_KERNELS, kernel} for number in self._entries.get(name, ())):
            values.update(self.kernels[number][1])
        return values

    @cached_property
    def _entries(self) -> Mapping[str, Sequence[int]]:
        """Which of ``kernels`` are about a kernel, by its name."""
        found: dict[str, list[int]] = {}
        for number, (name, _) in enumerate(self.kernels):
            found.setdefault(name, []).append(number)
        return found

    def apply_rings(self, rings: RingSchedule) -> RingSchedule:
        """``rings`` with what is forced for all of them."""
        return replace(rings, **dict(self.rings))  # type: ignore[arg-type]


def _check_names(kind: str, asked: Sequence[str], names: Sequence[str]) -> None:
    known = set(names)
    name = next((name for name in asked if name not in known), None)
    if name is not None:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"its {kind}s: {', '.join(names[:4])}, ..."
        raise OptionError("schedule", f"the model has no {kind} {name!r}", hint)
