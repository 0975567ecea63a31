"""A thin layer over llvmlite's IR builder: byte addressing, loops, vectors, opaque values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from llvmlite import ir

from schedc.errors import InternalError
from schedc.ir.elements import FLOAT32, ElementType

PTR = ir.PointerType()
I8, I32 = ir.IntType(8), ir.IntType(32)
VOID = ir.VoidType()
_LLVM_TYPES = {FLOAT32: ir.FloatType()}

Value: TypeAlias = ir.Value
Number: TypeAlias = int | Any  # a constant, or a native integer Value computed at run time
S = TypeVar("S")
T = TypeVar("T")


# Constants and inline assembly know no module; each is made, and its text formed, once.


@lru_cache(4096)
def lane_numbers(numbers: tuple[int, ...]) -> Value:
    """<n x i32>"""
    return ir.Constant(ir.VectorType(I32, len(numbers)), [I32(number) for number in numbers])


@lru_cache(64)
def undefined(kind: ir.Type) -> Value:
    return ir.Constant(kind, ir.Undefined)


@lru_cache(4096)
def _integer(bits: int, value: int) -> Value:
    return ir.Constant(ir.IntType(bits), value)


@lru_cache(2)
def _opaque(pinned: bool) -> ir.InlineAsm:
    return ir.InlineAsm(ir.FunctionType(PTR, [PTR]), "", "=r,0", side_effect=pinned)


def internal_function(module: ir.Module, kind: ir.FunctionType, name: str) -> ir.Function:
    """A function of the object's own, without a body yet; it stays a function."""
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    function.attributes.add("noinline")
    return function


def llvm_type(element: ElementType) -> ir.Type:
    return _LLVM_TYPES[element]


class Builder:
    """Emits into one function.  Integers are of the target's pointer width ("native"), vectors of ``element``."""

    def __init__(self, function: ir.Function, pointer_bits: int, lanes: int, element: ElementType = FLOAT32) -> None:
        self.function = function
        self.lanes, self.element = lanes, element
        self.native = ir.IntType(pointer_bits)
        self.scalar: ir.Type = llvm_type(element)
        self.vector: ir.Type = ir.VectorType(self.scalar, lanes) if lanes > 1 else self.scalar
        self.ir = ir.IRBuilder(function.append_basic_block("entry"))

    # -- integers and addresses -------------------------------------------------

    def number(self, value: Number) -> Value:
        return _integer(self.native.width, int(value)) if isinstance(value, int) else value

    def add(self, a: Number, b: Number) -> Number:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if isinstance(a, int) and a == 0 else a
        return self.ir.add(self.number(a), self.number(b))

    def mul(self, a: Number, b: Number) -> Number:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if isinstance(a, int) and a in (0, 1):
            return a and b
        if isinstance(b, int) and b in (0, 1):
            return b and a
        return self.ir.mul(self.number(a), self.number(b))

    def at(self, pointer: Value, offset: Number) -> Value:
        """``pointer`` plus ``offset`` bytes."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.ir.gep(pointer, [self.number(offset)], source_etype=I8)

    def items(self, count: Number) -> Number:
        """The bytes of ``count`` elements."""
        return self.mul(count, self.element.bytes)

    def item(self, pointer: Value, index: Number) -> Value:
        """The address of element number ``index`` from ``pointer`` on."""
        return self.at(pointer, self.items(index))

    def load(self, pointer: Value, kind: ir.Type) -> Value:
        """Of an address that is aligned to an element."""
        loaded = self.ir.load(pointer, typ=kind)
        loaded.align = self.element.bytes
        return loaded

    def store(self, value: Value, pointer: Value) -> None:
        self.ir.store(value, pointer).align = self.element.bytes

    def opaque(self, pointer: Value, pinned: bool = True) -> Value:
        """The same pointer, in a way LLVM cannot see through.

        ``pinned``, inside a loop: without it the loads behind the pointer are hoisted out of the loop,
        run out of registers and come back as stack traffic (docs/machines.md#hoisted-weights).  Not pinned: only
        hides how the pointer was computed, so that a chain of additions stays a chain instead of
        becoming one hoisted address a link.
        """
        return self.ir.call(_opaque(pinned), [pointer])

    # -- vectors ------------------------------------------------------------------

    def splat(self, scalar: Value) -> Value:
        if self.lanes == 1:
            return scalar
        first = self.ir.insert_element(undefined(self.vector), scalar, _integer(32, 0))
        return self.shuffle(first, [0] * self.lanes)

    def shuffle(self, vector: Value, lanes: Sequence[int]) -> Value:
        return self.ir.shuffle_vector(vector, undefined(vector.type), lane_numbers(tuple(lanes)))

    def side_by_side(self, first: Callable[[], T], second: Callable[[], S]) -> tuple[T, S]:
        """What both emit, in turns and in proportion to their lengths; one after the other if either has a loop.

        Neither may use the other's values or touch memory that the other writes.
        """
        block = self.ir.block
        code = block.instructions
        begin = len(code)
        one = first()
        middle = len(code)
        two = second()
        if self.ir.block is not block:
            return one, two
        parts = code[begin:middle], code[middle:]
        turns = [((k + 0.5) / len(part), number, k) for number, part in enumerate(parts) for k in range(len(part))]
        code[begin:] = [parts[number][k] for _, number, k in sorted(turns)]
        return one, two

    def splice(self, pointers: Sequence[Value], begin: int) -> Value:
        """A vector of floats that begins ``begin`` lanes into the first of two vectors in memory.

        Of integers: LLVM knows the one instruction that does it (VALIGND, EXT) for those only.
        """
        integers = ir.VectorType(I32, self.lanes)
        mask = lane_numbers(tuple(range(begin, begin + self.lanes)))
        first, second = (self.load(pointer, integers) for pointer in pointers)
        return self.ir.bitcast(self.ir.shuffle_vector(first, second, mask), self.vector)

    # -- loops --------------------------------------------------------------------

    def loop(
        self,
        end: Number,
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
        step: int = 1,
        begin: Number = 0,
    ) -> list[Value]:
        """for (i = begin; ...; i += step) while i < end, run at least once.

        ``body`` gets i and the carried values and returns the next ones; the last are returned.  That there is a
        first round is checked here where both ends are constants; a number known at run time is the caller's word
        (a call's frames, a ring's channels and history are at least one), else it takes :meth:`maybe_loop`.
        """
        if isinstance(begin, int) and isinstance(end, int) and begin >= end:
            raise InternalError(f"a loop from {begin} to {end} would run once all the same")
        before = self.ir.block
        inside = self.function.append_basic_block("loop")
        after = self.function.append_basic_block("after")
        self.ir.branch(inside)
        self.ir.position_at_end(inside)
        index = self.ir.phi(self.native)
        index.add_incoming(self.number(begin), before)
        phis = [self.ir.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        results = list(body(index, list(phis)))
        following = self.ir.add(index, self.number(step))
        last = self.ir.block
        index.add_incoming(following, last)
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value, last)
        self.ir.cbranch(self.ir.icmp_signed("<", following, self.number(end)), inside, after)
        self.ir.position_at_end(after)
        return results

    def when(self, condition: Value, body: Callable[[], None]) -> ir.Block:
        """if (condition) body(); returns the block that ends the body (for phis)."""
        inside = self.function.append_basic_block("then")
        after = self.function.append_basic_block("after")
        self.ir.cbranch(condition, inside, after)
        self.ir.position_at_end(inside)
        body()
        last = self.ir.block
        self.ir.branch(after)
        self.ir.position_at_end(after)
        return last

    def return_if(self, condition: Value, result: Value) -> None:
        """if (condition) return result;"""
        inside = self.function.append_basic_block("then")
        after = self.function.append_basic_block("after")
        self.ir.cbranch(condition, inside, after)
        self.ir.position_at_end(inside)
        self.ir.ret(result)
        self.ir.position_at_end(after)

    def choose(self, condition: Value, body: Callable[[], Sequence[Value]], otherwise: Sequence[Value]) -> list[Value]:
        """condition ? body() : otherwise; body only runs if it holds."""
        before = self.ir.block
        found: list[Value] = []
        last = self.when(condition, lambda: found.extend(body()))
        phis = [self.ir.phi(value.type) for value in otherwise]
        for phi, value, other in zip(phis, found, otherwise, strict=True):
            phi.add_incoming(value, last)
            phi.add_incoming(other, before)
        return list(phis)

    def maybe_loop(self, end: Value, body: Callable[[Value], None], begin: Number = 0, step: int = 1) -> None:
        """A loop that may run no times and carries nothing."""

        def run() -> None:
            def once(index: Value, _: list[Value]) -> list[Value]:
                body(index)
                return []

            self.loop(end, [], once, step, begin)

        self.when(self.ir.icmp_signed("<", self.number(begin), end), run)
