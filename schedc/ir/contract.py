"""The numeric contract: everything that decides output bits, and nothing else.

A schedule (tile, ring policy, cores, block size, target) never changes a bit; the contract does.
It stands in the report, the header and the weight blob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mac = Literal["fused", "unfused"]
Subnormals = Literal["keep", "flush"]
Math = Literal["exact", "fast"]
MACS: tuple[Mac, ...] = ("fused", "unfused")
MATHS: tuple[Math, ...] = ("exact", "fast")


@dataclass(frozen=True)
class Contract:
    """``mac``: one rounding or two per multiply-accumulate.  ``subnormals``: IEEE, or operands and
    results of arithmetic flushed to zero (NEON on ARMv7, which has no divide instruction either: see
    ``divides``).  ``math``: tanh and sigmoid as :mod:`schedc.ir.functions` or as
    :mod:`schedc.ir.fast_functions` define them; all else is the same.
    """

    mac: Mac = "fused"
    subnormals: Subnormals = "keep"
    math: Math = "exact"

    @property
    def divides(self) -> bool:
        """Whether a division is one correctly rounded operation, or the multiplications of
        :func:`schedc.ir.primitives.divide`.
        """
        return self.subnormals == "keep"

    def __str__(self) -> str:
        return f"mac={self.mac} subnormals={self.subnormals} math={self.math}"
