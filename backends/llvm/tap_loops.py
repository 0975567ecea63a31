"""From the oldest tap to the newest, one rule a form (:mod:`schedc.loops.form`).

Each takes a block of a convolution, the block's source rows at the tile's first frame, where its weights begin, and
the sums before the first tap, and gives the sums after the last.  What runs in parts is no block by block convolution:
:mod:`schedc.backends.llvm.taps_in_parts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.skewed_taps import skewed_taps
from schedc.backends.llvm.tap_block import RowSamples, TapBlock, Totals, flatten, unflatten
from schedc.backends.llvm.tap_window import sliding_window
from schedc.backends.llvm.tile_values import Memory
from schedc.errors import InternalError
from schedc.loops.form import AlignedCuts, Form, Rolled, Skewed, Window, WrittenOut


def all_taps(form: Form, block: TapBlock, rows: Memory, weights: Value, totals: Totals) -> Totals:
    """All taps of a block in the form of its convolution."""
    oldest = rows.moved(block.b, block.b.mul(block.dilation, -(block.op.kernel_size - 1)))
    match form:
        case WrittenOut():
            return _written_out(block, oldest, weights, totals)
        case Rolled():
            return _rolled(block, oldest, weights, totals)
        case Window(taps_at_once):
            return sliding_window(block, taps_at_once, oldest, weights, totals)
        case Skewed(taps_at_once, together):
            return skewed_taps(block, taps_at_once, together, oldest, weights, totals)
        case AlignedCuts():
            return _aligned_cuts(block, rows, weights, totals)
        case _:
            raise InternalError(f"no loop over the taps of a block is {form.word}")


# -- written out ---------------------------------------------------------------------------


def _written_out(block: TapBlock, rows: Memory, weights: Value, totals: Totals) -> Totals:
    """A chain of pointers, each a tap after the one before."""
    b = block.b
    at = b.opaque(rows.pointer, pinned=False)
    for index in range(block.op.kernel_size):
        samples = RowSamples(block.function, Memory(at, rows.row_bytes, rows.element))
        totals = block.tap(samples, b.at(weights, index * block.tap_bytes), totals)
        at = b.opaque(b.at(at, block.dilation), pinned=False)
    return totals


# -- rolled --------------------------------------------------------------------------------


def _rolled(block: TapBlock, rows: Memory, weights: Value, totals: Totals) -> Totals:
    """A tap a round."""
    b, vectors = block.b, len(block.vectors)

    def once(_: Value, carried: list[Value]) -> list[Value]:
        at, w, *flat = carried
        samples = RowSamples(block.function, Memory(at, rows.row_bytes, rows.element))
        result = block.tap(samples, w, unflatten(flat, vectors))
        return [b.at(at, block.dilation), b.at(w, block.tap_bytes), *flatten(result)]

    final = b.loop(block.op.kernel_size, [rows.pointer, weights, *flatten(totals)], once)
    return unflatten(final[2:], vectors)


# -- aligned cuts --------------------------------------------------------------------------


def _aligned_cuts(block: TapBlock, rows: Memory, weights: Value, totals: Totals) -> Totals:
    for index in range(block.op.kernel_size):
        past = block.op.dilation * (block.op.kernel_size - 1 - index)
        totals = block.tap(_CutSamples(block, rows, past), block.b.at(weights, index * block.tap_bytes), totals)
    return totals


@dataclass(frozen=True)
class _CutSamples:
    """A tap ``past`` frames back, of ``rows`` that begin with the tile's first frame."""

    block: TapBlock
    rows: Memory
    past: int

    def row(self, channel: Number) -> list[Value]:
        pointer = self.rows.row(self.block.b, channel)
        return [self._cut(pointer, v) for v in self.block.vectors]

    def vector(self, channel: Number, v: int) -> Value:
        return self._cut(self.rows.row(self.block.b, channel), v)

    def _cut(self, row: Value, v: int) -> Value:
        """Cut out of two vectors where it would straddle vectors of the tile."""
        b, lanes = self.block.b, self.block.b.lanes
        frame = v * lanes - self.past
        ahead = frame % lanes
        if ahead == 0 or frame + lanes <= 0:
            return b.load(b.item(row, frame), b.vector)
        return b.splice([b.item(row, frame - ahead + at) for at in (0, lanes)], ahead)
