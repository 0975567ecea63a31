"""Where a fused layer becomes instructions: one function per kernel shape.

The function walks its frames tile by tile (``lanes * tile_vectors`` frames at a time; the last tile
may run past ``n``, rows have room for it) and evaluates its steps in order.  A step's value is either
in registers, one list of vectors per channel, or in memory rows.  Lanes are frames, so each lane runs
the contract's scalar order and no tile size can change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from llvmlite import ir

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.convolution import emit_convolution
from schedc.backends.llvm.kernel_function import KernelFunction
from schedc.backends.llvm.tile_values import Memory, Registers, TileValue
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import KernelShape, Operand, Step
from schedc.errors import InternalError
from schedc.ir.functions import apply_activation
from schedc.ir.ops import Activation, Combine, Conv, Elementwise, Op, Scale, Slice
from schedc.ir.primitives import Primitives


class KernelEmitter(KernelFunction):
    """Emits one kernel function into a module."""

    def __init__(self, function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
        super().__init__(function, shape, pointer_bits)
        self.values: list[TileValue] = []
        self.slots: list[Memory] = []

    def emit(self) -> None:
        """The body: a loop over tiles, the steps inside."""
        entry_weights = self.weights

        def tile(frame: Value, _: list[Value]) -> list[Value]:
            self.weights = self.b.opaque(entry_weights)
            offset = self.b.mul(frame, 4)
            self.slots = [
                Memory(base if slot.scratch_offset >= 0 else self.b.at(base, offset), row_bytes)
                for slot, base, row_bytes in zip(self.shape.slots, self.bases, self.row_bytes, strict=True)
            ]
            self.values = []
            for step in self.shape.steps:
                self.values.append(self._step(step))
            return []

        self.b.loop(self.frames, [], tile, self.shape.schedule.tile_frames)
        self.b.ir.ret_void()

    # -- values --------------------------------------------------------------------

    def operand(self, operand: Operand) -> TileValue:
        """An operand with all its channels computed: it may be read anywhere, loops included."""
        value = self.lazy_operand(operand)
        if isinstance(value, Registers):
            value.all_rows()
        return value

    def lazy_operand(self, operand: Operand) -> TileValue:
        return self.values[operand.index] if operand.kind == "step" else self.slots[operand.index]

    def row(self, memory: Memory, channel: Number) -> Value:
        return self.b.at(memory.pointer, self.b.mul(memory.row_bytes, channel))

    def read(self, value: TileValue, channel: Number) -> list[Value]:
        """The tile's vectors of one channel; a channel in registers must be a constant."""
        if isinstance(value, Registers):
            if not isinstance(channel, int):
                raise InternalError("a register stream was indexed in a loop")
            return list(value.row(channel))
        return self.read_row(self.row(value, channel))

    def read_row(self, pointer: Value) -> list[Value]:
        step = 4 * self.b.lanes
        count = self.shape.schedule.tile_vectors
        return [self.b.load(self.b.at(pointer, v * step), self.b.vector) for v in range(count)]

    def write(self, step: Step, channel: Number, vectors: Sequence[Value]) -> None:
        """Store one channel of a step's result to all its slots."""
        for slot in step.stores:
            pointer = self.row(self.slots[slot], channel)
            for v, vector in enumerate(vectors):
                self.b.store(vector, self.b.at(pointer, v * 4 * self.b.lanes))

    # -- steps ---------------------------------------------------------------------

    def _step(self, step: Step) -> TileValue:
        match step.op:
            case Conv():
                return emit_convolution(self, step)
            case Slice():
                return self._slice(step, step.op)
            case Combine() | Activation() | Scale():
                return self._pointwise(step)
            case _:
                raise InternalError(f"no lowering for {step.op}")

    def _slice(self, step: Step, op: Slice) -> TileValue:
        """A view; copied only where it crosses into another kernel."""
        source = self.operand(step.operands[0])
        if isinstance(source, Registers):
            view: TileValue = Registers(source.all_rows()[op.begin : op.end])
        else:
            view = Memory(self.row(source, op.begin), source.row_bytes)
        if step.stores:
            rolled = isinstance(view, Memory)
            self.each_channel(op.out_channels, rolled, lambda c: self.write(step, c, self.read(view, c)))
        return view

    def each_channel(self, count: int, rolled: bool, body: Callable[[Number], None]) -> None:
        if not rolled:
            for channel in range(count):
                body(channel)
            return

        def once(index: Value, _: list[Value]) -> list[Value]:
            body(index)
            return []

        self.b.loop(count, [], once)

    def _pointwise(self, step: Step) -> TileValue:
        operands = [self.operand(o) if step.wide else self.lazy_operand(o) for o in step.operands]
        kept: list[tuple[Value, ...]] = []

        def channel_body(channel: Number) -> None:
            inputs = [tuple(self.read(operand, channel)) for operand in operands]
            vectors = self._apply(step, channel, inputs)
            self.write(step, channel, vectors)
            if not step.wide:
                kept.append(tuple(vectors))

        self.each_channel(step.op.out_channels, step.wide, channel_body)
        return self.slots[step.stores[0]] if step.wide else Registers(kept)

    def _apply(self, step: Step, channel: Number, x: list[tuple[Value, ...]]) -> tuple[Value, ...]:
        """One channel of the result from the operands' vectors."""
        if self.shape.schedule.interleave:
            math = InterleavedMath(self.math, len(x[0]))
            parameters = [math.same(value) for value in self._parameters(step, channel)]
            return evaluate_pointwise(math, step.op, x, parameters)
        single = self._parameters(step, channel)
        return tuple(evaluate_pointwise(self.math, step.op, list(values), single) for values in zip(*x, strict=True))

    def _parameters(self, step: Step, channel: Number) -> list[Value]:
        """A scale's factor, an activation's slope or limits, as splats."""
        result: list[Value] = []
        for name, (count,) in step.op.parameters().items():
            if name == "slope":
                result.append(self.weight(self.b.add(step.offset(name), channel if count > 1 else 0)))
            else:
                result += [self.weight(step.offset(name) + index) for index in range(count)]
        return result


V = TypeVar("V")


def evaluate_pointwise(p: Primitives[V], op: Op, x: list[V], parameters: list[V]) -> V:
    """An element-wise op on values of any kind."""
    match op:
        case Combine(kind=Elementwise.ADD):
            return p.add(*x)
        case Combine(kind=Elementwise.SUB):
            return p.sub(*x)
        case Combine(kind=Elementwise.MUL):
            return p.mul(*x)
        case Combine(kind=Elementwise.MUL_ADD):
            return p.mac(*x)
        case Scale():
            return p.mul(x[0], parameters[0])
        case Activation(kind=kind):
            return apply_activation(p, kind, x[0], parameters)
        case _:
            raise InternalError(f"{op} is not element-wise")
