"""The primitives of :mod:`schedc.ir.primitives` as LLVM instructions on one target's vectors.

No constant but zero is ever written into the code: a vector constant would become a constant pool
and a relocation.  Constants come from the kernel's weight segment instead.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from schedc.backends.llvm.builder import I32, Builder, Value, lane_numbers
from schedc.backends.weights.constant_table import float_bits
from schedc.ir.contract import Contract
from schedc.targets.instruction_sets import instruction_set


class VectorMath:
    """Primitives[Value]; ``load_constant`` gives the splat of a bit pattern as floats."""

    def __init__(self, builder: Builder, contract: Contract, load_constant: Callable[[int], Value]) -> None:
        self._b = builder
        self.contract = contract
        self.fused = contract.mac == "fused"
        self._load_constant = load_constant
        self._integers: ir.Type = ir.VectorType(I32, builder.lanes) if builder.lanes > 1 else I32

    def flushed(self, value: Value) -> Value:
        """``value``, of which the caller knows that it holds no subnormals where the contract flushes them."""
        return value

    def constant(self, value: float) -> Value:
        return self.bits(float_bits(value))

    def bits(self, value: int) -> Value:
        if value == 0:
            return ir.Constant(self._b.vector, None if self._b.lanes > 1 else 0.0)
        return self._load_constant(value)

    def add(self, a: Value, b: Value) -> Value:
        return self._b.ir.fadd(a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self._b.ir.fsub(a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self._b.ir.fmul(a, b)

    def mac(self, a: Value, b: Value, c: Value) -> Value:
        if not self.fused:
            return self._b.ir.fadd(self._b.ir.fmul(a, b), c)
        return self._intrinsic("llvm.fma", a, b, c)

    def _intrinsic(self, name: str, *operands: Value) -> Value:
        module, vector = self._b.function.module, self._b.vector
        full = f"{name}.v{self._b.lanes}f32" if self._b.lanes > 1 else f"{name}.f32"
        kind = ir.FunctionType(vector, [vector] * len(operands))
        return self._b.ir.call(module.globals.get(full) or ir.Function(module, kind, full), operands)

    def maximum(self, a: Value, b: Value) -> Value:
        """The form that is one instruction on each machine: MAXPS, VMAX (ARMv7 NEON), VMAXNM, FMAXNM.  The scalar unit
        of ARMv7 has none and compares."""
        intrinsic = instruction_set(self._b.function.module.triple).maximum
        return self._intrinsic(intrinsic, a, b) if intrinsic else self.where_greater(a, b, a, b)

    def div(self, a: Value, b: Value) -> Value:
        return self._b.ir.fdiv(a, b)

    def where_greater(self, a: Value, b: Value, yes: Value, no: Value) -> Value:
        return self._b.ir.select(self._b.ir.fcmp_ordered(">", a, b), yes, no)

    def _integer(self, a: Value) -> Value:
        return self._b.ir.bitcast(a, self._integers)

    def _float(self, a: Value) -> Value:
        return self._b.ir.bitcast(a, self._b.vector)

    def bits_and(self, a: Value, b: Value) -> Value:
        return self._float(self._b.ir.and_(self._integer(a), self._integer(b)))

    def bits_or(self, a: Value, b: Value) -> Value:
        return self._float(self._b.ir.or_(self._integer(a), self._integer(b)))

    def bits_add(self, a: Value, b: Value) -> Value:
        return self._float(self._b.ir.add(self._integer(a), self._integer(b)))

    def bits_sub(self, a: Value, b: Value) -> Value:
        return self._float(self._b.ir.sub(self._integer(a), self._integer(b)))

    def _counts(self, count: int) -> Value:
        if self._b.lanes == 1:
            return I32(count)
        return lane_numbers((count,) * self._b.lanes)

    def shift_left(self, a: Value, count: int) -> Value:
        return self._float(self._b.ir.shl(self._integer(a), self._counts(count)))

    def shift_right(self, a: Value, count: int) -> Value:
        return self._float(self._b.ir.ashr(self._integer(a), self._counts(count)))


class InterleavedMath:
    """The same primitives on several vectors at once: each step for all vectors, then the next step.

    A definition evaluated with it leaves the distance between dependent instructions that an in-order
    machine needs; V is a tuple of vectors.
    """

    def __init__(self, math: VectorMath, count: int) -> None:
        self._math, self._count = math, count
        self.contract = math.contract

    def same(self, value: Value) -> tuple[Value, ...]:
        """One value for all vectors."""
        return (value,) * self._count

    def constant(self, value: float) -> tuple[Value, ...]:
        return self.same(self._math.constant(value))

    def bits(self, value: int) -> tuple[Value, ...]:
        return self.same(self._math.bits(value))

    def _each(self, operation: Callable[..., Value], *operands: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(operation(*values) for values in zip(*operands, strict=True))

    def add(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.add, a, b)

    def sub(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.sub, a, b)

    def mul(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.mul, a, b)

    def mac(self, a: tuple[Value, ...], b: tuple[Value, ...], c: tuple[Value, ...]) -> tuple[Value, ...]:
        if self._math.fused:
            return self._each(self._math.mac, a, b, c)
        return self.add(self.mul(a, b), c)

    def div(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.div, a, b)

    def where_greater(
        self, a: tuple[Value, ...], b: tuple[Value, ...], yes: tuple[Value, ...], no: tuple[Value, ...]
    ) -> tuple[Value, ...]:
        return self._each(self._math.where_greater, a, b, yes, no)

    def maximum(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.maximum, a, b)

    def bits_and(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.bits_and, a, b)

    def bits_or(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.bits_or, a, b)

    def bits_add(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.bits_add, a, b)

    def bits_sub(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> tuple[Value, ...]:
        return self._each(self._math.bits_sub, a, b)

    def shift_left(self, a: tuple[Value, ...], count: int) -> tuple[Value, ...]:
        return tuple(self._math.shift_left(value, count) for value in a)

    def shift_right(self, a: tuple[Value, ...], count: int) -> tuple[Value, ...]:
        return tuple(self._math.shift_right(value, count) for value in a)
