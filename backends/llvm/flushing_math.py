"""Primitives of a contract that flushes subnormals, for machines that keep them.

Operands and results are flushed by instructions of their own, tininess judged before rounding, as Arm does it:
the bits of :class:`schedc.backends.arithmetic.Float32`, whatever mode the processor is in.
"""

from __future__ import annotations

from collections.abc import Callable

from schedc.backends.arithmetic import MIN_NORMAL
from schedc.backends.llvm.builder import I32, Builder, Value, lane_numbers
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.weights.constant_table import float_bits
from schedc.ir.contract import Contract

_SIGN, _MAGNITUDE, _MIN_NORMAL = 0x80000000, 0x7FFFFFFF, float_bits(MIN_NORMAL)


class FlushingMath(VectorMath):
    """Primitives[Value]; what arithmetic made is known to be flushed, and not flushed again."""

    def __init__(self, builder: Builder, contract: Contract, load_constant: Callable[[int], Value]) -> None:
        super().__init__(builder, contract, load_constant)
        self._flushed: set[Value] = set()

    def flushed(self, value: Value) -> Value:
        self._flushed.add(value)
        return value

    def constant(self, value: float) -> Value:
        found = super().constant(value)
        return found if 0 < abs(value) < MIN_NORMAL else self.flushed(found)

    def add(self, a: Value, b: Value) -> Value:
        return self._flush(super().add(self._flush(a), self._flush(b)))

    def sub(self, a: Value, b: Value) -> Value:
        return self._flush(super().sub(self._flush(a), self._flush(b)))

    def mul(self, a: Value, b: Value) -> Value:
        """Of magnitudes, which tell by the sign of the remainder whether the product was rounded up to the least
        normal number; a remainder of nothing is positive, one too small to be held keeps its sign.
        """
        b_ir = self._b.ir
        sign = b_ir.and_(b_ir.xor(self._integer(a), self._integer(b)), self._every(_SIGN))
        one, other = (self._magnitude(self._flush(value)) for value in (a, b))
        product = b_ir.fmul(one, other)
        rest = self._intrinsic("llvm.fma", one, other, b_ir.fneg(product))
        size = self._integer(product)
        exceeds = b_ir.lshr(self._integer(rest), self._every(31))
        tiny = b_ir.icmp_unsigned("<", b_ir.sub(size, exceeds), self._every(_MIN_NORMAL))
        kept = b_ir.select(tiny, self._every(0), size)
        return self.flushed(self._float(b_ir.or_(kept, sign)))

    def mac(self, a: Value, b: Value, c: Value) -> Value:
        if not self.fused:
            return self.add(self.mul(a, b), c)
        return self._flush(self._intrinsic("llvm.fma", self._flush(a), self._flush(b), self._flush(c)))

    def maximum(self, a: Value, b: Value) -> Value:
        return self.where_greater(a, b, a, b)

    def where_greater(self, a: Value, b: Value, yes: Value, no: Value) -> Value:
        chosen = super().where_greater(self._flush(a), self._flush(b), yes, no)
        return self.flushed(chosen) if {yes, no} <= self._flushed else chosen

    def _flush(self, a: Value) -> Value:
        """Subnormals to zero, sign kept."""
        if a in self._flushed:
            return a
        bits, b_ir = self._integer(a), self._b.ir
        tiny = b_ir.icmp_signed("<", b_ir.and_(bits, self._every(_MAGNITUDE)), self._every(_MIN_NORMAL))
        return self.flushed(self._float(b_ir.select(tiny, b_ir.and_(bits, self._every(_SIGN)), bits)))

    def _magnitude(self, a: Value) -> Value:
        return self._float(self._b.ir.and_(self._integer(a), self._every(_MAGNITUDE)))

    def _every(self, number: int) -> Value:
        if self._b.lanes == 1:
            return I32(number)
        return lane_numbers((number,) * self._b.lanes)
