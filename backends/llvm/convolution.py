"""Lowering of a convolution inside a tile.

Accumulators of one block of output channels x the tile's frames are held across all taps and
columns: start values, then tap by tap (oldest first), column by column, one multiply-accumulate per
output and vector.  Taps, columns and blocks are unrolled while small and looped over when not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.shared_taps import SampleWindow, SharedTaps, WeightReader, flatten, unflatten
from schedc.backends.llvm.split_taps import emit_split_convolution
from schedc.backends.llvm.tile_values import Memory, Registers, Row, TileValue
from schedc.backends.weights.kernel_shape import Step
from schedc.backends.weights.weight_layout import Block, ConvLayout, conv_layout
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Start
from schedc.loops.tap_sharing import aligns_taps
from schedc.schedule import WeightRoute

if TYPE_CHECKING:
    from schedc.backends.llvm.kernels import KernelEmitter

# Products between a product and its addition on in-order machines: VMUL's result takes one cycle more.
_PRODUCT_DELAY = 2


def emit_convolution(kernel: KernelEmitter, step: Step) -> TileValue:
    """The step's value; stored to its slots, and left in registers unless it is wide."""
    if not isinstance(step.op, Conv):
        raise InternalError(f"{step.op} is not a convolution")
    if step.sums >= 0:
        return emit_split_convolution(kernel, step, step.op)
    emitter = _Convolution(kernel, step, step.op)
    if step.wide and (isinstance(emitter.source, Memory) or step.op.groups == 1):
        emitter.rolled()
        return kernel.slots[step.stores[0]]
    result = Registers([], emitter.unrolled())
    # A 1x1 convolution from registers that only feeds this kernel can wait for its readers. Memory cannot:
    # rows are handed on to other streams once their last reader, by node order, is through.
    waits = isinstance(emitter.source, Registers) and not step.stores and step.op.start is not Start.STREAM
    if not waits:
        result.all_rows()
    return kernel.slots[step.stores[0]] if step.wide else result


@dataclass(frozen=True)
class _Place:
    """Which part of the convolution a block is: first output, first input channel, weights."""

    output: Number
    source: Number
    weights: Value


@dataclass(frozen=True)
class _AlignedTap:
    """A tap ``past`` frames back, of rows that begin at ``pointer`` with the tile's first frame."""

    pointer: Value
    past: int


# Where a tap's samples are: an address, a window that neighbouring taps share, or (None) the operand itself.
TapPointer: TypeAlias = Value | SampleWindow | _AlignedTap | None


class _Convolution:
    def __init__(self, kernel: KernelEmitter, step: Step, op: Conv) -> None:
        self.k, self.b, self.step, self.op = kernel, kernel.b, step, op
        self.layout: ConvLayout = conv_layout(op, kernel.shape.schedule)
        self.source = kernel.operand(step.operands[0])
        self.start = kernel.operand(step.operands[1]) if op.start is Start.STREAM else None
        self.base = self.b.at(kernel.weights, 4 * step.offset("conv"))
        self.vectors = range(kernel.shape.schedule.tile_vectors)
        self.dilation: Number = kernel.dilations[step.dilation] if step.dilation >= 0 else 4
        self.aligned = step.dilation < 0 and aligns_taps(op, kernel.shape.schedule)

    # -- blocks ----------------------------------------------------------------------

    def unrolled(self) -> list[Callable[[], list[Row]]]:
        """What emits each block, in output order."""
        result: list[Callable[[], list[Row]]] = []
        output = 0
        for block, offset in zip(self.layout.blocks, self.layout.offsets, strict=True):
            place = _Place(output, block.first_group * self.op.columns, self.b.at(self.base, 4 * offset))
            result.append(partial(self.block_rows, block, place))
            output += block.outputs
        return result

    def block_rows(self, block: Block, place: _Place) -> list[Row]:
        rows = [tuple(row) for row in self.block(block, place)]
        for index, row in enumerate(rows):
            self.k.write(self.step, self.b.add(place.output, index), row)
        return rows

    def rolled(self) -> None:
        """Loops over periods of equal groups, and inside over equal blocks; all results go to memory."""
        blocks = self.layout.blocks
        per_group = [block for block in blocks if block.first_group == blocks[0].first_group]
        first = blocks[0]
        periods = self.op.groups // first.groups
        place = _Place(0, 0, self.base)
        floats = sum(self.layout.block_floats(block) for block in per_group)
        outputs = sum(block.outputs for block in per_group)
        columns = first.groups * self.op.columns

        def period(index: Value, _: list[Value]) -> list[Value]:
            self.run(per_group, self._advance(place, index, outputs, columns, floats))
            return []

        if periods == 1:
            self.run(per_group, place)
        else:
            self.b.loop(periods, [], period)
        done = periods * first.groups
        if done < self.op.groups:
            self.run(blocks[-1:], self._advance(place, periods, outputs, columns, floats))

    def run(self, blocks: Sequence[Block], place: _Place) -> None:
        """Blocks of one group, equal ones in a loop."""
        for _, run in groupby(blocks, key=lambda block: block.outputs):
            equal = list(run)
            block, floats = equal[0], self.layout.block_floats(equal[0])
            if len(equal) == 1:
                self.store_block(block, place)
            else:
                self._loop_blocks(block, len(equal), place, floats)
            place = self._advance(place, len(equal), block.outputs, 0, floats)

    def _loop_blocks(self, block: Block, count: int, place: _Place, floats: int) -> None:
        def once(index: Value, _: list[Value]) -> list[Value]:
            self.store_block(block, self._advance(place, index, block.outputs, 0, floats))
            return []

        self.b.loop(count, [], once)

    def _advance(self, place: _Place, count: Number, outputs: int, columns: int, floats: int) -> _Place:
        return _Place(
            self.b.add(place.output, self.b.mul(count, outputs)),
            self.b.add(place.source, self.b.mul(count, columns)),
            self.b.at(place.weights, self.b.mul(count, 4 * floats)),
        )

    def store_block(self, block: Block, place: _Place) -> None:
        for index, row in enumerate(self.block(block, place)):
            self.k.write(self.step, self.b.add(place.output, index), row)

    # -- one block -------------------------------------------------------------------

    def block(self, block: Block, place: _Place) -> list[list[Value]]:
        """The accumulators [output of the block][vector] after all taps."""
        totals = self.starts(block, place)
        weights = self.b.at(place.weights, 4 * self.layout.start_floats(block))
        if not self.op.kernel_size > 1:
            return self.tap(block, place, None, weights, totals)
        pointer = self.oldest_tap(place)
        tap_bytes = 4 * self.layout.tap_floats(block)
        if self.layout.share_taps:
            shared = SharedTaps(self.k, self.layout, block, pointer, self._memory().row_bytes, weights)
            one_frame = self.b.lanes == 1
            return shared.windowed(partial(self.tap, block, place), totals) if one_frame else shared.skewed(totals)
        if self.aligned:
            row = self.k.row(self._memory(), place.source)
            for index in range(self.op.kernel_size):
                at = _AlignedTap(row, self.op.dilation * (self.op.kernel_size - 1 - index))
                totals = self.tap(block, place, at, self.b.at(weights, index * tap_bytes), totals)
            return totals
        if not self.layout.roll_taps:
            at = self.b.opaque(pointer, pinned=False)
            for index in range(self.op.kernel_size):
                totals = self.tap(block, place, at, self.b.at(weights, index * tap_bytes), totals)
                at = self.b.opaque(self.b.at(at, self.dilation), pinned=False)
            return totals

        def once(_: Value, carried: list[Value]) -> list[Value]:
            at, w, *flat = carried
            result = self.tap(block, place, at, w, unflatten(flat, len(self.vectors)))
            following = [self.b.at(at, self.dilation), self.b.at(w, tap_bytes)]
            return [*following, *flatten(result)]

        final = self.b.loop(self.op.kernel_size, [pointer, weights, *flatten(totals)], once)
        return unflatten(final[2:], len(self.vectors))

    def oldest_tap(self, place: _Place) -> Value:
        """Address of the first source row of the block, at the oldest tap of the tile's first frame."""
        source = self._memory()
        past = self.b.mul(self.dilation, -(self.op.kernel_size - 1))
        return self.b.at(self.k.row(source, place.source), past)

    def _memory(self) -> Memory:
        if not isinstance(self.source, Memory):
            raise InternalError("a convolution with history reads registers")
        return self.source

    def starts(self, block: Block, place: _Place) -> list[list[Value]]:
        outputs = range(block.outputs)
        if self.op.start is Start.BIAS:
            reader = WeightReader(self.b, place.weights, self.layout.lanes_of_weights)
            biases = [reader.get(index) for index in outputs]
            return [[bias for _ in self.vectors] for bias in biases]
        if self.start is not None:
            return [self.k.read(self.start, self.b.add(place.output, index)) for index in outputs]
        return [[self.k.negative_zero() for _ in self.vectors] for _ in outputs]

    def tap(
        self, block: Block, place: _Place, pointer: TapPointer, weights: Value, totals: list[list[Value]]
    ) -> list[list[Value]]:
        """All columns of one tap.  ``pointer``: the block's source rows at this tap; None reads the operand."""
        if not self.layout.roll_columns:
            reader = WeightReader(self.b, weights, self.layout.lanes_of_weights)
            for column in range(self.op.columns):
                first = column * self.layout.column_floats(block)
                totals = self.column(block, place, pointer, column, reader, first, totals)
            return totals
        column_bytes = 4 * self.layout.column_floats(block)

        def once(column: Value, carried: list[Value]) -> list[Value]:
            w, *flat = carried
            reader = WeightReader(self.b, w, self.layout.lanes_of_weights)
            result = self.column(block, place, pointer, column, reader, 0, unflatten(flat, len(self.vectors)))
            return [self.b.at(w, column_bytes), *flatten(result)]

        final = self.b.loop(self.op.columns, [weights, *flatten(totals)], once)
        return unflatten(final[1:], len(self.vectors))

    def column(
        self,
        block: Block,
        place: _Place,
        pointer: TapPointer,
        column: Number,
        reader: WeightReader,
        first: int,
        totals: list[list[Value]],
    ) -> list[list[Value]]:
        """One multiply-accumulate per output of the block and vector of the tile."""
        if self.k.shape.schedule.weight_route is WeightRoute.SCALAR:
            return self.column_in_order(block, place, pointer, column, reader, first, totals)
        result: list[list[Value]] = []
        for group in range(block.groups):
            channel = self.b.add(group * self.op.columns, column)
            x = self.read_source(place, pointer, channel)
            for row in range(block.rows):
                index = group * block.rows + row
                w = reader.get(first + index)
                result.append([self.k.math.mac(w, x[v], totals[index][v]) for v in self.vectors])
        return result

    def column_in_order(
        self,
        block: Block,
        place: _Place,
        pointer: TapPointer,
        column: Number,
        reader: WeightReader,
        first: int,
        totals: list[list[Value]],
    ) -> list[list[Value]]:
        """The same for a machine that issues in the order we write.

        Weights first, then frame by frame; a frame is loaded before the arithmetic of the one before it, and
        an unfused product is added ``_PRODUCT_DELAY`` products later, so nothing waits for its operand.
        """
        result = [list(row) for row in totals]
        products: list[tuple[int, int, Value]] = []

        def accumulate(most_waiting: int) -> None:
            while len(products) > most_waiting:
                index, v, product = products.pop(0)
                result[index][v] = self.k.math.add(product, result[index][v])

        for group in range(block.groups):
            channel = self.b.add(group * self.op.columns, column)
            rows = range(group * block.rows, (group + 1) * block.rows)
            following = self.read_source_vector(place, pointer, channel, 0)
            weights = [reader.get(first + index) for index in rows]
            for v in self.vectors:
                x = following
                if v + 1 < len(self.vectors):
                    following = self.read_source_vector(place, pointer, channel, v + 1)
                for index, w in zip(rows, weights, strict=True):
                    if self.k.shape.contract.mac == "fused":
                        result[index][v] = self.k.math.mac(w, x, result[index][v])
                    else:
                        products.append((index, v, self.k.math.mul(w, x)))
                        accumulate(_PRODUCT_DELAY)
        accumulate(0)
        return result

    def read_source_vector(self, place: _Place, pointer: TapPointer, channel: Number, v: int) -> Value:
        if isinstance(pointer, SampleWindow):
            if not isinstance(channel, int):
                raise InternalError("shared taps were looped over")
            return pointer.read(channel, v)
        if pointer is None:
            if not isinstance(self.source, Memory):
                return self.k.read(self.source, self.b.add(place.source, channel))[v]
            row = self.k.row(self.source, self.b.add(place.source, channel))
        else:
            row = self.b.at(pointer, self.b.mul(self._memory().row_bytes, channel))
        return self.b.load(self.b.at(row, 4 * v * self.b.lanes), self.b.vector)

    def read_source(self, place: _Place, pointer: TapPointer, channel: Number) -> list[Value]:
        if pointer is None:
            return self.k.read(self.source, self.b.add(place.source, channel))
        offset = self.b.mul(self._memory().row_bytes, channel)
        if isinstance(pointer, _AlignedTap):
            row = self.b.at(pointer.pointer, offset)
            return [self.read_aligned(row, v * self.b.lanes - pointer.past) for v in self.vectors]
        return self.k.read_row(self.b.at(pointer, offset))

    def read_aligned(self, row: Value, frame: int) -> Value:
        """A vector from ``frame`` of a tile's row on; cut out of two where it would straddle vectors of the tile."""
        lanes, ahead = self.b.lanes, frame % self.b.lanes
        if ahead == 0 or frame + lanes <= 0:
            return self.b.load(self.b.at(row, 4 * frame), self.b.vector)
        return self.b.splice([self.b.at(row, 4 * (frame - ahead + at)) for at in (0, lanes)], ahead)
