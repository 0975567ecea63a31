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
_LOG2_E = 1.4426950408889634
# ln 2 in two parts (Cody and Waite): n * _LN2_HIGH is exact for |n| < 2**9, so the reduction is
# as good unfused as fused.
_LN2_HIGH = 0.693145751953125
_LN2_LOW = 1.4286068203094172e-06
# 1.5 * 2**23: adding it rounds to the nearest integer and leaves that integer in the low bits.
_ROUND = 12582912.0
_ROUND_BITS = 0x4B400000
# (e**r - 1 - r) / r**2 on |r| <= 0.3475, weighted least squares iterated towards minimax: relative
# error of e**r - 1 below 3e-10 before rounding.  Highest power first.
_EXPM1 = (
    0.00019913060532417148,
    0.0013941273791715503,
    0.008333275094628334,
    0.04166635125875473,
    0.1666666716337204,
    0.5,
)
# (tanh x - x) / x**3 in x**2 on |x| <= 0.55, same method: relative error of tanh below 3e-11.
_TANH = (
    0.0023958194069564342,
    -0.008413954637944698,
    0.021782824769616127,
    -0.05395964905619621,
    0.13333293795585632,
    -0.3333333134651184,
)
_TANH_CUT = 0.55


def _polynomial(p: Primitives[V], x: V, square: V, coefficients: Sequence[float]) -> V:
    """A polynomial of ``x`` with an even number of coefficients, highest power first (Estrin's scheme:
    recurrent networks wait for it, and pairs do not depend on each other).
    """
    pairs = [
        p.mac(p.constant(coefficients[i]), x, p.constant(coefficients[i + 1])) for i in range(0, len(coefficients), 2)
    ]
    total = pairs[0]
    for pair in pairs[1:]:
        total = p.mac(total, square, pair)
    return total


def _exponential_parts(p: Primitives[V], y: V) -> tuple[V, V]:
    """(n + 1.5 * 2**23, e**r - 1) with y = n ln 2 + r; the low bits of the first are the integer n."""
    shifted = p.mac(y, p.constant(_LOG2_E), p.constant(_ROUND))
    n = p.sub(shifted, p.constant(_ROUND))
    r = p.mac(n, p.constant(-_LN2_LOW), p.mac(n, p.constant(-_LN2_HIGH), y))
    square = p.mul(r, r)
    return shifted, p.mac(square, _polynomial(p, r, square, _EXPM1), r)


def _power_of_two(p: Primitives[V], n: V) -> V:
    """2**n where the low 9 bits of ``n`` hold an integer from -126 to 127; higher bits do not matter."""
    return p.bits_add(p.shift_left(n, 23), p.bits(_ONE_BITS))


def _magnitude(p: Primitives[V], x: V) -> V:
    return p.bits_and(x, p.bits(_MAGNITUDE))


def _with_sign_of(p: Primitives[V], magnitude: V, x: V) -> V:
    return p.bits_or(magnitude, p.bits_and(x, p.bits(_SIGN)))


def tanh(p: Primitives[V], x: V) -> V:
    """x + x**3 P(x**2) below 0.55, else 1 - 2 / (e**(2|x|) + 1); exactly 1 from 9.02 on."""
    limit = p.constant(9.5)
    a = _magnitude(p, x)
    a = p.where_greater(a, limit, limit, a)
    n, e = _exponential_parts(p, p.add(a, a))
    scale = _power_of_two(p, n)
    one = p.constant(1.0)
    # scale + 1 is exact until 1 no longer matters, so the denominator is rounded once.
    large = p.sub(one, p.div(p.constant(2.0), p.mac(scale, e, p.add(scale, one))))
    square = p.mul(a, a)
    poly = _polynomial(p, square, p.mul(square, square), _TANH)
    small = p.mac(p.mul(a, square), poly, a)
    return _with_sign_of(p, p.where_greater(p.constant(_TANH_CUT), a, small, large), x)


def sigmoid(p: Primitives[V], x: V) -> V:
    """1 / (1 + e**-x) with gradual underflow: both sides scaled by c = 2**-(n - n/2).

    e**-x = 2**n (1 + e); n/2 goes to the exponential, the rest to the 1, so nothing overflows.
    """
    high, low = p.constant(104.5), p.constant(-104.5)
    y = p.sub(p.constant(0.0), x)
    y = p.where_greater(y, high, high, y)
    y = p.where_greater(low, y, low, y)
    shifted, e = _exponential_parts(p, y)
    n = p.bits_sub(shifted, p.bits(_ROUND_BITS))
    half = p.shift_right(n, 1)
    scale = _power_of_two(p, half)
    c = _power_of_two(p, p.bits_sub(half, n))
    # The small terms first: c may be as small as the last bit of scale.
    return p.div(c, p.add(scale, p.mac(scale, e, c)))


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
