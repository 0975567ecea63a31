"""The constants of a kernel: bit patterns that its activations and start values use."""

from __future__ import annotations

import struct
from typing import cast

from schedc.ir.contract import Contract
from schedc.ir.functions import apply_activation
from schedc.ir.ops import ActivationKind

NEGATIVE_ZERO = 0x80000000  # mac(w, x, -0.0) is the rounded product, sign of zero included


class ConstantTable:
    """Collects the constants that an activation's definition uses, by evaluating it on nothing.

    It is the `Primitives` of :mod:`schedc.ir.primitives` with values that carry no information.
    """

    def __init__(self, contract: Contract) -> None:
        self.bits: list[int] = []
        self.contract = contract

    def use(self, bits: int) -> int:
        if bits not in self.bits:
            self.bits.append(bits)
        return self.bits.index(bits)

    def record(self, kind: ActivationKind, parameters: int) -> None:
        recorder = _Recorder(self)
        apply_activation(recorder, kind, None, [None] * parameters)


def float_bits(value: float) -> int:
    """The bits of ``value`` rounded to float32."""
    return cast(int, struct.unpack("<I", struct.pack("<f", value))[0])


class _Recorder:
    """Primitives on nothing: only the constants matter."""

    def __init__(self, table: ConstantTable) -> None:
        self._table, self.contract = table, table.contract

    def constant(self, value: float) -> None:
        self._table.use(float_bits(value))

    def bits(self, value: int) -> None:
        self._table.use(value)

    def mac(self, a: None, b: None, c: None) -> None: ...
    def where_greater(self, a: None, b: None, yes: None, no: None) -> None: ...
    def shift_left(self, a: None, count: int) -> None: ...
    def shift_right(self, a: None, count: int) -> None: ...
    def add(self, a: None, b: None) -> None: ...

    sub = mul = div = maximum = bits_and = bits_or = bits_add = bits_sub = add
