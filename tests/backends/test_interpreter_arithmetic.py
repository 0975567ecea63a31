"""The interpreter's float32 arithmetic against exact rationals."""

from __future__ import annotations

import ctypes
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.arithmetic import Float32, require_usual_mode
from schedc.backends.float_mode import Mode
from schedc.backends.llvm.foreign_caller import ForeignCaller
from schedc.errors import UserError
from schedc.ir.contract import Contract
from schedc.ir.weights import FloatArray
from schedc.options import make_options

FUSED, UNFUSED, FLUSHED = Contract("fused"), Contract("unfused"), Contract("unfused", "flush")
MIN_NORMAL = Fraction(2) ** -126

bits = st.integers(0, 2**32 - 1)
# Subnormals, the ends of the range, numbers whose sums meet midpoints, and anything.
interesting = st.one_of(
    bits,
    st.integers(0, 2**23).map(lambda n: n),
    st.integers(0x3F800000 - 4, 0x3F800000 + 4),
    st.integers(0x7F7FFFF0, 0x7F800000),
    st.builds(lambda e, s: e << 23 | 1 << s, st.integers(1, 254), st.integers(0, 22)),
)
number = st.builds(lambda b, sign: as_float(b ^ (sign << 31)), interesting, st.integers(0, 1))


def as_float(pattern: int) -> np.float32:
    return np.uint32(pattern & 0xFFFFFFFF).view(np.float32)


def to_float32(value: Fraction, zero_sign: float) -> float:
    """Round a rational to float32, ties to even: the definition, done with integers."""
    if value == 0:
        return math.copysign(0.0, zero_sign)
    sign, magnitude = (-1.0 if value < 0 else 1.0), abs(value)
    exponent = max(-126, magnitude.numerator.bit_length() - magnitude.denominator.bit_length() - 1)
    while magnitude >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - 23)
    quotient = magnitude / unit
    whole, rest = divmod(quotient.numerator, quotient.denominator)
    twice = 2 * rest
    whole += twice > quotient.denominator or (twice == quotient.denominator and whole % 2 == 1)
    rounded = whole * unit
    return sign * (math.inf if rounded >= Fraction(2) ** 128 else float(rounded))


def one(value: np.float32) -> FloatArray:
    return np.array([value], np.float32)


def finite(*values: np.float32) -> bool:
    return all(np.isfinite(v) for v in values)


def same(found: FloatArray, wanted: float) -> bool:
    return bool(found.view(np.uint32)[0] == np.float32(wanted).view(np.uint32)) or bool(
        np.isnan(found[0]) and math.isnan(wanted)
    )


def exact_sum(a: Fraction, b: Fraction, signs: tuple[float, float]) -> float:
    """Rounded sum; a zero sum is -0 only if both parts are negative zeros or negative and vanish."""
    negative = signs == (-1.0, -1.0)
    return to_float32(a + b, -1.0 if negative and a == b == 0 else 1.0)


def sign(value: float | np.float32) -> float:
    return math.copysign(1.0, float(value))


@given(number, number, number)
def test_fused(a: np.float32, b: np.float32, c: np.float32) -> None:
    if not finite(a, b, c):
        return
    product = Fraction(float(a)) * Fraction(float(b))
    wanted = exact_sum(product, Fraction(float(c)), (sign(a) * sign(b), sign(c)))
    with np.errstate(all="ignore"):
        found = Float32(FUSED).mac(one(a), one(b), one(c))
    assert same(found, wanted), f"{a!r} * {b!r} + {c!r} = {found[0]!r}, wanted {wanted!r}"


# c with its last bit odd, a product of just under half of c's last place: float64 rounds the sum to the
# midpoint, and only the sticky bit tells that it lies below.
HALF_BELOW = [
    (2.0**-12 * (1 + 2**-23), 2.0**-12 * (1 - 2**-23), 1 + 2.0**-23),
    (2.0**-75 * (1 + 2**-23), 2.0**-75 * (1 - 2**-23), 2.0**-130 + 2.0**-149),
    (2.0**-75 * (1 + 2**-23), -(2.0**-75) * (1 - 2**-23), -(2.0**-130 + 2.0**-149)),
    (2.0**-75, 2.0**-75 * (1 - 2**-23), 2.0**-149),
    (2.0**-75, 2.0**-75 * (1 + 2**-23), 2.0**-148),
]


@pytest.mark.parametrize("a, b, c", HALF_BELOW)
@pytest.mark.parametrize("neighbour", [1.0, math.nan, math.inf])
def test_midpoints_are_rounded_once_whatever_stands_beside(a: float, b: float, c: float, neighbour: float) -> None:
    """An array is computed at once: a NaN in one lane must not decide how another is rounded."""
    arrays = [np.array([neighbour, value], np.float32) for value in (a, b, c)]
    product = Fraction(float(arrays[0][1])) * Fraction(float(arrays[1][1]))
    wanted = to_float32(product + Fraction(float(arrays[2][1])), 1.0)
    with np.errstate(all="ignore"):
        found = Float32(FUSED).mac(*arrays)
    assert same(found[1:], wanted), f"{found[1]!r}, wanted {wanted!r}"


@given(number, number, number)
def test_unfused_rounds_twice(a: np.float32, b: np.float32, c: np.float32) -> None:
    with np.errstate(all="ignore"):
        found = Float32(UNFUSED).mac(one(a), one(b), one(c))
        wanted = np.float32(a * b) + c
    assert same(found, float(wanted))


@given(number, number)
def test_flushing(a: np.float32, b: np.float32) -> None:
    """Subnormal operands count as zeros; a result that is tiny before rounding becomes zero."""
    if not finite(a, b):
        return
    x, y = (Fraction(0) if abs(float(v)) < MIN_NORMAL else Fraction(float(v)) for v in (a, b))
    product, total = x * y, x + y
    with np.errstate(all="ignore"):
        multiplied, added = Float32(FLUSHED).mul(one(a), one(b)), Float32(FLUSHED).add(one(a), one(b))
    wanted = 0.0 if abs(product) < MIN_NORMAL else to_float32(product, 1.0)
    assert same(multiplied, math.copysign(wanted, sign(a) * sign(b)))
    tiny = abs(total) < MIN_NORMAL
    assert same(added, added[0] if tiny and added[0] == 0 else to_float32(total, 1.0))
    assert not (tiny and added[0] != 0)


def test_flushing_keeps_signs() -> None:
    small = np.float32(-1e-40)
    for found in (Float32(FLUSHED).mul(one(small), one(np.float32(1.0))), Float32(FLUSHED).add(one(small), one(small))):
        assert found[0] == 0.0 and np.signbit(found[0])


def test_infinities_and_nans() -> None:
    inf, nan = np.float32(np.inf), np.float32(np.nan)
    with np.errstate(all="ignore"):
        for contract in (FUSED, UNFUSED, FLUSHED):
            ops = Float32(contract)
            assert ops.mac(one(inf), one(np.float32(1)), one(np.float32(1)))[0] == np.inf
            assert np.isnan(ops.mac(one(inf), one(np.float32(0)), one(np.float32(1)))[0])
            assert np.isnan(ops.mac(one(inf), one(np.float32(1)), one(-inf))[0])
            assert np.isnan(ops.mac(one(nan), one(np.float32(1)), one(np.float32(1)))[0])
            assert ops.mac(one(np.float32(3e38)), one(np.float32(3e38)), one(np.float32(-1)))[0] == np.inf
            assert np.isnan(ops.add(one(inf), one(-inf))[0])


def test_comparison_is_false_for_nan_and_flushes_where_the_contract_does() -> None:
    yes, no, tiny = one(np.float32(1)), one(np.float32(2)), one(np.float32(1e-40))
    assert Float32(FUSED).where_greater(one(np.float32(np.nan)), no, yes, no)[0] == 2
    assert Float32(FUSED).where_greater(tiny, one(np.float32(0)), yes, no)[0] == 1
    assert Float32(FLUSHED).where_greater(tiny, one(np.float32(0)), yes, no)[0] == 2


@pytest.mark.parametrize("mode", [Mode(flush=True), Mode(towards_zero=True)], ids=["flushing", "towards zero"])
def test_a_thread_in_another_mode_is_told(mode: Mode) -> None:
    """Python calls back from a caller whose registers say so; nothing else in this process is touched."""
    target = make_options("host").target
    register, found = target.instruction_set.mode_register, list[str]()

    def call_back(*_: object) -> int:
        try:
            require_usual_mode()
        except UserError as error:
            found.append(error.where)
        return 0

    require_usual_mode()
    function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4, ctypes.c_int)(call_back)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address
    ForeignCaller(target).call(address, [], mode.words(register))
    assert found == ["floating-point mode"]
    require_usual_mode()
