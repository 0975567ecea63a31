"""What a definition may use: the primitive operations, and division built of them where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from schedc.ir.contract import Contract

V = TypeVar("V")


class Primitives(Protocol[V]):
    """float32 operations on values V (arrays or vectors) and on their bits (32-bit integers)."""

    @property
    def contract(self) -> Contract: ...
    def constant(self, value: float) -> V: ...
    def bits(self, value: int) -> V: ...
    def add(self, a: V, b: V) -> V: ...
    def sub(self, a: V, b: V) -> V: ...
    def mul(self, a: V, b: V) -> V: ...
    def mac(self, a: V, b: V, c: V) -> V:
        """a * b + c, fused or not as the contract says."""

    def div(self, a: V, b: V) -> V:
        """Only where the contract has a divide instruction: definitions call :func:`divide`."""

    def where_greater(self, a: V, b: V, yes: V, no: V) -> V:
        """yes where a > b (false for NaN), else no."""

    def maximum(self, a: V, b: V) -> V:
        """The larger of two numbers that are both NaN or neither, and zeros of one sign or not both zero."""

    def bits_and(self, a: V, b: V) -> V: ...
    def bits_or(self, a: V, b: V) -> V: ...
    def bits_add(self, a: V, b: V) -> V: ...
    def bits_sub(self, a: V, b: V) -> V: ...
    def shift_left(self, a: V, count: int) -> V: ...
    def shift_right(self, a: V, count: int) -> V:
        """Arithmetic shift."""


_SIGN = 0x80000000
_MAGNITUDE = 0x7FFFFFFF
# The bits of b subtracted from these are those of 1 / b within 5.1 %: exponents negate, significands nearly.
_RECIPROCAL_BITS = 0x7EF311C3
_TOP_12_BITS = 0xFFFFF000
_LIFT = 2.0**32


def magnitude(p: Primitives[V], x: V) -> V:
    """|x|, also of NaN."""
    return p.bits_and(x, p.bits(_MAGNITUDE))


def with_sign_of(p: Primitives[V], positive: V, x: V) -> V:
    """``positive`` with the sign of ``x``."""
    return p.bits_or(positive, p.bits_and(x, p.bits(_SIGN)))


def _refined_reciprocal(p: Primitives[V], b: V, steps: int = 2) -> V:
    """1 / b within 2**-17, without dividing: two Newton steps on a guess.  Three: within 2**-22."""
    r = p.bits_sub(p.bits(_RECIPROCAL_BITS), b)
    for _ in range(steps):
        r = p.mac(r, p.sub(p.constant(1.0), p.mul(b, r)), r)
    return r


def _quotient(p: Primitives[V], a: V, b: V, r: V, guess: V) -> V:
    """a / b within 0.6 ulp from r near 1 / b and a guess near a / b, in arithmetic that rounds products.

    The guess cut to 12 bits times the halves of b is exact, and so is what it leaves of a.
    """
    q, b_high = p.bits_and(guess, p.bits(_TOP_12_BITS)), p.bits_and(b, p.bits(_TOP_12_BITS))
    rest = p.sub(p.sub(a, p.mul(q, b_high)), p.mul(q, p.sub(b, b_high)))
    return p.mac(rest, r, q)


def divide(p: Primitives[V], a: V, b: V) -> V:
    """a / b, rounded to nearest where the contract divides; else within 0.6 ulp for 2**-60 < b < 2**125 and
    0 <= a < 2**94.  The numerator is lifted while its remainders would otherwise be flushed.
    """
    if p.contract.divides:
        return p.div(a, b)
    r = _refined_reciprocal(p, b)
    a = p.mul(a, p.constant(_LIFT))
    return p.mul(_quotient(p, a, b, r, p.mul(a, r)), p.constant(1.0 / _LIFT))


def reciprocal(p: Primitives[V], b: V) -> V:
    """1 / b like :func:`divide`, for 1 <= b < 2**64."""
    one = p.constant(1.0)
    if p.contract.divides:
        return p.div(one, b)
    r = _refined_reciprocal(p, b)
    return _quotient(p, one, b, r, r)


def divide_roughly(p: Primitives[V], a: V, b: V) -> V:
    """a / b within 2**-22 where the contract does not divide, for 1 <= b < 2**64 and any a."""
    if p.contract.divides:
        return p.div(a, b)
    return p.mul(a, _refined_reciprocal(p, b, 3))


def halves(p: Primitives[V], x: V, square: V, coefficients: Sequence[float]) -> tuple[V, V]:
    """(a + b x, c + d x + e x**2) for coefficients a to e: neither half waits for the other."""
    a, b, c, d, e = (p.constant(value) for value in coefficients)
    return p.mac(b, x, a), p.mac(e, square, p.mac(d, x, c))
