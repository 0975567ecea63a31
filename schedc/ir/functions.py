"""The activation functions, defined once as sequences of primitive operations.

The interpreter evaluates a definition with NumPy arrays, the LLVM lowering with vectors of the
target; both give the same bits because both run these lines.  ``Primitives`` is what a definition
may use.  Measured accuracy (``tests/differential/test_functions.py``): tanh and sigmoid within
2 ulp of the true value, under every contract of ``math=exact``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from schedc.ir import fast_functions
from schedc.ir.ops import ActivationKind
from schedc.ir.primitives import Primitives, divide, halves, magnitude, reciprocal, with_sign_of

V = TypeVar("V")

_SIGN = 0x80000000
_ONE_BITS = 0x3F800000
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


def _series(p: Primitives[V], r: V, coefficients: Sequence[float]) -> V:
    """r + r**2 times the polynomial, summed so that recurrent networks, which wait for it, wait little."""
    square = p.mul(r, r)
    low, high = halves(p, r, square, coefficients)
    return p.mac(high, p.mul(square, square), p.mac(low, square, r))


def _nearest(p: Primitives[V], x: V, factor: float) -> tuple[V, V]:
    """(n + 1.5 * 2**23, n) for the integer n nearest to x * factor; the low bits of the first are n."""
    shifted = p.mac(x, p.constant(factor), p.constant(_ROUND))
    return shifted, p.sub(shifted, p.constant(_ROUND))


def _power_of_two(p: Primitives[V], n: V) -> V:
    """2**n where the low 9 bits of ``n`` hold an integer from -126 to 127; higher bits do not matter."""
    return p.bits_add(p.shift_left(n, 23), p.bits(_ONE_BITS))


def tanh(p: Primitives[V], x: V) -> V:
    """x + x**3 P(x**2) below 0.55, else 1 - 1 / ((e**2|x| + 1) / 2); exactly 1 from 9.02 on."""
    if p.contract.math == "fast":
        return fast_functions.tanh(p, x)
    limit, half, one = p.constant(9.5), p.constant(0.5), p.constant(1.0)
    a = magnitude(p, x)
    a = p.where_greater(a, limit, limit, a)
    # 2a = n ln 2 + 2r.  One step: what rounding ln 2 does to r is lost in 1 - 1 / ....
    shifted, n = _nearest(p, a, 2 * _LOG2_E)
    r = p.mac(n, p.constant(-_LN2 / 2), a)
    scale = _power_of_two(p, shifted)
    # (scale + 1) / 2 is exact until 1 no longer matters, so the denominator is rounded once.
    denominator = p.mac(scale, _series(p, r, _GROWTH), p.mac(scale, half, half))
    large = p.sub(one, reciprocal(p, denominator))
    square = p.mul(a, a)
    fourth = p.mul(square, square)
    low, high = halves(p, square, fourth, _TANH)
    small = p.mac(p.mul(a, square), p.mac(high, fourth, low), a)
    return with_sign_of(p, p.where_greater(p.constant(_TANH_CUT), a, small, large), x)


def sigmoid(p: Primitives[V], x: V) -> V:
    """1 / (1 + e**-x) with gradual underflow: both sides scaled by c = 2**-(n - n/2).

    e**-x = 2**n (1 - w); n/2 goes to the exponential, the rest to the 1, so nothing overflows.
    """
    if p.contract.math == "fast":
        return fast_functions.sigmoid(p, x)
    high, low = p.constant(20.0), p.constant(-104.5)
    x = p.where_greater(x, high, high, x)
    x = p.where_greater(low, x, low, x)
    shifted, n = _nearest(p, x, -_LOG2_E)
    r = p.mac(n, p.constant(_LN2_LOW), p.mac(n, p.constant(_LN2_HIGH), x))
    w = _series(p, r, _DECAY)
    whole = p.bits_sub(shifted, p.bits(_ROUND_BITS))
    half = p.shift_right(whole, 1)
    scale, c = _power_of_two(p, half), _power_of_two(p, p.bits_sub(half, whole))
    # scale + c and what that lost, so that the denominator is rounded once where it matters.
    total = p.add(scale, c)
    lost = p.sub(c, p.sub(total, scale))
    return divide(p, c, p.add(total, p.mac(p.bits_or(scale, p.bits(_SIGN)), w, lost)))


def fasttanh(p: Primitives[V], x: V) -> V:
    """The engine's rational approximation (docs/nam_format.md#activations); not bounded by 1.

    Both sides of the fraction grow like 0.8 x**4.  Where the contract divides, both overflow beyond 4.5e9, as in the
    engine; :func:`divide` needs them below 2**94, and from 2**23 on the fraction is within 0.15 ulp of its limit.
    """
    size = magnitude(p, x)
    if not p.contract.divides:
        limit = p.constant(2.0**23)
        size = p.where_greater(size, limit, limit, size)
    square = p.mul(size, size)
    a, d = p.constant(2.45550750702956), p.constant(2.44506634652299)
    b, c = p.constant(0.893229853513558), p.constant(0.821226666969744)
    inner = p.mac(p.mac(c, size, b), square, p.mac(a, size, a))
    bend = p.mac(p.mul(p.constant(0.814642734961073), size), size, size)
    quotient = divide(p, p.mul(size, inner), p.mac(p.add(d, square), bend, d))
    return with_sign_of(p, quotient, x)


def softsign(p: Primitives[V], x: V) -> V:
    """x / (1 + |x|), also for the infinities; far below the limit it is +-1 already."""
    limit, a = p.constant(2.0**60), magnitude(p, x)
    a = p.where_greater(a, limit, limit, a)
    return with_sign_of(p, divide(p, a, p.add(p.constant(1.0), a)), x)


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
            return softsign(p, x)
