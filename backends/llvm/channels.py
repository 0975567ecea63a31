"""Kernels whose vectors hold channels: a tile is a few frames, and a value so many vectors of channels for each.

The steps are those of :mod:`schedc.backends.llvm.kernels`, and every output sums in the same order: its start, then
tap by tap (oldest first), column by column, a vector of weights times one sample.  Samples are broadcast from memory,
where streams lie planar or interleaved, or taken as lanes of a vector where instructions can.  Lanes beyond a
stream's last channel hold what nothing reads; only what is interleaved, or tile scratch, has room for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from llvmlite import ir

from schedc.analysis.channel_axis import reads_lanes
from schedc.backends.kernel_shape import KernelShape, Operand, Step
from schedc.backends.llvm.builder import F32, I32, Number, Value
from schedc.backends.llvm.kernel_function import KernelFunction
from schedc.backends.llvm.kernels import evaluate_pointwise
from schedc.backends.llvm.shared_taps import flatten, unflatten
from schedc.backends.llvm.tile_values import Row
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weight_layout import ChannelLayout, channel_layout
from schedc.errors import InternalError
from schedc.ir.ops import Activation, Combine, Conv, Scale, Slice, Start
from schedc.schedule import WeightRoute

# Vectors that an element-wise step is written across for machines that issue in order: more of them run out of
# registers in the middle of a tanh.
_TOGETHER = 4
# Columns whose loads LLVM may move about: its scheduler would begin with all of a kernel's and run out of registers.
_AHEAD = 4


@dataclass(frozen=True)
class Frames:
    """A stream in memory: where channel 0 of the tile's first frame is, bytes to the next channel and frame."""

    pointer: Value
    channels: int
    channel_bytes: Number
    frame_bytes: int

    @property
    def is_interleaved(self) -> bool:
        return self.frame_bytes > 4


@dataclass(frozen=True)
class ChannelValue:
    """A step's value: ``rows``, for each vector of channels its frames, in registers; or in memory; or both."""

    rows: Sequence[Row] | None
    memory: Frames | None


class ChannelEmitter(KernelFunction):
    """Emits one kernel function into a module."""

    def __init__(self, function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
        super().__init__(function, shape, pointer_bits)
        self.tile = range(shape.schedule.tile_vectors)
        self.values: list[ChannelValue] = []
        self.slots: list[Frames] = []

    def emit(self) -> None:
        """The body: a loop over tiles, the steps inside."""
        entry_weights = self.weights

        def tile(frame: Value, _: list[Value]) -> list[Value]:
            self.weights = self.b.opaque(entry_weights)
            self.slots = []
            for slot, base, row_bytes in zip(self.shape.slots, self.bases, self.row_bytes, strict=True):
                frame_bytes = 4 * slot.frame_floats
                pointer = base if slot.scratch_offset >= 0 else self.b.at(base, self.b.mul(frame, frame_bytes))
                self.slots.append(Frames(pointer, slot.channels, row_bytes, frame_bytes))
            self.values = []
            for step in self.shape.steps:
                self.values.append(self._step(step))
            return []

        self.b.loop(self.frames, [], tile, len(self.tile))
        self.b.ir.ret_void()

    # -- values --------------------------------------------------------------------

    def value(self, operand: Operand) -> ChannelValue:
        if operand.kind == "step":
            return self.values[operand.index]
        return ChannelValue(None, self.slots[operand.index])

    def read(self, value: ChannelValue, index: Number, count: int) -> Row:
        """One vector of channels, all frames; ``count`` of its lanes are channels."""
        if value.rows is not None:
            if not isinstance(index, int):
                raise InternalError("a register stream was indexed in a loop")
            return value.rows[index]
        memory = in_memory(value)
        return tuple(self._load(memory, index, count, frame) for frame in self.tile)

    def _load(self, memory: Frames, index: Number, count: int, frame: int) -> Value:
        b = self.b
        pointer = b.at(memory.pointer, frame * memory.frame_bytes)
        first = b.mul(index, b.lanes)
        if memory.is_interleaved:
            return b.load(b.at(pointer, b.mul(first, 4)), b.vector)
        vector: Value = ir.Constant(b.vector, None)
        for lane in range(count):
            at = b.at(pointer, b.mul(b.add(first, lane), memory.channel_bytes))
            vector = b.ir.insert_element(vector, b.load(at, F32), I32(lane))
        return vector

    def write(self, step: Step, index: Number, count: int, row: Row) -> None:
        """Store one vector of channels of a step's result, all frames, to all its slots."""
        for slot in step.stores:
            for frame in self.tile:
                self._store(self.slots[slot], index, count, frame, row[frame])

    def _store(self, memory: Frames, index: Number, count: int, frame: int, vector: Value) -> None:
        b = self.b
        pointer = b.at(memory.pointer, frame * memory.frame_bytes)
        first = b.mul(index, b.lanes)
        if memory.is_interleaved:
            b.store(vector, b.at(pointer, b.mul(first, 4)))
            return
        words = b.ir.bitcast(vector, ir.VectorType(I32, b.lanes))  # moved only: no float unit of single floats
        for lane in range(count):
            at = b.at(pointer, b.mul(b.add(first, lane), memory.channel_bytes))
            b.store(b.ir.extract_element(words, I32(lane)), at)

    def each_vector(self, channels: int, rolled: bool, body: Callable[[Number, int], None]) -> None:
        """``body(index, channels in it)`` for every vector; whole ones in a loop if ``rolled``."""
        lanes = self.b.lanes
        whole, rest = divmod(channels, lanes)

        def once(index: Value, _: list[Value]) -> list[Value]:
            body(index, lanes)
            return []

        if rolled and whole > 1:
            self.b.loop(whole, [], once)
        else:
            for index in range(whole):
                body(index, lanes)
        if rest:
            body(whole, rest)

    # -- steps ---------------------------------------------------------------------

    def _step(self, step: Step) -> ChannelValue:
        match step.op:
            case Conv():
                return self._convolution(step, step.op)
            case Slice():
                return self._slice(step, step.op)
            case Combine() | Activation() | Scale():
                return self._pointwise(step)
            case _:
                raise InternalError(f"no lowering for {step.op} with channels across lanes")

    def result(self, step: Step, rows: Sequence[Row]) -> ChannelValue:
        """What later steps read: registers unless the step is wide, and where it was stored."""
        memory = self.slots[step.stores[0]] if step.stores else None
        return ChannelValue(None if step.wide else rows, memory)

    def _convolution(self, step: Step, op: Conv) -> ChannelValue:
        emitter = _Convolution(self, step, op)
        if step.wide:
            emitter.rolled()
            return self.result(step, [])
        return self.result(step, emitter.unrolled())

    def _slice(self, step: Step, op: Slice) -> ChannelValue:
        """A view; copied only where it crosses into another kernel."""
        source, b = self.value(step.operands[0]), self.b
        rows, memory = None, source.memory
        if source.rows is not None:
            rows = source.rows[op.begin // b.lanes : -(-op.end // b.lanes)]
        if memory is not None:
            pointer = b.at(memory.pointer, b.mul(memory.channel_bytes, op.begin))
            memory = Frames(pointer, op.out_channels, memory.channel_bytes, memory.frame_bytes)
        view = ChannelValue(rows, memory)
        if step.stores:
            self.each_vector(
                op.out_channels, rows is None, lambda i, count: self.write(step, i, count, self.read(view, i, count))
            )
        return view

    def _pointwise(self, step: Step) -> ChannelValue:
        operands = [self.value(operand) for operand in step.operands]
        channels = step.op.out_channels
        if step.wide:

            def body(index: Number, count: int) -> None:
                inputs = [self.read(operand, index, count) for operand in operands]
                parameters = self._parameters(step, index)
                self.write(step, index, count, self._apply(step, inputs, [self._same(p) for p in parameters]))

            self.each_vector(channels, True, body)
            return self.result(step, [])
        return self.result(step, self._pointwise_unrolled(step, operands, channels))

    def _pointwise_unrolled(self, step: Step, operands: Sequence[ChannelValue], channels: int) -> list[Row]:
        """All vectors side by side, then stored."""
        inputs: list[list[Value]] = [[] for _ in operands]
        parameters: list[list[Value]] = []
        counts: list[int] = []

        def gather(index: Number, count: int) -> None:
            for values, operand in zip(inputs, operands, strict=True):
                values += self.read(operand, index, count)
            found = self._parameters(step, index)
            if not parameters:
                parameters.extend([] for _ in found)
            for values, parameter in zip(parameters, found, strict=True):
                values += self._same(parameter)
            counts.append(count)

        self.each_vector(channels, False, gather)
        flat = self._apply(step, [tuple(v) for v in inputs], [tuple(v) for v in parameters])
        rows = [tuple(row) for row in unflatten(flat, len(self.tile))]
        for index, (count, row) in enumerate(zip(counts, rows, strict=True)):
            self.write(step, index, count, row)
        return rows

    def _same(self, value: Value) -> Row:
        return (value,) * len(self.tile)

    def _apply(self, step: Step, x: Sequence[Row], parameters: Sequence[Row]) -> Row:
        """An element-wise step on as many vectors as each operand has."""
        if not self.shape.schedule.interleave:
            count = len(x[0])
            single = [([o[k] for o in x], [p[k] for p in parameters]) for k in range(count)]
            return tuple(evaluate_pointwise(self.math, step.op, *values) for values in single)
        result: Row = ()
        for begin in range(0, len(x[0]), _TOGETHER):
            some = slice(begin, begin + _TOGETHER)
            math = InterleavedMath(self.math, len(x[0][some]))
            result += evaluate_pointwise(math, step.op, [o[some] for o in x], [p[some] for p in parameters])
        return result

    def _parameters(self, step: Step, index: Number) -> list[Value]:
        """A scale's factor, an activation's limits as splats; its slopes for the channels of a vector."""
        b, result = self.b, []
        for name, (count,) in step.op.parameters().items():
            if name == "slope" and count > 1:
                at = b.mul(b.add(step.offset(name), b.mul(index, b.lanes)), 4)
                result.append(b.load(b.at(self.weights, at), b.vector))
            else:
                result += [self.weight(step.offset(name) + number) for number in range(count)]
        return result


def in_memory(value: ChannelValue) -> Frames:
    if value.memory is None:
        raise InternalError("a stream in registers was read from memory")
    return value.memory


class _Convolution:
    """One convolution inside a tile: sums of a block of vectors of outputs, for each frame."""

    def __init__(self, kernel: ChannelEmitter, step: Step, op: Conv) -> None:
        self.k, self.b, self.step, self.op = kernel, kernel.b, step, op
        self.layout: ChannelLayout = channel_layout(op, kernel.shape.schedule)
        self.source = kernel.value(step.operands[0])
        self.start = kernel.value(step.operands[1]) if op.start is Start.STREAM else None
        self.by_lane = kernel.shape.schedule.weight_route is WeightRoute.LANE
        self.from_registers = reads_lanes(op.in_channels, kernel.shape.schedule)
        self.base = self.b.at(kernel.weights, 4 * step.offset("conv"))
        self.dilation: Number = kernel.dilations[step.dilation] if step.dilation >= 0 else 0

    # -- blocks ----------------------------------------------------------------------

    def unrolled(self) -> list[Row]:
        """All vectors of outputs, block by block, stored too."""
        rows: list[Row] = []
        weights = self.base
        for first, vectors in self.layout.blocks:
            rows += self.store_block(first, self.counts(first, vectors), weights)
            weights = self.b.at(weights, 4 * self.layout.block_floats(vectors))
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
            weights = self.b.at(weights, 4 * floats * len(blocks))

    def _loop_blocks(self, first: int, blocks: int, counts: tuple[int, ...], weights: Value) -> None:
        floats = self.layout.block_floats(len(counts))

        def once(index: Value, _: list[Value]) -> list[Value]:
            vector = self.b.add(first, self.b.mul(index, len(counts)))
            self.store_block(vector, counts, self.b.at(weights, self.b.mul(index, 4 * floats)))
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
        weights = self.b.at(weights, 4 * self.layout.start_floats(len(counts)))
        if self.op.kernel_size == 1:
            return self.tap(None, weights, totals)
        past = self.b.mul(self.dilation, -(self.op.kernel_size - 1))
        pointer = self.b.at(in_memory(self.source).pointer, past)
        tap_bytes = 4 * self.layout.tap_floats(len(counts))
        if self.layout.roll_taps:
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
        return self.b.at(weights, 4 * self.b.lanes * number)

    def tap(self, pointer: Value | None, weights: Value, totals: list[list[Value]]) -> list[list[Value]]:
        """All columns of one tap.  ``pointer``: the source's first channel at this tap; None: a 1x1's operand."""
        column_bytes = 4 * self.layout.column_floats(len(totals))
        if not self.layout.roll_columns:
            sample = self.samples(pointer)
            for column in range(self.op.columns):
                if column % _AHEAD == 0:
                    weights = self.b.opaque(weights)
                totals = self.column(sample, column, self.b.at(weights, column * column_bytes), totals)
            return totals

        def once(column: Value, carried: list[Value]) -> list[Value]:
            w, *flat = carried
            result = self.column(self.scalars(pointer), column, w, unflatten(flat, len(self.k.tile)))
            return [self.b.at(w, column_bytes), *flatten(result)]

        final = self.b.loop(self.op.columns, [weights, *flatten(totals)], once)
        return unflatten(final[1:], len(self.k.tile))

    def column(
        self, sample: Callable[[Number, int], Value], column: Number, weights: Value, totals: list[list[Value]]
    ) -> list[list[Value]]:
        """One multiply-accumulate per vector of the block and frame of the tile.

        Of weights and samples the fewer are held, and the others fetched one by one.
        """
        mac, result = self.k.math.mac, [list(row) for row in totals]

        def weight(number: int) -> Value:
            return self.b.load(self._vector(weights, number), self.b.vector)

        if len(totals) < len(self.k.tile):
            held = [weight(number) for number in range(len(totals))]
            for frame in self.k.tile:
                x = sample(column, frame)
                for row, w in zip(result, held, strict=True):
                    row[frame] = mac(w, x, row[frame])
            return result
        samples = [sample(column, frame) for frame in self.k.tile]
        for number, row in enumerate(result):
            w = weight(number)
            for frame, x in enumerate(samples):
                row[frame] = mac(w, x, row[frame])
        return result

    # -- samples ---------------------------------------------------------------------

    def samples(self, pointer: Value | None) -> Callable[[Number, int], Value]:
        """What makes the splat of a column's sample at a frame."""
        rows = self.source.rows if pointer is None else None
        if self.from_registers if rows is not None else self.by_lane and in_memory(self.source).is_interleaved:
            return self.lanes(pointer, rows)
        return self.scalars(pointer)

    def scalars(self, pointer: Value | None) -> Callable[[Number, int], Value]:
        """From memory, one by one."""
        memory, b = in_memory(self.source), self.b
        first = memory.pointer if pointer is None else pointer

        def sample(column: Number, frame: int) -> Value:
            at = b.at(b.at(first, b.mul(memory.channel_bytes, column)), frame * memory.frame_bytes)
            return b.splat(b.load(at, F32))

        return sample

    def lanes(self, pointer: Value | None, rows: Sequence[Row] | None) -> Callable[[Number, int], Value]:
        """As lanes of vectors of channels, which are in registers or loaded once."""
        b, loaded = self.b, dict[tuple[int, int], Value]()

        def vector(index: int, frame: int) -> Value:
            if rows is not None:
                return rows[index][frame]
            if (index, frame) not in loaded:
                memory = in_memory(self.source)
                first = memory.pointer if pointer is None else pointer
                at = b.at(first, frame * memory.frame_bytes + 4 * b.lanes * index)
                loaded[index, frame] = b.load(at, b.vector)
            return loaded[index, frame]

        def sample(column: Number, frame: int) -> Value:
            if not isinstance(column, int):
                raise InternalError("a lane was indexed in a loop")
            index, lane = divmod(column, b.lanes)
            return b.shuffle(vector(index, frame), [lane] * b.lanes)

        return sample
