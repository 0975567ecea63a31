"""Where a fused layer becomes instructions: one function per kernel shape.

The function walks its frames tile by tile (``lanes * tile_vectors`` frames at a time; the last tile
may run past ``n``, rows have room for it) and evaluates its steps in order.  A step's value is either
in registers, one list of vectors per channel, or in memory rows.  Lanes are frames, so each lane runs
the contract's scalar order and no tile size can change a bit.
"""

from __future__ import annotations

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.convolution import emit_convolution
from schedc.backends.llvm.pointwise import evaluate_pointwise
from schedc.backends.llvm.tile_function import TileFunction
from schedc.backends.llvm.tile_values import Memory, Registers, TileValue
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import Step
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Pointwise, Slice


class KernelEmitter(TileFunction):
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

        self.b.loop(self.frames, [], tile, self.shape.schedule.tile_frames)
        self.b.ir.ret_void()

    # -- steps ---------------------------------------------------------------------

    def _step(self, step: Step) -> TileValue:
        match step.op:
            case Conv():
                return emit_convolution(self, step)
            case Slice():
                return self._slice(step, step.op)
            case _ if isinstance(step.op, Pointwise):
                return self._pointwise(step)
            case _:
                raise InternalError(f"no lowering for {step.op}")

    def _slice(self, step: Step, op: Slice) -> TileValue:
        """A view; copied only where it crosses into another kernel."""
        source = self.operand(step.operands[0])
        if isinstance(source, Registers):
            view: TileValue = Registers(source.all_rows()[op.begin : op.end])
        else:
            view = Memory(source.row(self.b, op.begin), source.row_bytes, source.element)
        if step.stores:
            rolled = isinstance(view, Memory)
            self.each_channel(op.out_channels, rolled, lambda c: self.write(step, c, self.read(view, c)))
        return view

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
