"""Support functions of a module: rewinding rings, filling them with silence, copying blocks, taking samples in.

They are emitted once per module and called by the stage functions.  Copies of single floats go
through integers, so that no scalar floating-point unit is touched.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from schedc.backends.llvm.builder import I32, PTR, VOID, Builder, Value, internal_function, llvm_type
from schedc.ir.elements import FLOAT32

# rewind(rows, channels, row_bytes, distance, history): in each row move ``history`` floats down to the
# row's start from ``distance`` bytes above it.
# fill(row, channels, row_bytes, count, source): in each row write the channel's float of ``source``
# ``count`` times, a whole number of chunks.
# copy(target, target_row_bytes, source, source_row_bytes, channels, count): copy ``count`` floats a row.
# copy_finite: the same arguments; what is NaN or infinite becomes 0.

_EXPONENT = 0x7F800000  # all ones in NaN and infinity


class SupportFunctions:
    """Creates each support function on first use."""

    def __init__(self, module: ir.Module, pointer_bits: int, lanes: int) -> None:
        self._module, self._bits, self._lanes = module, pointer_bits, lanes
        self._native = ir.IntType(pointer_bits)
        # Without a vector unit eight words at a time, which become multiple loads and stores.
        self.chunk_frames = max(lanes, 8 if lanes == 1 else 4)
        self._chunk = ir.VectorType(I32 if lanes == 1 else llvm_type(FLOAT32), self.chunk_frames)
        self._made: dict[str, ir.Function] = {}

    def _new(self, name: str, arguments: list[ir.Type]) -> tuple[ir.Function, Builder, list[Value]]:
        function = internal_function(self._module, ir.FunctionType(VOID, arguments), name)
        self._made[name] = function
        return function, Builder(function, self._bits, self._lanes), list(function.args)

    @property
    def rewind(self) -> ir.Function:
        if "rewind" in self._made:
            return self._made["rewind"]
        n = self._native
        function, b, (rows, channels, row_bytes, distance, history) = self._new("rewind", [PTR, n, n, n, n])

        def channel(_: Value, carried: list[Value]) -> list[Value]:
            (row,) = carried
            source = b.at(row, distance)

            def chunk(frame: Value, _: list[Value]) -> list[Value]:
                # Whole vectors, upwards: the target lies below the source, so nothing is
                # overwritten before it is read.
                offset = b.items(frame)
                b.store(b.load(b.at(source, offset), self._chunk), b.at(row, offset))
                return []

            b.loop(history, [], chunk, self.chunk_frames)
            return [b.at(row, row_bytes)]

        b.loop(channels, [rows], channel)
        b.ir.ret_void()
        return function

    @property
    def fill(self) -> ir.Function:
        if "fill" in self._made:
            return self._made["fill"]
        n, step = self._native, self.chunk_frames
        function, b, (row, channels, row_bytes, count, source) = self._new("fill", [PTR, n, n, n, PTR])
        pairs, last = b.ir.and_(count, b.number(-2 * step)), b.ir.sub(count, b.number(step))

        def channel(_: Value, carried: list[Value]) -> list[Value]:
            target, value = carried
            chunk = self._repeated(b, b.load(value, self._chunk.element))

            def pair(frame: Value) -> None:
                at = b.item(target, frame)
                b.store(chunk, at)
                b.store(chunk, b.item(at, step))

            b.maybe_loop(pairs, pair, step=2 * step)
            b.store(chunk, b.item(target, last))  # the odd one, or the last one again
            return [b.at(target, row_bytes), b.item(value, 1)]

        b.loop(channels, [row, source], channel)
        b.ir.ret_void()
        return function

    def _repeated(self, b: Builder, value: Value) -> Value:
        """A chunk of the same value."""
        first = b.ir.insert_element(ir.Constant(self._chunk, ir.Undefined), value, I32(0))
        return b.shuffle(first, [0] * self.chunk_frames)

    @property
    def copy(self) -> ir.Function:
        return self._copying("copy", self._chunk, lambda b, bits: bits)

    @property
    def copy_finite(self) -> ir.Function:
        frames = 4 if self._lanes == 1 else self.chunk_frames  # more would need more registers than there are
        return self._copying("copy_finite", ir.VectorType(I32, frames), self._finite)

    @staticmethod
    def _finite(b: Builder, bits: Value) -> Value:
        """By comparison of integers, because NaN is equal to nothing."""
        kind = bits.type
        exponents = ir.Constant(kind, [_EXPONENT] * kind.count if isinstance(kind, ir.VectorType) else _EXPONENT)
        zero = ir.Constant(kind, None)
        return b.ir.select(b.ir.icmp_signed("==", b.ir.and_(bits, exponents), exponents), zero, bits)

    def _copying(self, name: str, chunk: ir.VectorType, passed: Callable[[Builder, Value], Value]) -> ir.Function:
        """``passed``: a chunk, or the bits of a float, to what is stored."""
        if name in self._made:
            return self._made[name]
        n = self._native
        function, b, (target, target_row_bytes, source, source_row_bytes, channels, count) = self._new(
            name, [PTR, n, PTR, n, n, n]
        )
        whole = b.ir.and_(count, b.number(-chunk.count))

        def channel(_: Value, carried: list[Value]) -> list[Value]:
            to, origin = carried

            def vector(frame: Value) -> None:
                offset = b.items(frame)
                b.store(passed(b, b.load(b.at(origin, offset), chunk)), b.at(to, offset))

            def single(frame: Value) -> None:
                offset = b.items(frame)
                b.store(passed(b, b.load(b.at(origin, offset), I32)), b.at(to, offset))

            b.maybe_loop(whole, vector, step=chunk.count)
            b.maybe_loop(count, single, begin=whole)
            return [b.at(to, target_row_bytes), b.at(origin, source_row_bytes)]

        b.loop(channels, [target, source], channel)
        b.ir.ret_void()
        return function
