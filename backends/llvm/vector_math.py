"""The primitives of :mod:`schedc.ir.functions` as LLVM instructions on one target's vectors.

No constant but zero is ever written into the code: a vector constant would become a constant pool
and a relocation.  Constants come from the kernel's weight segment instead.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from schedc.backends.kernel_shape import float_bits
from schedc.backends.llvm.builder import I32, Builder, Value
from schedc.ir.contract import Contract


class VectorMath:
    """Primitives[Value]; ``load_constant`` gives the splat of a bit pattern as floats."""

    def __init__(self, builder: Builder, contract: Contract, load_constant: Callable[[int], Value]) -> None:
        self._b = builder
        self._fused = contract.mac == "fused"
        self._load_constant = load_constant
        self._integers: ir.Type = ir.VectorType(I32, builder.lanes) if builder.lanes > 1 else I32
        name = f"llvm.fma.v{builder.lanes}f32" if builder.lanes > 1 else "llvm.fma.f32"
        self._fma = name

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
        if not self._fused:
            return self._b.ir.fadd(self._b.ir.fmul(a, b), c)
        module = self._b.function.module
        vector = self._b.vector
        function = module.globals.get(self._fma) or ir.Function(
            module, ir.FunctionType(vector, [vector] * 3), self._fma
        )
        return self._b.ir.call(function, [a, b, c])

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
        return ir.Constant(self._integers, [I32(count)] * self._b.lanes)

    def shift_left(self, a: Value, count: int) -> Value:
        return self._float(self._b.ir.shl(self._integer(a), self._counts(count)))

    def shift_right(self, a: Value, count: int) -> Value:
        return self._float(self._b.ir.ashr(self._integer(a), self._counts(count)))
