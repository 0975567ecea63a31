"""A convolution of dilation 1 where a register holds one frame: a window of samples slides over the tile.

Neighbouring taps read the same samples but for one: each sample is loaded once, one a tap.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.tap_block import TapBlock, Totals, flatten, unflatten
from schedc.backends.llvm.tile_values import Memory
from schedc.errors import InternalError


@dataclass(frozen=True)
class _Window:
    """Samples that neighbouring taps share, one frame per register.  ``tap`` is the one that reads now."""

    block: TapBlock
    rows: Memory  # the block's source rows at tap 0
    tap: int = 0
    samples: dict[tuple[int, int], Value] = field(default_factory=dict)  # (channel, frame from the pointer)

    def at(self, tap: int) -> _Window:
        return replace(self, tap=tap)

    def row(self, channel: Number) -> list[Value]:
        return [self.vector(channel, v) for v in self.block.vectors]

    def vector(self, channel: Number, v: int) -> Value:
        """A sample that another tap may have loaded already."""
        if not isinstance(channel, int):
            raise InternalError("shared taps were looped over")
        b, key = self.block.b, (channel, self.tap + v)
        if key not in self.samples:
            self.samples[key] = b.load(b.item(self.rows.row(b, channel), key[1]), b.vector)
        return self.samples[key]


def sliding_window(block: TapBlock, at_once: int, rows: Memory, weights: Value, totals: Totals) -> Totals:
    """All taps; those of a long kernel in a loop, ``at_once`` a round, that hands its window on.  ``rows``: of the
    block at the oldest tap.
    """
    b, taps, frames = block.b, block.op.kernel_size, len(totals[0])
    empty = _Window(block, rows)
    if taps == at_once:
        return _slide(block, taps, empty, weights, totals)
    rounds, rest = divmod(taps, at_once)
    kept = [(c, f) for c in range(block.site.block.groups * block.op.columns) for f in range(frames - 1)]

    def window(at: Value, values: list[Value]) -> _Window:
        samples = dict(zip(kept, values[: len(kept)], strict=True))
        return _Window(block, Memory(at, rows.row_bytes, rows.element), samples=samples)

    def once(_: Value, carried: list[Value]) -> list[Value]:
        at, w, *values = carried
        here = window(at, values)
        result = _slide(block, at_once, here, w, unflatten(values[len(kept) :], frames))
        following = [here.samples[channel, frame + at_once] for channel, frame in kept]
        return [b.item(at, at_once), b.at(w, at_once * block.tap_bytes), *following, *flatten(result)]

    first = [empty.at(frame).vector(channel, 0) for channel, frame in kept]
    at, weights, *values = b.loop(rounds, [rows.pointer, weights, *first, *flatten(totals)], once)
    return _slide(block, rest, window(at, values), weights, unflatten(values[len(kept) :], frames))


def _slide(block: TapBlock, taps: int, window: _Window, weights: Value, totals: Totals) -> Totals:
    for index in range(taps):
        totals = block.tap(window.at(index), block.b.at(weights, index * block.tap_bytes), totals)
    return totals
