"""A convolution of dilation 1 where lanes are frames: its taps run in a skewed order, and share samples.

With ``L`` lanes, vector ``v`` of the tile reads at tap ``L*j + k`` the samples at ``L*(v + j) + k``: the same for all
``v + j``.  So if each vector is a group of L taps behind the one before it, one load serves them all, and each
multiplies it by the weight of its own tap:

    vector 0   group 0  1  2  3 ...       a group is L taps; every vector meets its taps oldest first,
    vector 1            0  1  2 ...       so its sums are accumulated in the contract's order
    vector 2               0  1 ...

Where 2 vectors go together, 0 and 1 walk side by side, and 2 and 3 two groups behind them: two loads of samples for
all, and half the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schedc.backends.llvm.builder import Value
from schedc.backends.llvm.tap_block import TapBlock, Totals, flatten, unflatten
from schedc.backends.llvm.tile_values import Memory
from schedc.backends.llvm.weights import WeightReader
from schedc.loops.tap_sharing import LEAST_TAPS


def skewed_taps(block: TapBlock, at_once: int, together: int, rows: Memory, weights: Value, totals: Totals) -> Totals:
    """All taps: vectors join, all walk together, vectors leave; then what is less than a group of taps.

    ``at_once``: taps written out while all walk.  ``rows``: of the block at the oldest tap.
    """
    lanes, vectors = block.b.lanes, len(totals[0])
    groups, rest = divmod(block.op.kernel_size, lanes)
    walk = _Walk(block, together, rows)
    at = _Progress(rows.pointer, weights, totals)
    for joined in range(together, vectors, together):
        at = walk.on(at, range(joined), together * lanes, LEAST_TAPS)
    at = walk.on(at, range(vectors), (groups - vectors + together) * lanes, at_once)
    for left in range(together, vectors, together):
        at = walk.on(at, range(left, vectors), together * lanes, LEAST_TAPS)
    done = groups * lanes
    source, weights = block.b.item(rows.pointer, done), block.b.at(weights, done * block.tap_bytes)
    return walk.newest(_Progress(source, weights, at.totals), rest).totals


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
class _Walk:
    """``together`` neighbouring vectors share a weight."""

    block: TapBlock
    together: int
    rows: Memory

    def on(self, at: _Progress, active: range, taps: int, at_once: int) -> _Progress:
        """The active vectors advance by ``taps`` taps, ``at_once`` of them written out."""

        def body(at: _Progress) -> _Progress:
            return self._advance(at, active, self.together, at_once)

        return self._repeat(taps // at_once, at, body)

    def newest(self, at: _Progress, taps: int) -> _Progress:
        """All vectors at the same tap, one tap after the other."""
        vectors = len(at.totals[0])
        return self._repeat(taps, at, lambda at: self._advance(at, range(vectors), vectors, 1)) if taps else at

    def _repeat(self, count: int, at: _Progress, body: Callable[[_Progress], _Progress]) -> _Progress:
        vectors = len(at.totals[0])
        if count == 1:
            return body(at)

        def once(_: Value, carried: list[Value]) -> list[Value]:
            return body(_Progress.of(carried, vectors)).values

        return _Progress.of(self.block.b.loop(count, at.values, once), vectors)

    def _advance(self, at: _Progress, active: range, together: int, taps: int) -> _Progress:
        """``taps`` taps, written out; ``together`` neighbouring vectors share a weight."""
        b, op, block, layout = self.block.b, self.block.op, self.block.site.block, self.block.layout
        totals = [list(row) for row in at.totals]
        lanes = layout.lanes_of_weights if taps % layout.lanes_of_weights == 0 else 1
        readers = {v: WeightReader(b, self._later(at.weights, -v * b.lanes), lanes) for v in active[::together]}
        places = [(k, c, g) for k in range(taps) for c in range(op.columns) for g in range(block.groups)]
        ahead = self._samples(at.source, places[0], together)
        for number, (k, column, group) in enumerate(places):
            x = ahead
            if number + 1 < len(places):
                ahead = self._samples(at.source, places[number + 1], together)
            for output in range(group * block.rows, (group + 1) * block.rows):
                index = k * layout.tap_floats(block) + column * block.outputs + output
                for first, reader in readers.items():
                    w = reader.get(index)
                    for i in range(together):
                        totals[output][first + i] = self.block.function.math.mac(w, x[i], totals[output][first + i])
        return _Progress(b.item(at.source, taps), self._later(at.weights, taps), totals)

    def _samples(self, source: Value, place: tuple[int, int, int], count: int) -> list[Value]:
        """``count`` vectors of samples at (tap, column, group)."""
        b, (tap, column, group) = self.block.b, place
        row = b.at(source, b.mul(self.rows.row_bytes, group * self.block.op.columns + column))
        return [b.load(b.item(row, tap + i * b.lanes), b.vector) for i in range(count)]

    def _later(self, weights: Value, taps: int) -> Value:
        return self.block.b.at(weights, taps * self.block.tap_bytes)
