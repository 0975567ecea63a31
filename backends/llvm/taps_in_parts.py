"""A long convolution in parts that run at the same time (:mod:`schedc.loops.tap_parts`).

One loop over the taps of a part: a sample is loaded once for all parts, each adds it with a weight of its own to
sums of its own.  Parts begin with what the part before them had summed for the same frame, k frames ago.
"""

from __future__ import annotations

from schedc.backends.llvm.builder import Value
from schedc.backends.llvm.tap_block import Totals, flatten, unflatten
from schedc.backends.llvm.tile_function import TileFunction
from schedc.backends.llvm.tile_values import Memory, Registers
from schedc.backends.llvm.weights import WeightReader
from schedc.backends.weights.kernel_shape import Step
from schedc.backends.weights.weight_layout import SplitLayout
from schedc.ir.ops import Conv, Start
from schedc.loops.tap_parts import kept_sums
from schedc.loops.tap_sharing import LEAST_TAPS


class TapsInParts:
    """All outputs of a convolution; ``sums``: where partial ones are kept, at the tile's first frame."""

    def __init__(self, function: TileFunction, step: Step, op: Conv, layout: SplitLayout, sums: Memory) -> None:
        self.k, self.b, self.step, self.op, self.layout, self.sums = function, function.b, step, op, layout, sums
        self.form, self.source = layout.form, function.memory(step.operands[0])
        self.weights = self.b.item(function.weights, step.offset("conv"))

    def emit(self) -> Registers:
        """The step's value, also stored to its slots; the sums for frames to come go to the ring of them."""
        first = self.b.item(self.source.pointer, -(self.form.taps + self.form.newest - 1))
        weights = self.b.item(self.weights, self.layout.start_floats)
        first, weights, totals = self._walk(first, weights, self.starts())
        width = self.op.out_channels
        for row, sums in enumerate(totals[:-width]):
            self.k.store_row(self.sums.row(self.b, row), sums)
        result = totals[-width:]
        for tap in range(self.form.newest):
            at = self.b.item(weights, tap * self.layout.newest_floats)
            result = self._tap(self.b.item(first, tap), at, 0, result)
        for channel, vectors in enumerate(result):
            self.k.write(self.step, channel, vectors)
        return Registers([tuple(vectors) for vectors in result])

    def starts(self) -> Totals:
        """By part and output: the first part's as any convolution's, the others' from the sums of k frames ago."""
        vectors = range(self.k.shape.schedule.tile_vectors)
        if self.op.start is Start.BIAS:
            reader = WeightReader(self.b, self.weights, self.layout.lanes_of_weights)
            firsts = [reader.get(index) for index in range(self.op.out_channels)]
        else:
            firsts = [self.k.negative_zero()] * self.op.out_channels
        ago = self.sums.moved(self.b, self.b.items(-self.form.taps))
        kept = range(kept_sums(self.op, self.form.parts))
        return [[first for _ in vectors] for first in firsts] + [self.k.read(ago, row) for row in kept]

    def _walk(self, first: Value, weights: Value, totals: Totals) -> tuple[Value, Value, Totals]:
        """All taps of a part, and where the next sample and the next weights are."""
        b, vectors = self.b, len(totals[0])
        rounds, rest = divmod(self.form.taps, LEAST_TAPS)

        def some(at: Value, w: Value, sums: Totals, taps: int) -> tuple[Value, Value, Totals]:
            for tap in range(taps):
                sums = self._tap(at, w, tap, sums)
            return b.item(at, taps), b.item(w, taps * self.layout.tap_floats), sums

        def once(_: Value, carried: list[Value]) -> list[Value]:
            at, w, sums = some(carried[0], carried[1], unflatten(carried[2:], vectors), LEAST_TAPS)
            return [at, w, *flatten(sums)]

        if rounds:
            first, weights, *flat = b.loop(rounds, [first, weights, *flatten(totals)], once)
            totals = unflatten(flat, vectors)
        return some(first, weights, totals, rest)

    def _tap(self, at: Value, weights: Value, tap: int, totals: Totals) -> Totals:
        """Tap number ``tap`` from ``at`` and ``weights`` on, added to as many sums as are given."""
        weights = self.b.item(weights, tap * self.layout.tap_floats)
        reader = WeightReader(self.b, weights, self.layout.lanes_of_weights)
        rows = Memory(at, self.source.row_bytes, self.source.element)
        for column in range(self.op.columns):
            x = self.k.read_row(self.b.item(rows.row(self.b, column), tap))
            totals = [
                [self.k.math.mac(reader.get(column * len(totals) + index), s, t) for s, t in zip(x, sums, strict=True)]
                for index, sums in enumerate(totals)
            ]
        return totals
