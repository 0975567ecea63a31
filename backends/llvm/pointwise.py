"""Element-wise steps, on values of any kind."""

from __future__ import annotations

from typing import TypeVar

from schedc.errors import InternalError
from schedc.ir.functions import apply_activation
from schedc.ir.ops import Activation, Combine, Elementwise, Op, Scale
from schedc.ir.primitives import Primitives

V = TypeVar("V")


def evaluate_pointwise(p: Primitives[V], op: Op, x: list[V], parameters: list[V]) -> V:
    """An element-wise op on values of any kind."""
    match op:
        case Combine(kind=Elementwise.ADD):
            return p.add(*x)
        case Combine(kind=Elementwise.SUB):
            return p.sub(*x)
        case Combine(kind=Elementwise.MUL):
            return p.mul(*x)
        case Combine(kind=Elementwise.MUL_ADD):
            return p.mac(*x)
        case Scale():
            return p.mul(x[0], parameters[0])
        case Activation(kind=kind):
            return apply_activation(p, kind, x[0], parameters)
        case _:
            raise InternalError(f"{op} is not element-wise")
