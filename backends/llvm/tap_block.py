"""One block of a convolution with frames across the lanes: its sums, and what one tap adds to them.

Sums of the block's outputs x the tile's frames are held across all taps and columns: start values, then tap by tap
(oldest first), column by column, one multiply-accumulate per output and vector.  In which order and from where the
taps get their samples is the matter of their form (:mod:`schedc.backends.llvm.tap_loops`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.llvm.tile_function import TileFunction
from schedc.backends.llvm.tile_values import Memory, TileValue
from schedc.backends.llvm.weights import WeightReader
from schedc.backends.weights.weight_layout import Block, ConvLayout
from schedc.ir.ops import Conv, Start
from schedc.schedule import WeightRoute

Totals = list[list[Value]]  # [output of the block][vector]

# Products between a product and its addition on in-order machines: VMUL's result takes one cycle more.
_PRODUCT_DELAY = 2


class Samples(Protocol):
    """Where one tap's samples are; channels count from the block's first."""

    def row(self, channel: Number) -> list[Value]:
        """All vectors of the tile."""

    def vector(self, channel: Number, v: int) -> Value:
        """Vector number ``v`` of the tile."""


@dataclass(frozen=True)
class OperandSamples:
    """Of a 1x1 convolution: the operand itself, in registers or memory; ``first``: the block's first channel."""

    function: TileFunction
    source: TileValue
    first: Number

    def row(self, channel: Number) -> list[Value]:
        return self.function.read(self.source, self.function.b.add(self.first, channel))

    def vector(self, channel: Number, v: int) -> Value:
        channel = self.function.b.add(self.first, channel)
        if not isinstance(self.source, Memory):
            return self.function.read(self.source, channel)[v]
        return self.function.read_vector(self.source.row(self.function.b, channel), v)


@dataclass(frozen=True)
class RowSamples:
    """Rows in memory: those of the block at one tap."""

    function: TileFunction
    rows: Memory

    def row(self, channel: Number) -> list[Value]:
        return self.function.read_row(self.rows.row(self.function.b, channel))

    def vector(self, channel: Number, v: int) -> Value:
        return self.function.read_vector(self.rows.row(self.function.b, channel), v)


@dataclass(frozen=True)
class Site:
    """Which part of a convolution a block is: its first output, its first input channel, its weights."""

    block: Block
    output: Number
    source: Number
    weights: Value


@dataclass(frozen=True)
class TapBlock:
    """What the taps of one block share.  ``dilation``: bytes from one tap's samples to the next's."""

    function: TileFunction
    op: Conv
    layout: ConvLayout
    site: Site
    dilation: Number

    @property
    def b(self) -> Builder:
        return self.function.b

    @property
    def vectors(self) -> range:
        return range(self.function.shape.schedule.tile_vectors)

    @property
    def tap_bytes(self) -> int:
        """From one tap's weights to the next's."""
        return self.b.element.bytes * self.layout.tap_floats(self.site.block)

    def starts(self, stream: TileValue | None) -> Totals:
        """The sums before the first tap; ``stream``: where they come from, of a convolution that starts from one."""
        outputs = range(self.site.block.outputs)
        if self.op.start is Start.BIAS:
            reader = WeightReader(self.b, self.site.weights, self.layout.lanes_of_weights)
            biases = [reader.get(index) for index in outputs]
            return [[bias for _ in self.vectors] for bias in biases]
        if stream is not None:
            return [self.function.read(stream, self.b.add(self.site.output, index)) for index in outputs]
        return [[self.function.negative_zero() for _ in self.vectors] for _ in outputs]

    def tap(self, samples: Samples, weights: Value, totals: Totals) -> Totals:
        """All columns of one tap, whose weights begin at ``weights``."""
        if not self.layout.loops_over_columns:
            reader = WeightReader(self.b, weights, self.layout.lanes_of_weights)
            for column in range(self.op.columns):
                first = column * self.layout.column_floats(self.site.block)
                totals = self._column(samples, column, reader, first, totals)
            return totals
        column_bytes = self.b.element.bytes * self.layout.column_floats(self.site.block)

        def once(column: Value, carried: list[Value]) -> list[Value]:
            w, *flat = carried
            reader = WeightReader(self.b, w, self.layout.lanes_of_weights)
            result = self._column(samples, column, reader, 0, unflatten(flat, len(self.vectors)))
            return [self.b.at(w, column_bytes), *flatten(result)]

        final = self.b.loop(self.op.columns, [weights, *flatten(totals)], once)
        return unflatten(final[1:], len(self.vectors))

    def _column(self, samples: Samples, column: Number, reader: WeightReader, first: int, totals: Totals) -> Totals:
        """One multiply-accumulate per output of the block and vector of the tile."""
        if self.function.shape.schedule.weight_route is WeightRoute.SCALAR:
            return self._column_in_order(samples, column, reader, first, totals)
        result: Totals = []
        for group in range(self.site.block.groups):
            x = samples.row(self.b.add(group * self.op.columns, column))
            for row in range(self.site.block.rows):
                index = group * self.site.block.rows + row
                w = reader.get(first + index)
                result.append([self.function.math.mac(w, x[v], totals[index][v]) for v in self.vectors])
        return result

    def _column_in_order(
        self, samples: Samples, column: Number, reader: WeightReader, first: int, totals: Totals
    ) -> Totals:
        """The same for a machine that issues in the order we write.

        Weights first, then frame by frame; a frame is loaded before the arithmetic of the one before it, and
        an unfused product is added ``_PRODUCT_DELAY`` products later, so nothing waits for its operand.
        """
        math, block = self.function.math, self.site.block
        result = [list(row) for row in totals]
        products: list[tuple[int, int, Value]] = []

        def accumulate(most_waiting: int) -> None:
            while len(products) > most_waiting:
                index, v, product = products.pop(0)
                result[index][v] = math.add(product, result[index][v])

        for group in range(block.groups):
            channel = self.b.add(group * self.op.columns, column)
            rows = range(group * block.rows, (group + 1) * block.rows)
            following = samples.vector(channel, 0)
            weights = [reader.get(first + index) for index in rows]
            for v in self.vectors:
                x = following
                if v + 1 < len(self.vectors):
                    following = samples.vector(channel, v + 1)
                for index, w in zip(rows, weights, strict=True):
                    if self.function.shape.contract.mac == "fused":
                        result[index][v] = math.mac(w, x, result[index][v])
                    else:
                        products.append((index, v, math.mul(w, x)))
                        accumulate(_PRODUCT_DELAY)
        accumulate(0)
        return result


def flatten(totals: Totals) -> list[Value]:
    return [value for row in totals for value in row]


def unflatten(flat: Sequence[Value], vectors: int) -> Totals:
    return [list(flat[i : i + vectors]) for i in range(0, len(flat), vectors)]
