"""Kernels whose vectors hold channels: a tile is a few frames, and a value so many vectors of channels for each.

The steps are those of :mod:`schedc.backends.llvm.kernels`, and every output sums in the same order: its start, then
tap by tap (oldest first), column by column, a vector of weights times one sample.  Samples are broadcast from memory,
where streams lie planar or interleaved, or taken as lanes of a vector where instructions can.  Lanes beyond a
stream's last channel hold what nothing reads; only what is interleaved, or tile scratch, has room for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import F32, I32, Number, Value
from schedc.backends.llvm.channel_convolution import ChannelConvolution
from schedc.backends.llvm.kernel_function import KernelFunction
from schedc.backends.llvm.kernels import evaluate_pointwise
from schedc.backends.llvm.shared_taps import unflatten
from schedc.backends.llvm.tile_values import ChannelValue, Frames, Row, in_memory
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import KernelShape, Operand, Step
from schedc.errors import InternalError
from schedc.ir.ops import Activation, Combine, Conv, Scale, Slice
from schedc.loops.channel_axis import TOGETHER


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
                self.slots.append(Frames(pointer, row_bytes, frame_bytes))
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
        emitter = ChannelConvolution(self, step, op)
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
            memory = Frames(pointer, memory.channel_bytes, memory.frame_bytes)
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
        for begin in range(0, len(x[0]), TOGETHER):
            some = slice(begin, begin + TOGETHER)
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
