"""The `weights` array as a float32 stream."""

from __future__ import annotations

import numpy as np

from schedc.errors import InternalError
from schedc.frontend.fields import Value
from schedc.frontend.model import FloatArray

_BEYOND_64_BITS = 2**64


def read_weights(value: Value) -> FloatArray:
    """The numbers of ``value`` as a read-only float32 array; each must be finite as float32."""
    if not isinstance(value.raw, list):
        value.expected("an array of numbers")
    kinds = set(map(type, value.raw))
    if not kinds <= {int, float}:
        return _read_one_by_one(value, value.raw)
    try:
        with np.errstate(over="ignore"):
            weights = np.array(value.raw, dtype=np.float64).astype(np.float32)
    except OverflowError:  # an integer beyond the range of a double
        return _read_one_by_one(value, value.raw)
    if not np.isfinite(weights).all():
        return _read_one_by_one(value, value.raw)
    if int in kinds:
        _warn_about_large_integers(value, value.raw)
    weights.setflags(write=False)
    return weights


def _read_one_by_one(value: Value, items: list[object]) -> FloatArray:
    """The slow way, which names the number that cannot be one."""
    for i, item in enumerate(items):
        Value(value.reading, f"{value.path}[{i}]", item).float32()
    raise InternalError("weights were refused together but are sound one by one")


def _warn_about_large_integers(value: Value, items: list[object]) -> None:
    for i, item in enumerate(items):
        if isinstance(item, int) and abs(item) >= _BEYOND_64_BITS:
            Value(value.reading, f"{value.path}[{i}]", item).warn("an integer beyond 64 bits is odd here")
            return
