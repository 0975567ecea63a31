"""Convolutions of dilation 1 that load a sample once for several taps.

Where a register holds one frame, a window of samples slides over the tile, one sample a tap.

Where lanes are frames, the taps run in a skewed order.  With ``L`` lanes, vector ``v`` of the tile reads at tap
``L*j + k`` the samples at ``L*(v + j) + k``: the same for all ``v + j``.  So if each vector is a group of L taps
behind the one before it, one load serves them all, and each multiplies it by the weight of its own tap:

    vector 0   group 0  1  2  3 ...       a group is L taps; every vector meets its taps oldest first,
    vector 1            0  1  2 ...       so its sums are accumulated in the contract's order
    vector 2               0  1 ...

With ``weight_vectors`` 2, vectors 0 and 1 walk together, and 2 and 3 two groups behind them: two loads of
samples for all, and half the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llvmlite import ir

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.weights.weight_layout import Block, ConvLayout
from schedc.loops.tap_sharing import LEAST_TAPS, taps_at_once
from schedc.schedule import KernelSchedule

if TYPE_CHECKING:
    from schedc.backends.llvm.kernels import KernelEmitter

Totals = list[list[Value]]  # [output of the block][vector]


class WeightReader:
    """Weights behind a pointer as splats, by constant index."""

    def __init__(self, builder: Builder, pointer: Value, lanes: int) -> None:
        self._b, self._pointer, self._lanes = builder, pointer, lanes
        self._vectors: dict[int, Value] = {}

    def get(self, index: int) -> Value:
        b = self._b
        if self._lanes == 1:
            return b.splat(b.load(b.at(self._pointer, 4 * index), ir.FloatType()))
        quad, lane = divmod(index, 4)
        if quad not in self._vectors:
            self._vectors[quad] = b.load(b.at(self._pointer, 16 * quad), ir.VectorType(ir.FloatType(), 4))
        return b.shuffle(self._vectors[quad], [lane] * b.lanes)


@dataclass(frozen=True)
class SampleWindow:
    """Samples that neighbouring taps share, one frame per register.  ``tap`` is the one that reads now."""

    builder: Builder
    pointer: Value  # the block's source rows at tap 0
    row_bytes: Number
    tap: int = 0
    samples: dict[tuple[int, int], Value] = field(default_factory=dict)  # (channel, frame from the pointer)

    def at(self, tap: int) -> SampleWindow:
        return replace(self, tap=tap)

    def read(self, channel: int, vector: int) -> Value:
        """A sample that another tap may have loaded already."""
        key = (channel, self.tap + vector)
        if key not in self.samples:
            row = self.builder.at(self.pointer, self.builder.mul(self.row_bytes, channel))
            self.samples[key] = self.builder.load(self.builder.at(row, 4 * key[1]), self.builder.vector)
        return self.samples[key]


@dataclass(frozen=True)
class _Progress:
    """Where the first vector is: its samples, its weights; and all sums."""

    source: Value
    weights: Value
    totals: Totals

    @property
    def values(self) -> list[Value]:
        return [self.source, self.weights, *flatten(self.totals)]

    @staticmethod
    def of(values: Sequence[Value], vectors: int) -> _Progress:
        return _Progress(values[0], values[1], unflatten(values[2:], vectors))


@dataclass(frozen=True)
class SharedTaps:
    """One block of a convolution: ``source`` are its rows and ``weights`` its weights, at the oldest tap."""

    kernel: KernelEmitter
    layout: ConvLayout
    block: Block
    source: Value
    row_bytes: Number
    weights: Value

    # -- a window of samples -----------------------------------------------------------

    def windowed(self, tap: Callable[[SampleWindow, Value, Totals], Totals], totals: Totals) -> Totals:
        """All taps, by ``tap``; those of a long kernel in a loop that hands its window on."""
        taps = self.layout.op.kernel_size
        at_once = taps_at_once(self.layout.op, self.kernel.shape.schedule)
        empty = SampleWindow(self.kernel.b, self.source, self.row_bytes)
        if taps == at_once:
            return self._slide(tap, taps, empty, self.weights, totals)
        rounds, rest = divmod(taps, at_once)
        b = self.kernel.b
        kept = [(c, f) for c in range(self.block.groups * self.layout.op.columns) for f in range(len(totals[0]) - 1)]

        def once(_: Value, carried: list[Value]) -> list[Value]:
            source, weights, *values = carried
            window = SampleWindow(b, source, self.row_bytes, samples=dict(zip(kept, values[: len(kept)], strict=True)))
            result = self._slide(tap, at_once, window, weights, unflatten(values[len(kept) :], len(totals[0])))
            following = [window.samples[channel, frame + at_once] for channel, frame in kept]
            return [b.at(source, 4 * at_once), b.at(weights, at_once * self._tap_bytes), *following, *flatten(result)]

        first = [empty.at(frame).read(channel, 0) for channel, frame in kept]
        source, weights, *values = b.loop(rounds, [self.source, self.weights, *first, *flatten(totals)], once)
        window = SampleWindow(b, source, self.row_bytes, samples=dict(zip(kept, values[: len(kept)], strict=True)))
        return self._slide(tap, rest, window, weights, unflatten(values[len(kept) :], len(totals[0])))

    def _slide(
        self,
        tap: Callable[[SampleWindow, Value, Totals], Totals],
        taps: int,
        window: SampleWindow,
        weights: Value,
        totals: Totals,
    ) -> Totals:
        for index in range(taps):
            totals = tap(window.at(index), self.kernel.b.at(weights, index * self._tap_bytes), totals)
        return totals

    # -- the skewed order --------------------------------------------------------------

    def skewed(self, totals: Totals) -> Totals:
        """All taps: vectors join, all walk together, vectors leave; then what is less than a group of taps."""
        lanes, vectors, together = self.kernel.b.lanes, len(totals[0]), self._schedule.weight_vectors
        groups, rest = divmod(self.layout.op.kernel_size, lanes)
        most, few = taps_at_once(self.layout.op, self._schedule), LEAST_TAPS
        at = _Progress(self.source, self.weights, totals)
        for joined in range(together, vectors, together):
            at = self._walk(at, range(joined), together * lanes, few)
        at = self._walk(at, range(vectors), (groups - vectors + together) * lanes, most)
        for left in range(together, vectors, together):
            at = self._walk(at, range(left, vectors), together * lanes, few)
        done = groups * lanes
        source, weights = self.kernel.b.at(self.source, 4 * done), self._later(self.weights, done)
        return self._newest(_Progress(source, weights, at.totals), rest).totals

    def _walk(self, at: _Progress, active: range, taps: int, at_once: int) -> _Progress:
        """The active vectors advance by ``taps`` taps, ``at_once`` of them written out."""
        together = self._schedule.weight_vectors

        def body(at: _Progress) -> _Progress:
            return self._advance(at, active, together, at_once)

        return self._repeat(taps // at_once, at, body)

    def _newest(self, at: _Progress, taps: int) -> _Progress:
        """All vectors at the same tap, one tap after the other."""
        vectors = len(at.totals[0])
        return self._repeat(taps, at, lambda at: self._advance(at, range(vectors), vectors, 1)) if taps else at

    def _repeat(self, count: int, at: _Progress, body: Callable[[_Progress], _Progress]) -> _Progress:
        vectors = len(at.totals[0])
        if count == 1:
            return body(at)

        def once(_: Value, carried: list[Value]) -> list[Value]:
            return body(_Progress.of(carried, vectors)).values

        return _Progress.of(self.kernel.b.loop(count, at.values, once), vectors)

    def _advance(self, at: _Progress, active: range, together: int, taps: int) -> _Progress:
        """``taps`` taps, written out; ``together`` neighbouring vectors share a weight."""
        b, op, rows = self.kernel.b, self.layout.op, self.block.rows
        totals = [list(row) for row in at.totals]
        lanes = self.layout.lanes_of_weights if taps % self.layout.lanes_of_weights == 0 else 1
        readers = {v: WeightReader(b, self._later(at.weights, -v * b.lanes), lanes) for v in active[::together]}
        places = [(k, c, g) for k in range(taps) for c in range(op.columns) for g in range(self.block.groups)]
        ahead = self._samples(at.source, places[0], together)
        for number, (k, column, group) in enumerate(places):
            x = ahead
            if number + 1 < len(places):
                ahead = self._samples(at.source, places[number + 1], together)
            for output in range(group * rows, (group + 1) * rows):
                index = k * self.layout.tap_floats(self.block) + column * self.block.outputs + output
                for first, reader in readers.items():
                    w = reader.get(index)
                    for i in range(together):
                        totals[output][first + i] = self.kernel.math.mac(w, x[i], totals[output][first + i])
        return _Progress(b.at(at.source, 4 * taps), self._later(at.weights, taps), totals)

    def _samples(self, source: Value, place: tuple[int, int, int], count: int) -> list[Value]:
        """``count`` vectors of samples at (tap, column, group)."""
        b, (tap, column, group) = self.kernel.b, place
        row = b.at(source, b.mul(self.row_bytes, group * self.layout.op.columns + column))
        return [b.load(b.at(row, 4 * (tap + i * b.lanes)), b.vector) for i in range(count)]

    def _later(self, weights: Value, taps: int) -> Value:
        return self.kernel.b.at(weights, taps * self._tap_bytes)

    @property
    def _schedule(self) -> KernelSchedule:
        return self.kernel.shape.schedule

    @property
    def _tap_bytes(self) -> int:
        return 4 * self.layout.tap_floats(self.block)


def flatten(totals: Totals) -> list[Value]:
    return [value for row in totals for value in row]


def unflatten(flat: Sequence[Value], vectors: int) -> Totals:
    return [list(flat[i : i + vectors]) for i in range(0, len(flat), vectors)]
