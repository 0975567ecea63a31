"""What form the loop of a convolution takes: decided here, once, from the op and the schedule of its kernel.

Weight layout, lowering, cost model and report ask :func:`form` and match on what it says.  A form knows what it is
called in reports and what it does in a tile (:class:`TapWork`); how it becomes instructions is in
:mod:`schedc.backends.llvm.tap_loops`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, Op
from schedc.ir.program import Kernel
from schedc.loops.tap_parts import can_be_cut, kept_sums, newest_taps, part_taps
from schedc.loops.tap_sharing import can_share, overlaps_tile, skewed_taps, window_taps
from schedc.schedule import Aligned, KernelSchedule, Parts, Shared, VectorAxis


class TapWork(NamedTuple):
    """What the taps of a convolution take in a tile of frames.

    ``rounds``: taps that are gone through one after the other.  ``samples``: vectors of samples that are loaded
    for each input channel, each time it is read.  ``weight_loads``: how often each weight is loaded.  ``splices``:
    vectors that are cut out of two, for each channel as above.  ``kept_sums``: channels of partial sums that are
    loaded and stored.  ``straddles``: whether some load covers a part of what the tile's own frames were stored by.
    """

    rounds: int
    samples: int
    weight_loads: float = 1.0
    splices: int = 0
    kept_sums: int = 0
    straddles: bool = False


@dataclass(frozen=True)
class _TapByTap:
    """Oldest tap first, all of the tile's vectors at each.

    ``dense``: the code is made for dilation 1, which all convolutions of such a kernel have; else the dilation is an
    argument, so that layers which differ in it share a function.
    """

    dense: bool

    @property
    def takes_dilation(self) -> bool:
        return not self.dense

    def work(self, op: Conv, schedule: KernelSchedule) -> TapWork:
        taps, straddles = op.kernel_size, overlaps_tile(op, schedule)
        return TapWork(taps, taps * schedule.tile_vectors, straddles=straddles)


@dataclass(frozen=True)
class WrittenOut(_TapByTap):
    """All taps and columns of a block of outputs, one after the other."""

    word: ClassVar[str] = "unrolled"


@dataclass(frozen=True)
class Rolled(_TapByTap):
    """A loop over the taps; inside, the columns are written out, or looped over too (``columns``)."""

    columns: bool
    word: ClassVar[str] = "looped"


@dataclass(frozen=True)
class Window:
    """Of dilation 1, where a register is one frame: a window of samples slides over the tile, one sample a tap.

    ``taps_at_once``: written out in the loop's body.
    """

    taps_at_once: int
    word: ClassVar[str] = "shared"
    takes_dilation: ClassVar[bool] = False

    def work(self, op: Conv, schedule: KernelSchedule) -> TapWork:
        return TapWork(op.kernel_size, op.kernel_size + schedule.tile_vectors - 1)


@dataclass(frozen=True)
class Skewed:
    """Of dilation 1, where lanes are frames: each ``together`` vectors are a group of taps behind those before them,
    so that one load of samples serves all (:mod:`schedc.loops.tap_sharing`).

    ``taps_at_once``: written out where all vectors walk together.
    """

    taps_at_once: int
    together: int
    word: ClassVar[str] = "shared"
    takes_dilation: ClassVar[bool] = False

    def work(self, op: Conv, schedule: KernelSchedule) -> TapWork:
        taps, vectors, together = op.kernel_size, schedule.tile_vectors, self.together
        skew, rest = schedule.lanes * (vectors - together), op.kernel_size % schedule.lanes
        # Each vector, or every ``together``, is at a tap of its own; all at the same for the rest.
        weight_loads = (vectors / together * (taps - rest) + rest) / taps
        return TapWork(taps + skew, together * (taps - rest + skew) + rest * vectors, weight_loads)


@dataclass(frozen=True)
class AlignedCuts:
    """Written out; samples that straddle vectors of the tile are cut out of two that were loaded as they were stored.

    The code is made for the op's dilation.
    """

    word: ClassVar[str] = "aligned"
    takes_dilation: ClassVar[bool] = False

    def work(self, op: Conv, schedule: KernelSchedule) -> TapWork:
        """A vector is loaded once, however many are cut from it."""
        lanes, vectors, taps = schedule.lanes, range(schedule.tile_vectors), range(op.kernel_size)
        first = [lanes * vector - op.dilation * tap for vector in vectors for tap in taps]
        cut = [frame for frame in first if frame % lanes and frame + lanes > 0]
        pairs = {frame - frame % lanes + at for frame in cut for at in (0, lanes)}
        return TapWork(op.kernel_size, len(pairs.union(set(first) - set(cut))), splices=len(cut))


@dataclass(frozen=True)
class InParts:
    """Of dilation 1: ``parts`` parts of ``taps`` taps run at the same time; ``newest`` taps come after them
    (:mod:`schedc.loops.tap_parts`).
    """

    parts: int
    taps: int
    newest: int
    word: ClassVar[str] = "in parts"
    takes_dilation: ClassVar[bool] = False

    def work(self, op: Conv, schedule: KernelSchedule) -> TapWork:
        rounds, straddles = self.taps + self.newest, overlaps_tile(op, schedule)
        return TapWork(rounds, rounds * schedule.tile_vectors, kept_sums=kept_sums(op, self.parts), straddles=straddles)


TapByTap = WrittenOut | Rolled
BlockByBlock = WrittenOut | Rolled | Window | Skewed | AlignedCuts  # of outputs
Form = BlockByBlock | InParts
# What reports call them, the most special ones first.
WORDS = (Skewed.word, InParts.word, AlignedCuts.word, Rolled.word, WrittenOut.word)


def form(op: Conv, schedule: KernelSchedule) -> Form:
    """How ``op`` runs under ``schedule``: as its taps are asked for where ``op`` can have that, else tap by tap."""
    match schedule.taps:
        case Parts(count) if can_be_cut(op, schedule, count):
            return InParts(count, part_taps(op, count), newest_taps(op, count))
        case Shared(together) if can_share(op, schedule):
            if schedule.lanes == 1:
                return Window(window_taps(op, schedule))
            return Skewed(skewed_taps(op, schedule), together)
        case Aligned() | Shared(align_rest=True) if overlaps_tile(op, schedule) and _is_short(op, schedule):
            return AlignedCuts()
    return _tap_by_tap(op, schedule)


def _tap_by_tap(op: Conv, schedule: KernelSchedule) -> TapByTap:
    """Written out while that is short.  A source narrow enough for registers is never looped over: registers have no
    index.
    """
    dense, macs = isinstance(schedule.taps, Shared), _block_macs(op, schedule)
    if macs <= schedule.unroll_macs:
        return _WRITTEN_OUT[dense]
    if schedule.axis is VectorAxis.CHANNELS:
        in_memory = not schedule.holds(op.in_channels)
    else:
        in_memory = op.columns * schedule.tile_vectors > schedule.register_values
    columns = in_memory and macs > schedule.unroll_macs * op.kernel_size
    return Rolled(dense, columns) if op.kernel_size > 1 or columns else _WRITTEN_OUT[dense]


_WRITTEN_OUT = (WrittenOut(False), WrittenOut(True))  # made once: the search asks thousands of times


def _is_short(op: Conv, schedule: KernelSchedule) -> bool:
    """Whether the taps of a block of outputs are few enough to be written out."""
    return _block_macs(op, schedule) <= schedule.unroll_macs


def _block_macs(op: Conv, schedule: KernelSchedule) -> int:
    """Multiply-accumulate instructions of all taps and columns of one block of outputs."""
    outputs = schedule.outputs_at_once(op.kernel_size, op.out_channels)
    if schedule.axis is VectorAxis.CHANNELS:
        outputs = schedule.channel_vectors(outputs)
    return outputs * schedule.tile_vectors * op.columns * op.kernel_size


def forms(ops: Iterable[Op], schedule: KernelSchedule) -> Iterator[tuple[Conv, Form]]:
    """The convolutions with a past among ``ops``, and their forms."""
    return ((op, form(op, schedule)) for op in ops if isinstance(op, Conv) and op.kernel_size > 1)


def taps_in_a_row(op: Conv, schedule: KernelSchedule) -> int:
    """Taps that a call adds to one sum."""
    loop = form(op, schedule) if isinstance(schedule.taps, Parts) else None
    return loop.taps + loop.newest if isinstance(loop, InParts) else op.kernel_size


def cut_convolutions(graph: Graph, kernel: Kernel, schedule: KernelSchedule) -> list[tuple[str, Conv, InParts]]:
    """The nodes of ``kernel`` whose taps run in parts."""
    found = ((name, op, form(op, schedule)) for name in kernel.nodes if isinstance(op := graph[name].op, Conv))
    return [(name, op, cut) for name, op, cut in found if isinstance(cut, InParts)]
