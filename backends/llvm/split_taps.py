"""A long convolution in parts that run at the same time (:mod:`schedc.loops.tap_parts`).

One loop over the taps of a part: a sample is loaded once for all parts, each adds it with a weight of its own to
sums of its own.  Parts begin with what the part before them had summed for the same frame, k frames ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schedc.backends.llvm.builder import Value
from schedc.backends.llvm.shared_taps import Totals, WeightReader, flatten, unflatten
from schedc.backends.llvm.tile_values import Memory, Registers
from schedc.backends.weights.kernel_shape import Step
from schedc.backends.weights.weight_layout import SplitLayout
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Start
from schedc.loops.tap_parts import newest_taps, part_taps
from schedc.loops.tap_sharing import LEAST_TAPS

if TYPE_CHECKING:
    from schedc.backends.llvm.kernels import KernelEmitter


def emit_split_convolution(kernel: KernelEmitter, step: Step, op: Conv) -> Registers:
    """The step's value, also stored to its slots; the sums for frames to come go to the step's ring of them."""
    source = kernel.operand(step.operands[0])
    if not isinstance(source, Memory):
        raise InternalError("a convolution with history reads registers")
    return _SplitConvolution(kernel, step, op, source).emit()


class _SplitConvolution:
    def __init__(self, kernel: KernelEmitter, step: Step, op: Conv, source: Memory) -> None:
        self.k, self.b, self.step, self.op, self.source = kernel, kernel.b, step, op, source
        self.parts = kernel.shape.schedule.tap_parts
        self.layout = SplitLayout.of(op, kernel.shape.schedule)
        self.taps, self.newest = part_taps(op, self.parts), newest_taps(op, self.parts)
        self.weights = self.b.at(kernel.weights, 4 * step.offset("conv"))
        self.sums = kernel.slots[step.sums]

    def emit(self) -> Registers:
        first = self.b.at(self.source.pointer, -4 * (self.taps + self.newest - 1))
        weights = self.b.at(self.weights, 4 * self.layout.start_floats)
        first, weights, totals = self._walk(first, weights, self.starts())
        width = self.op.out_channels
        for row, sums in enumerate(totals[:-width]):
            self._store(sums, self.k.row(self.sums, row))
        result = totals[-width:]
        for tap in range(self.newest):
            at = self.b.at(weights, 4 * tap * self.layout.newest_floats)
            result = self._tap(self.b.at(first, 4 * tap), at, 0, result)
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
        ago = Memory(self.b.at(self.sums.pointer, -4 * self.taps), self.sums.row_bytes)
        kept = range((self.parts - 1) * self.op.out_channels)
        return [[first for _ in vectors] for first in firsts] + [self.k.read(ago, row) for row in kept]

    def _walk(self, first: Value, weights: Value, totals: Totals) -> tuple[Value, Value, Totals]:
        """All taps of a part, and where the next sample and the next weights are."""
        b, vectors = self.b, len(totals[0])
        rounds, rest = divmod(self.taps, LEAST_TAPS)

        def some(at: Value, w: Value, sums: Totals, taps: int) -> tuple[Value, Value, Totals]:
            for tap in range(taps):
                sums = self._tap(at, w, tap, sums)
            return b.at(at, 4 * taps), b.at(w, 4 * taps * self.layout.tap_floats), sums

        def once(_: Value, carried: list[Value]) -> list[Value]:
            at, w, sums = some(carried[0], carried[1], unflatten(carried[2:], vectors), LEAST_TAPS)
            return [at, w, *flatten(sums)]

        if rounds:
            first, weights, *flat = b.loop(rounds, [first, weights, *flatten(totals)], once)
            totals = unflatten(flat, vectors)
        return some(first, weights, totals, rest)

    def _tap(self, at: Value, weights: Value, tap: int, totals: Totals) -> Totals:
        """Tap number ``tap`` from ``at`` and ``weights`` on, added to as many sums as are given."""
        weights = self.b.at(weights, 4 * tap * self.layout.tap_floats)
        reader = WeightReader(self.b, weights, self.layout.lanes_of_weights)
        for column in range(self.op.columns):
            x = self.k.read_row(self.b.at(self.k.row(Memory(at, self.source.row_bytes), column), 4 * tap))
            totals = [
                [self.k.math.mac(reader.get(column * len(totals) + index), s, t) for s, t in zip(x, sums, strict=True)]
                for index, sums in enumerate(totals)
            ]
        return totals

    def _store(self, vectors: list[Value], row: Value) -> None:
        for v, vector in enumerate(vectors):
            self.b.store(vector, self.b.at(row, 4 * v * self.b.lanes))
