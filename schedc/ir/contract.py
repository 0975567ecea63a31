"""The numeric contract: everything that decides output bits, and nothing else.

A schedule (tile, ring policy, cores, block size, target) never changes a bit; the contract does.
It stands in the report, the header and the weight blob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mac = Literal["fused", "unfused"]
Subnormals = Literal["keep", "flush"]
Math = Literal["exact"]


@dataclass(frozen=True)
class Contract:
    """``mac``: one rounding or two per multiply-accumulate.  ``subnormals``: IEEE, or operands and
    results of arithmetic flushed to zero (NEON on ARMv7).  ``math``: the definitions of
    :mod:`schedc.ir.functions` in use.
    """

    mac: Mac = "fused"
    subnormals: Subnormals = "keep"
    math: Math = "exact"

    def __str__(self) -> str:
        return f"mac={self.mac} subnormals={self.subnormals} math={self.math}"
