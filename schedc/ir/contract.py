"""The numeric contract: everything that decides output bits, and nothing else.

A schedule (tile, ring policy, cores, block size, target) never changes a bit; the contract does.
It stands in the report, the header and the weight blob.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from schedc.errors import OptionError

Mac = Literal["fused", "unfused"]
Subnormals = Literal["keep", "flush"]
Math = Literal["exact", "fast"]
Nonfinite = Literal["keep", "zero"]
MACS: tuple[Mac, ...] = ("fused", "unfused")
MATHS: tuple[Math, ...] = ("exact", "fast")
NONFINITES: tuple[Nonfinite, ...] = ("keep", "zero")
WORDS = {"mac": MACS, "subnormals": get_args(Subnormals), "math": MATHS, "nonfinite": NONFINITES}


@dataclass(frozen=True)
class Contract:
    """``mac``: one rounding or two per multiply-accumulate.  ``subnormals``: IEEE, or operands and
    results of arithmetic flushed to zero (NEON on ARMv7, which has no divide instruction either: see
    ``divides``).  ``math``: tanh and sigmoid as :mod:`schedc.ir.functions` or as
    :mod:`schedc.ir.fast_functions` define them; all else is the same.  ``nonfinite``: NaN and infinity in
    the input are calculated with like any number, or taken as 0 where they enter.
    """

    mac: Mac = "fused"
    subnormals: Subnormals = "keep"
    math: Math = "exact"
    nonfinite: Nonfinite = "keep"

    def __post_init__(self) -> None:
        """Raise OptionError for a word that nothing of this knows: it would be taken for one of the others."""
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise OptionError(name, f"{getattr(self, name)!r} is none", f"use {' or '.join(words)}")

    @property
    def divides(self) -> bool:
        """Whether a division is one correctly rounded operation, or the multiplications of
        :func:`schedc.ir.primitives.divide`.
        """
        return self.subnormals == "keep"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())
