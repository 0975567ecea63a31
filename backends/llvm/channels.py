"""Kernels whose vectors hold channels: a tile is a few frames, and a value so many vectors of channels for each.

The steps are those of :mod:`schedc.backends.llvm.kernels`, and every output sums in the same order: its start, then
tap by tap (oldest first), column by column, a vector of weights times one sample.  Samples are broadcast from memory,
where streams lie planar or interleaved, or taken as lanes of a vector where instructions can.  Lanes beyond a
stream's last channel hold what nothing reads; only what is interleaved, or tile scratch, has room for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.channel_convolution import ChannelConvolution
from schedc.backends.llvm.channel_tile import ChannelTile
from schedc.backends.llvm.pointwise import evaluate_pointwise
from schedc.backends.llvm.tap_block import unflatten
from schedc.backends.llvm.tile_values import ChannelValue, Frames, Row
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import Step
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Pointwise, Slice
from schedc.loops.channel_axis import TOGETHER


class ChannelEmitter(ChannelTile):
    """Emits one kernel function into a module."""

    def emit(self) -> None:
        """The body: a loop over tiles, the steps inside."""
        entry_weights = self.weights

        def tile(frame: Value, _: list[Value]) -> list[Value]:
            self.weights = self.b.opaque(entry_weights)
            self.begin_tile(frame)
            for step in self.shape.steps:
                self.values.append(self._step(step))
            return []

        self.b.loop(self.frames, [], tile, len(self.tile))
        self.b.ir.ret_void()

    # -- steps ---------------------------------------------------------------------

    def _step(self, step: Step) -> ChannelValue:
        match step.op:
            case Conv():
                return self._convolution(step, step.op)
            case Slice():
                return self._slice(step, step.op)
            case _ if isinstance(step.op, Pointwise):
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
            memory = Frames(pointer, memory.channel_bytes, memory.frame_bytes, memory.element)
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
                at = b.add(step.offset(name), b.mul(index, b.lanes))
                result.append(b.load(b.item(self.weights, at), b.vector))
            else:
                result += [self.weight(step.offset(name) + number) for number in range(count)]
        return result
