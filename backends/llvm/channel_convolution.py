"""Lowering of a convolution whose vectors hold output channels.

The sums of a block of vectors, for each frame of the tile, are held across all taps and columns.  A weight vector
serves all frames, a sample all vectors.  Taps, columns and blocks are unrolled while small and looped over when not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.llvm.channel_tile import ChannelTile
from schedc.backends.llvm.tap_block import flatten, unflatten
from schedc.backends.llvm.tile_values import Frames, Row, in_memory
from schedc.backends.weights.kernel_shape import Step
from schedc.backends.weights.weight_layout import ChannelLayout, convolution_layout
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Start
from schedc.loops.channel_axis import reads_lanes
from schedc.loops.form import Rolled
from schedc.schedule import KernelSchedule, WeightRoute

# Columns whose loads LLVM may move about: its scheduler would begin with all of a kernel's and run out of registers.
_AHEAD = 4


class Samples(Protocol):
    """Where one tap's samples are."""

    def sample(self, column: Number, frame: int) -> Value:
        """The splat of a column's sample at a frame of the tile."""


@dataclass(frozen=True)
class ScalarSamples:
    """In memory, from ``first`` on, and loaded one by one."""

    b: Builder
    memory: Frames
    first: Value

    def sample(self, column: Number, frame: int) -> Value:
        b, memory = self.b, self.memory
        at = b.at(b.at(self.first, b.mul(memory.channel_bytes, column)), frame * memory.frame_bytes)
        return b.splat(b.load(at, b.scalar))


@dataclass(frozen=True)
class LaneSamples:
    """Lanes of vectors of channels, which are in registers (``rows``) or loaded once each (``first`` None: from the
    beginning of ``memory``).
    """

    b: Builder
    rows: Sequence[Row] | None
    memory: Frames | None
    first: Value | None
    loaded: dict[tuple[int, int], Value] = field(default_factory=dict)

    def sample(self, column: Number, frame: int) -> Value:
        if not isinstance(column, int):
            raise InternalError("a lane was indexed in a loop")
        index, lane = divmod(column, self.b.lanes)
        return self.b.shuffle(self._vector(index, frame), [lane] * self.b.lanes)

    def _vector(self, index: int, frame: int) -> Value:
        if self.rows is not None:
            return self.rows[index][frame]
        if self.memory is None:
            raise InternalError("a stream in registers was read from memory")
        if (index, frame) not in self.loaded:
            b, memory = self.b, self.memory
            first = memory.pointer if self.first is None else self.first
            at = b.at(first, frame * memory.frame_bytes + memory.element.bytes * b.lanes * index)
            self.loaded[index, frame] = b.load(at, b.vector)
        return self.loaded[index, frame]


class ChannelConvolution:
    """One convolution inside a tile: sums of a block of vectors of outputs, for each frame."""

    def __init__(self, kernel: ChannelTile, step: Step, op: Conv) -> None:
        self.k, self.b, self.step, self.op = kernel, kernel.b, step, op
        self.layout = _layout(step, op, kernel.shape.schedule)
        self.source = kernel.value(step.operands[0])
        self.start = kernel.value(step.operands[1]) if op.start is Start.STREAM else None
        self.by_lane = kernel.shape.schedule.weight_route is WeightRoute.LANE
        self.from_registers = reads_lanes(op.in_channels, kernel.shape.schedule)
        self.base = self.b.item(kernel.weights, step.offset("conv"))
        self.dilation: Number = 0 if step.dilation is None else kernel.dilations[step.dilation]

    # -- blocks ----------------------------------------------------------------------

    def unrolled(self) -> list[Row]:
        """All vectors of outputs, block by block, stored too."""
        rows: list[Row] = []
        weights = self.base
        for first, vectors in self.layout.blocks:
            rows += self.store_block(first, self.counts(first, vectors), weights)
            weights = self.b.item(weights, self.layout.block_floats(vectors))
        return rows

    def rolled(self) -> None:
        """Equal blocks in a loop; all results go to memory."""
        weights = self.base
        for counts, run in groupby(self.layout.blocks, key=lambda block: self.counts(*block)):
            blocks = list(run)
            first, floats = blocks[0][0], self.layout.block_floats(len(counts))
            if len(blocks) == 1:
                self.store_block(first, counts, weights)
            else:
                self._loop_blocks(first, len(blocks), counts, weights)
            weights = self.b.item(weights, floats * len(blocks))

    def _loop_blocks(self, first: int, blocks: int, counts: tuple[int, ...], weights: Value) -> None:
        floats = self.layout.block_floats(len(counts))

        def once(index: Value, _: list[Value]) -> list[Value]:
            vector = self.b.add(first, self.b.mul(index, len(counts)))
            self.store_block(vector, counts, self.b.at(weights, self.b.mul(index, self.b.element.bytes * floats)))
            return []

        self.b.loop(blocks, [], once)

    def counts(self, first: int, vectors: int) -> tuple[int, ...]:
        """Channels in each vector of a block."""
        lanes, channels = self.b.lanes, self.op.out_channels
        return tuple(min(lanes, channels - vector * lanes) for vector in range(first, first + vectors))

    def store_block(self, first: Number, counts: tuple[int, ...], weights: Value) -> list[Row]:
        rows = [tuple(row) for row in self.block(first, counts, weights)]
        for number, (count, row) in enumerate(zip(counts, rows, strict=True)):
            self.k.write(self.step, self.b.add(first, number), count, row)
        return rows

    # -- one block -------------------------------------------------------------------

    def block(self, first: Number, counts: tuple[int, ...], weights: Value) -> list[list[Value]]:
        """The sums [vector of the block][frame] after all taps; ``weights``: the block's."""
        totals = self.starts(first, counts, weights)
        weights = self.b.item(weights, self.layout.start_floats(len(counts)))
        if self.op.kernel_size == 1:
            return self.tap(None, weights, totals)
        past = self.b.mul(self.dilation, -(self.op.kernel_size - 1))
        pointer = self.b.at(in_memory(self.source).pointer, past)
        tap_bytes = self.b.element.bytes * self.layout.tap_floats(len(counts))
        if isinstance(self.layout.form, Rolled):
            return self._loop_taps(pointer, weights, tap_bytes, totals)
        at = self.b.opaque(pointer, pinned=False)
        for index in range(self.op.kernel_size):
            totals = self.tap(at, self.b.at(weights, index * tap_bytes), totals)
            at = self.b.opaque(self.b.at(at, self.dilation), pinned=False)
        return totals

    def _loop_taps(
        self, pointer: Value, weights: Value, tap_bytes: int, totals: list[list[Value]]
    ) -> list[list[Value]]:
        def once(_: Value, carried: list[Value]) -> list[Value]:
            at, w, *flat = carried
            result = self.tap(at, w, unflatten(flat, len(self.k.tile)))
            return [self.b.at(at, self.dilation), self.b.at(w, tap_bytes), *flatten(result)]

        final = self.b.loop(self.op.kernel_size, [pointer, weights, *flatten(totals)], once)
        return unflatten(final[2:], len(self.k.tile))

    def starts(self, first: Number, counts: tuple[int, ...], weights: Value) -> list[list[Value]]:
        if self.op.start is Start.BIAS:
            biases = [self.b.load(self._vector(weights, number), self.b.vector) for number in range(len(counts))]
            return [[bias for _ in self.k.tile] for bias in biases]
        if self.start is not None:
            return [
                list(self.k.read(self.start, self.b.add(first, number), count)) for number, count in enumerate(counts)
            ]
        return [[self.k.negative_zero() for _ in self.k.tile] for _ in counts]

    def _vector(self, weights: Value, number: int) -> Value:
        return self.b.item(weights, self.b.lanes * number)

    def tap(self, pointer: Value | None, weights: Value, totals: list[list[Value]]) -> list[list[Value]]:
        """All columns of one tap.  ``pointer``: the source's first channel at this tap; None: a 1x1's operand."""
        column_bytes = self.b.element.bytes * self.layout.column_floats(len(totals))
        if not self.layout.loops_over_columns:
            samples = self.samples(pointer)
            for column in range(self.op.columns):
                if column % _AHEAD == 0:
                    weights = self.b.opaque(weights)
                totals = self.column(samples, column, self.b.at(weights, column * column_bytes), totals)
            return totals

        def once(column: Value, carried: list[Value]) -> list[Value]:
            w, *flat = carried
            result = self.column(self.scalars(pointer), column, w, unflatten(flat, len(self.k.tile)))
            return [self.b.at(w, column_bytes), *flatten(result)]

        final = self.b.loop(self.op.columns, [weights, *flatten(totals)], once)
        return unflatten(final[1:], len(self.k.tile))

    def column(self, samples: Samples, column: Number, weights: Value, totals: list[list[Value]]) -> list[list[Value]]:
        """One multiply-accumulate per vector of the block and frame of the tile.

        Of weights and samples the fewer are held, and the others fetched one by one.
        """
        mac, result = self.k.math.mac, [list(row) for row in totals]

        def weight(number: int) -> Value:
            return self.b.load(self._vector(weights, number), self.b.vector)

        if len(totals) < len(self.k.tile):
            held = [weight(number) for number in range(len(totals))]
            for frame in self.k.tile:
                x = samples.sample(column, frame)
                for row, w in zip(result, held, strict=True):
                    row[frame] = mac(w, x, row[frame])
            return result
        splats = [samples.sample(column, frame) for frame in self.k.tile]
        for number, row in enumerate(result):
            w = weight(number)
            for frame, x in enumerate(splats):
                row[frame] = mac(w, x, row[frame])
        return result

    def samples(self, pointer: Value | None) -> Samples:
        """Where a tap's samples are; ``pointer`` as in :meth:`tap`."""
        rows = self.source.rows if pointer is None else None
        if self.from_registers if rows is not None else self.by_lane and in_memory(self.source).is_interleaved:
            return LaneSamples(self.b, rows, self.source.memory, pointer)
        return self.scalars(pointer)

    def scalars(self, pointer: Value | None) -> ScalarSamples:
        memory = in_memory(self.source)
        return ScalarSamples(self.b, memory, memory.pointer if pointer is None else pointer)


def _layout(step: Step, op: Conv, schedule: KernelSchedule) -> ChannelLayout:
    layout = convolution_layout(op, step.form, schedule) if step.form else None
    if not isinstance(layout, ChannelLayout):
        raise InternalError(f"{op} with channels across the lanes has no such layout")
    return layout
