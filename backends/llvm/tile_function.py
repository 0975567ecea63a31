"""A kernel function with frames across the lanes: how its steps read operands and store results, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.kernel_function import KernelFunction
from schedc.backends.llvm.tile_values import Memory, Registers, TileValue
from schedc.backends.weights.kernel_shape import FromStep, KernelShape, Operand, Step
from schedc.errors import InternalError


class TileFunction(KernelFunction):
    """``values``: of the steps so far, in the tile under way.  ``slots``: where the tile lies in each slot."""

    def __init__(self, function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
        super().__init__(function, shape, pointer_bits)
        self.values: list[TileValue] = []
        self.slots: list[Memory] = []

    def begin_tile(self, frame: Value) -> None:
        """The tile's first frame is number ``frame`` of the call."""
        offsets = {
            element: self.b.mul(frame, element.bytes)
            for element in dict.fromkeys(slot.element for slot in self.shape.slots)
        }
        self.slots = []
        for slot, base, row_bytes in zip(self.shape.slots, self.bases, self.row_bytes, strict=True):
            pointer = base if slot.in_scratch else self.b.at(base, offsets[slot.element])
            self.slots.append(Memory(pointer, row_bytes, slot.element))
        self.values = []

    def operand(self, operand: Operand) -> TileValue:
        """An operand with all its channels computed: it may be read anywhere, loops included."""
        value = self.lazy_operand(operand)
        if isinstance(value, Registers):
            value.all_rows()
        return value

    def lazy_operand(self, operand: Operand) -> TileValue:
        return self.values[operand.index] if isinstance(operand, FromStep) else self.slots[operand.index]

    def memory(self, operand: Operand) -> Memory:
        """An operand that lies in memory, as everything with a past does."""
        value = self.operand(operand)
        if not isinstance(value, Memory):
            raise InternalError("a convolution with history reads registers")
        return value

    def read(self, value: TileValue, channel: Number) -> list[Value]:
        """The tile's vectors of one channel; a channel in registers must be a constant."""
        if isinstance(value, Registers):
            if not isinstance(channel, int):
                raise InternalError("a register stream was indexed in a loop")
            return list(value.row(channel))
        return self.read_row(value.row(self.b, channel))

    def read_row(self, pointer: Value) -> list[Value]:
        """The tile's vectors from an address on."""
        return [self.read_vector(pointer, v) for v in range(self.shape.schedule.tile_vectors)]

    def read_vector(self, pointer: Value, v: int) -> Value:
        """Vector number ``v`` from an address on."""
        return self.b.load(self.b.item(pointer, v * self.b.lanes), self.b.vector)

    def write(self, step: Step, channel: Number, vectors: Sequence[Value]) -> None:
        """Store one channel of a step's result to all its slots."""
        for slot in step.stores:
            self.store_row(self.slots[slot].row(self.b, channel), vectors)

    def store_row(self, pointer: Value, vectors: Sequence[Value]) -> None:
        for v, vector in enumerate(vectors):
            self.b.store(vector, self.b.item(pointer, v * self.b.lanes))

    def each_channel(self, count: int, rolled: bool, body: Callable[[Number], None]) -> None:
        """``body(channel)`` for all, in a loop if ``rolled``."""
        if not rolled:
            for channel in range(count):
                body(channel)
            return

        def once(index: Value, _: list[Value]) -> list[Value]:
            body(index)
            return []

        self.b.loop(count, [], once)
