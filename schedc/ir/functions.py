"""The activation functions, defined once as sequences of primitive operations.

The interpreter evaluates a definition with NumPy arrays, the LLVM lowering with vectors of the
target; both give the same bits because both run these lines.  ``Primitives`` is what a definition
may use.  Measured accuracy (``tests/differential/test_functions.py``): tanh and sigmoid within
2 ulp of the true value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from schedc.ir.ops import ActivationKind

V = TypeVar("V")


class Primitives(Protocol[V]):
    """float32 operations on values V (arrays or vectors) and on their bits (32-bit integers)."""

    def constant(self, value: float) -> V: ...
    def bits(self, value: int) -> V: ...
    def add(self, a: V, b: V) -> V: ...
    def sub(self, a: V, b: V) -> V: ...
    def mul(self, a: V, b: V) -> V: ...
    def mac(self, a: V, b: V, c: V) -> V:
        """a * b + c, fused or not as the contract says."""

    def div(self, a: V, b: V) -> V: ...
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
_ONE_BITS = 0x3F800000
_MINUS_ONE_BITS = _SIGN | _ONE_BITS
_LOG2_E = 1.4426950408889634
_LN2 = 0.6931471805599453
# ln 2 in two parts (Cody and Waite): n * _LN2_HIGH is exact for |n| < 2**9, so the reduction is
# as good unfused as fused.
_LN2_HIGH = 0.693145751953125
_LN2_LOW = 1.4286068203094172e-06
# 1.5 * 2**23: adding it rounds to the nearest integer and leaves that integer in the low bits.
_ROUND = 12582912.0
_ROUND_BITS = 0x4B400000
# The minimax polynomials below: weighted least squares iterated towards equal peaks, coefficients rounded to
# float32 one after the other.  Lowest power first.
#
# (1 - e**-r - r) / r**2 on |r| <= 0.3475: relative error of e**-r below 3.3e-9 before rounding.
_DECAY = (-0.4999999403953552, 0.1666652113199234, -0.04166829213500023, 0.008368715643882751, -0.0013818697771057487)
# ((e**2r - 1) / 2 - r) / r**2 on |r| <= 0.1738: the same for e**2r.
_GROWTH = (0.9999998807907104, 0.6666608452796936, 0.33334633708000183, 0.13389945030212402, 0.04421983286738396)
# (tanh x - x) / x**3 in x**2 on |x| <= 0.55: relative error of tanh below 1.2e-9.
_TANH = (-0.33333316445350647, 0.13332544267177582, -0.0538475476205349, 0.02105071395635605, -0.0062428489327430725)
_TANH_CUT = 0.55


def _halves(p: Primitives[V], x: V, square: V, coefficients: Sequence[float]) -> tuple[V, V]:
    """(a + b x, c + d x + e x**2) for coefficients a to e: neither half waits for the other."""
    a, b, c, d, e = (p.constant(value) for value in coefficients)
    return p.mac(b, x, a), p.mac(e, square, p.mac(d, x, c))


def _series(p: Primitives[V], r: V, coefficients: Sequence[float]) -> V:
    """r + r**2 times the polynomial, summed so that recurrent networks, which wait for it, wait little."""
    square = p.mul(r, r)
    low, high = _halves(p, r, square, coefficients)
    return p.mac(high, p.mul(square, square), p.mac(low, square, r))


def _nearest(p: Primitives[V], x: V, factor: float) -> tuple[V, V]:
    """(n + 1.5 * 2**23, n) for the integer n nearest to x * factor; the low bits of the first are n."""
    shifted = p.mac(x, p.constant(factor), p.constant(_ROUND))
    return shifted, p.sub(shifted, p.constant(_ROUND))


def _power_of_two(p: Primitives[V], n: V, one: int = _ONE_BITS) -> V:
    """2**n where the low 9 bits of ``n`` hold an integer from -126 to 127; higher bits do not matter."""
    return p.bits_add(p.shift_left(n, 23), p.bits(one))


def _magnitude(p: Primitives[V], x: V) -> V:
    return p.bits_and(x, p.bits(_MAGNITUDE))


def _with_sign_of(p: Primitives[V], magnitude: V, x: V) -> V:
    return p.bits_or(magnitude, p.bits_and(x, p.bits(_SIGN)))


def tanh(p: Primitives[V], x: V) -> V:
    """x + x**3 P(x**2) below 0.55, else 1 - 1 / ((e**2|x| + 1) / 2); exactly 1 from 9.02 on."""
    limit, half, one = p.constant(9.5), p.constant(0.5), p.constant(1.0)
    a = _magnitude(p, x)
    a = p.where_greater(a, limit, limit, a)
    # 2a = n ln 2 + 2r.  One step: what rounding ln 2 does to r is lost in 1 - 1 / ....
    shifted, n = _nearest(p, a, 2 * _LOG2_E)
    r = p.mac(n, p.constant(-_LN2 / 2), a)
    scale = _power_of_two(p, shifted)
    # (scale + 1) / 2 is exact until 1 no longer matters, so the denominator is rounded once.
    denominator = p.mac(scale, _series(p, r, _GROWTH), p.mac(scale, half, half))
    large = p.sub(one, p.div(one, denominator))
    square = p.mul(a, a)
    fourth = p.mul(square, square)
    low, high = _halves(p, square, fourth, _TANH)
    small = p.mac(p.mul(a, square), p.mac(high, fourth, low), a)
    return _with_sign_of(p, p.where_greater(p.constant(_TANH_CUT), a, small, large), x)


def sigmoid(p: Primitives[V], x: V) -> V:
    """1 / (1 + e**-x) with gradual underflow: both sides scaled by c = 2**-(n - n/2).

    e**-x = 2**n (1 - w); n/2 goes to the exponential, the rest to the 1, so nothing overflows.
    """
    high, low = p.constant(20.0), p.constant(-104.5)
    x = p.where_greater(x, high, high, x)
    x = p.where_greater(low, x, low, x)
    shifted, n = _nearest(p, x, -_LOG2_E)
    r = p.mac(n, p.constant(_LN2_LOW), p.mac(n, p.constant(_LN2_HIGH), x))
    w = _series(p, r, _DECAY)
    whole = p.bits_sub(shifted, p.bits(_ROUND_BITS))
    half = p.shift_right(whole, 1)
    minus_scale = _power_of_two(p, half, _MINUS_ONE_BITS)
    c = _power_of_two(p, p.bits_sub(half, whole))
    # The small terms first: c may be as small as the last bit of scale.
    return p.div(c, p.sub(p.mac(minus_scale, w, c), minus_scale))


def fasttanh(p: Primitives[V], x: V) -> V:
    """The engine's rational approximation (NAM_FORMAT 2.1); not bounded by 1."""
    magnitude = _magnitude(p, x)
    square = p.mul(x, x)
    a, d = p.constant(2.45550750702956), p.constant(2.44506634652299)
    b, c = p.constant(0.893229853513558), p.constant(0.821226666969744)
    inner = p.mac(p.mac(c, magnitude, b), square, p.mac(a, magnitude, a))
    bend = _magnitude(p, p.mac(p.mul(p.constant(0.814642734961073), x), magnitude, x))
    return p.div(p.mul(x, inner), p.mac(p.add(d, square), bend, d))


def _clamp(p: Primitives[V], x: V, low: V, high: V) -> V:
    x = p.where_greater(low, x, low, x)
    return p.where_greater(x, high, high, x)


def _leaky_hardtanh(p: Primitives[V], x: V, limits: Sequence[V]) -> V:
    low, high, low_slope, high_slope = limits
    below = p.mac(p.sub(x, low), low_slope, low)
    above = p.mac(p.sub(x, high), high_slope, high)
    inside = p.where_greater(x, high, above, x)
    return p.where_greater(low, x, below, inside)


def apply_activation(p: Primitives[V], kind: ActivationKind, x: V, parameters: Sequence[V] = ()) -> V:
    """The activation of one value; ``parameters`` as ``Activation.parameters()`` orders them."""
    match kind:
        case ActivationKind.TANH:
            return tanh(p, x)
        case ActivationKind.HARDTANH:
            return _clamp(p, x, p.constant(-1.0), p.constant(1.0))
        case ActivationKind.FASTTANH:
            return fasttanh(p, x)
        case ActivationKind.RELU:
            zero = p.constant(0.0)
            return p.where_greater(zero, x, zero, x)
        case ActivationKind.LEAKY_RELU:  # 0 < slope <= 1: the larger of the two branches
            return p.maximum(x, p.mul(x, parameters[0]))
        case ActivationKind.PRELU:
            return p.where_greater(x, p.constant(0.0), x, p.mul(x, parameters[0]))
        case ActivationKind.SIGMOID:
            return sigmoid(p, x)
        case ActivationKind.SILU:
            return p.mul(x, sigmoid(p, x))
        case ActivationKind.HARDSWISH:
            ramp = _clamp(p, p.add(x, p.constant(3.0)), p.constant(0.0), p.constant(6.0))
            return p.mul(p.mul(x, ramp), p.constant(1.0 / 6.0))
        case ActivationKind.LEAKY_HARDTANH:
            return _leaky_hardtanh(p, x, parameters)
        case ActivationKind.SOFTSIGN:
            return p.div(x, p.add(p.constant(1.0), _magnitude(p, x)))
