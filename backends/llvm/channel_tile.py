"""A kernel function with channels across the lanes: how its steps read operands and store results, tile by tile."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from schedc.backends.llvm.builder import I32, Number, Value
from schedc.backends.llvm.kernel_function import KernelFunction
from schedc.backends.llvm.tile_values import ChannelValue, Frames, Row, in_memory
from schedc.backends.weights.kernel_shape import FromStep, KernelShape, Operand, Step
from schedc.errors import InternalError


class ChannelTile(KernelFunction):
    """``tile``: its frames.  ``values``: of the steps so far.  ``slots``: where the tile lies in each slot."""

    def __init__(self, function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
        super().__init__(function, shape, pointer_bits)
        self.tile = range(shape.schedule.tile_vectors)
        self.values: list[ChannelValue] = []
        self.slots: list[Frames] = []

    def begin_tile(self, frame: Value) -> None:
        """The tile's first frame is number ``frame`` of the call."""
        self.slots = []
        for slot, base, row_bytes in zip(self.shape.slots, self.bases, self.row_bytes, strict=True):
            frame_bytes = slot.element.bytes * slot.frame_items
            pointer = base if slot.in_scratch else self.b.at(base, self.b.mul(frame, frame_bytes))
            self.slots.append(Frames(pointer, row_bytes, frame_bytes, slot.element))
        self.values = []

    def value(self, operand: Operand) -> ChannelValue:
        if isinstance(operand, FromStep):
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
            return b.load(b.item(pointer, first), b.vector)
        vector: Value = ir.Constant(b.vector, None)
        for lane in range(count):
            at = b.at(pointer, b.mul(b.add(first, lane), memory.channel_bytes))
            vector = b.ir.insert_element(vector, b.load(at, b.scalar), I32(lane))
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
            b.store(vector, b.item(pointer, first))
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
