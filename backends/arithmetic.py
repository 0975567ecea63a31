"""Exact float32 arithmetic on NumPy arrays, as a contract defines it.

``Float32`` gives the bits that the emitted machine code gives: rounding to nearest even, fused or
unfused multiply-accumulate, subnormals kept or flushed.  ``Float64`` computes with the true
functions in double precision and is the oracle for accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schedc.errors import UserError
from schedc.ir.contract import Contract
from schedc.ir.functions import apply_activation
from schedc.ir.ops import ActivationKind

Array = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]

MIN_NORMAL = 2.0**-126
_LOW_BITS = np.int64((1 << 29) - 1)  # float64 significand bits below float32's
_HALFWAY = np.int64(1 << 28)


# Operands, and their products where the processor rounds to nearest and keeps subnormals: a subnormal operand, a
# subnormal product, and a product in the middle of two floats, of either sign.
_PROBES = np.array([[2.0**-140, 1.0], [2.0**-100, 2.0**-40], [1.0 + 2.0**-23, 1.5], [-1.0 - 2.0**-23, 1.5]], np.float32)
_PRODUCTS = np.array([2.0**-140, 2.0**-140, 1.5 + 2.0**-22, -1.5 - 2.0**-22], np.float32)


def require_usual_mode() -> None:
    """Raise UserError where something has put the thread's processor into another floating-point mode, which NumPy
    would calculate in: other bits would come out without a word.
    """
    found = _PROBES[:, 0] * _PROBES[:, 1]
    if (found.view(np.int32) != _PRODUCTS.view(np.int32)).any():  # bits: such a processor compares as it calculates
        what = "another library of this process has changed how this thread rounds, or made it flush subnormals"
        remedy = "find out which one (libraries built with -ffast-math do), or call schedc before it is loaded"
        raise UserError("floating-point mode", what, remedy)


def _fused(a: F32, b: F32, c: F32) -> F32:
    """float32(a * b + c) with one rounding.

    The product is exact in float64 and the float64 sum is rounded; rounding that again goes wrong only
    where it sits exactly on a float32 midpoint, or in the subnormal range, where midpoints are coarser.
    """
    product = np.multiply(a, b, dtype=np.float64)
    total = np.add(product, c)
    on_midpoint = (total.view(np.int64) & _LOW_BITS) == _HALFWAY
    if on_midpoint.any() or np.fmin.reduce(np.abs(total), axis=None, initial=1.0) < 2.0 * MIN_NORMAL:
        total = _round_to_odd(np.broadcast_to(product, total.shape), np.broadcast_to(c, total.shape), total)
    return total.astype(np.float32)


def _round_to_odd(x: npt.NDArray[np.float64], y: F32, total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """x + y with the last bit set where the sum ``total`` is inexact: safe to round again."""
    wide = y.astype(np.float64)
    virtual = total - x
    error = (x - (total - virtual)) + (wide - virtual)  # exact (Knuth's two-sum)
    inexact = (error != 0) & np.isfinite(error)
    truncated = total.view(np.int64) - (inexact & ((error < 0) == (total > 0)))
    return np.where(inexact, truncated | 1, total.view(np.int64)).view(np.float64)


class Float32:
    """The primitives of :class:`schedc.ir.primitives.Primitives` on float32 arrays."""

    dtype = np.float32

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._flushing = contract.subnormals == "flush"
        self._fused = contract.mac == "fused"

    def flush(self, a: F32) -> F32:
        """Subnormals to zero, sign kept."""
        if not self._flushing:
            return a
        return np.where(np.abs(a) < np.float32(MIN_NORMAL), np.copysign(np.float32(0), a), a)

    def _flush_tiny(self, exact: npt.NDArray[np.float64]) -> F32:
        """Round an exact float64 result; tininess is judged before rounding, as Arm does."""
        if not self._flushing:
            return exact.astype(np.float32)
        tiny = np.abs(exact) < MIN_NORMAL
        return np.where(tiny, np.copysign(0.0, exact), exact).astype(np.float32)

    def constant(self, value: float) -> F32:
        return np.array(value, np.float32)

    def bits(self, value: int) -> F32:
        return np.array(value, np.uint32).view(np.float32)

    def add(self, a: F32, b: F32) -> F32:
        return self.flush(np.add(self.flush(a), self.flush(b)))

    def sub(self, a: F32, b: F32) -> F32:
        return self.flush(np.subtract(self.flush(a), self.flush(b)))

    def mul(self, a: F32, b: F32) -> F32:
        if not self._flushing:
            return np.multiply(a, b)
        return self._flush_tiny(self.flush(a).astype(np.float64) * self.flush(b))

    def mac(self, a: F32, b: F32, c: F32) -> F32:
        if not self._fused:
            return self.add(self.mul(a, b), c)
        return self.flush(_fused(self.flush(a), self.flush(b), self.flush(c)))

    def div(self, a: F32, b: F32) -> F32:
        return np.divide(a, b)

    def where_greater(self, a: F32, b: F32, yes: F32, no: F32) -> F32:
        return np.where(self.flush(a) > self.flush(b), yes, no)

    def maximum(self, a: F32, b: F32) -> F32:
        return self.where_greater(a, b, a, b)

    def bits_and(self, a: F32, b: F32) -> F32:
        return np.bitwise_and(a.view(np.uint32), b.view(np.uint32)).view(np.float32)

    def bits_or(self, a: F32, b: F32) -> F32:
        return np.bitwise_or(a.view(np.uint32), b.view(np.uint32)).view(np.float32)

    def bits_add(self, a: F32, b: F32) -> F32:
        return np.add(a.view(np.uint32), b.view(np.uint32)).view(np.float32)

    def bits_sub(self, a: F32, b: F32) -> F32:
        return np.subtract(a.view(np.uint32), b.view(np.uint32)).view(np.float32)

    def shift_left(self, a: F32, count: int) -> F32:
        return np.left_shift(a.view(np.uint32), np.uint32(count)).view(np.float32)

    def shift_right(self, a: F32, count: int) -> F32:
        return np.right_shift(a.view(np.int32), np.int32(count)).view(np.float32)

    def activation(self, kind: ActivationKind, x: F32, parameters: Sequence[F32]) -> F32:
        return apply_activation(self, kind, x, parameters)


class Float64:
    """Double precision and the true functions: no contract, only accuracy."""

    dtype = np.float64

    def add(self, a: Array, b: Array) -> Array:
        return a + b

    def sub(self, a: Array, b: Array) -> Array:
        return a - b

    def mul(self, a: Array, b: Array) -> Array:
        return a * b

    def mac(self, a: Array, b: Array, c: Array) -> Array:
        return a * b + c

    def div(self, a: Array, b: Array) -> Array:
        return a / b

    def activation(self, kind: ActivationKind, x: Array, parameters: Sequence[Array]) -> Array:
        magnitude = np.abs(x)
        match kind:
            case ActivationKind.TANH:
                return np.tanh(x)
            case ActivationKind.HARDTANH:
                return np.clip(x, -1.0, 1.0)
            case ActivationKind.FASTTANH:
                a, b, c = 2.45550750702956, 0.893229853513558, 0.821226666969744
                d, e = 2.44506634652299, 0.814642734961073
                numerator = x * (a + a * magnitude + (b + c * magnitude) * x * x)
                return numerator / (d + (d + x * x) * np.abs(x + e * x * magnitude))
            case ActivationKind.RELU:
                return np.maximum(x, 0.0)
            case ActivationKind.LEAKY_RELU | ActivationKind.PRELU:
                return np.where(x > 0, x, x * parameters[0])
            case ActivationKind.SIGMOID:
                return _true_sigmoid(x)
            case ActivationKind.SILU:
                return x * _true_sigmoid(x)
            case ActivationKind.HARDSWISH:
                return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0
            case ActivationKind.LEAKY_HARDTANH:
                low, high, low_slope, high_slope = parameters
                inside = np.where(x > high, (x - high) * high_slope + high, x)
                return np.where(x < low, (x - low) * low_slope + low, inside)
            case ActivationKind.SOFTSIGN:
                return x / (1.0 + magnitude)


def _true_sigmoid(x: Array) -> Array:
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1.0) / (1.0 + z)


Arithmetic = Float32 | Float64
