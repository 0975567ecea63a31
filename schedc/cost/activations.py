"""What an activation costs: operations of its definition, counted by evaluating it on nothing."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from schedc.cost.counts import Counts
from schedc.ir.contract import Contract
from schedc.ir.functions import apply_activation
from schedc.ir.ops import ActivationKind


@dataclass
class ActivationWork:
    """Operations of one evaluation of an activation; the words are those of :class:`schedc.cost.counts.Counts`."""

    # All but divisions, a selection as two.
    arithmetic: int = 0
    multiply_adds: int = 0
    selects: int = 0
    divisions: int = 0
    # Floats that it needs, parameters among them.
    constants: int = 0

    def evaluated(self, vectors: float) -> Counts:
        """Operations of so many evaluations, without the loads of constants."""
        return Counts(
            arithmetic=self.arithmetic * vectors,
            multiply_adds=self.multiply_adds * vectors,
            selects=self.selects * vectors,
            divisions=self.divisions * vectors,
        )


def activation_work(kind: ActivationKind, contract: Contract | None = None) -> ActivationWork:
    """Counted by evaluating the activation's definition."""
    return _evaluate(kind, contract or Contract())[0]


def activation_counts(kind: ActivationKind, contract: Contract, vectors: int, in_a_row: int) -> Counts:
    """Of ``vectors`` evaluations, constants loaded once; ``in_a_row`` of them wait for each other."""
    work = activation_work(kind, contract)
    return work.evaluated(vectors) + Counts(dependent=work.arithmetic * in_a_row, weights=work.constants)


def activation_depth(kind: ActivationKind, contract: Contract) -> float:
    """Its longest path of dependent operations; a division counts as several."""
    return _evaluate(kind, contract)[1]


_PARAMETERS = {ActivationKind.LEAKY_HARDTANH: 4, ActivationKind.LEAKY_RELU: 1, ActivationKind.PRELU: 1}
_DIVISION_DEPTH = 4.0  # of a multiply-accumulate's latency


@functools.cache
def _evaluate(kind: ActivationKind, contract: Contract) -> tuple[ActivationWork, float]:
    counter, parameters = _Counting(contract), _PARAMETERS.get(kind, 0)
    depth = apply_activation(counter, kind, 0.0, [0.0] * parameters)
    counter.work.constants = len(counter.constants) + parameters
    return counter.work, depth


class _Counting:
    """Primitives on nothing: a value is the number of operations in a row behind it."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.work = ActivationWork()
        self.constants: set[float] = set()

    def constant(self, value: float) -> float:
        self.constants.add(value)
        return 0.0

    def bits(self, value: int) -> float:
        self.constants.add(float(value))
        return 0.0

    def add(self, a: float, b: float) -> float:
        self.work.arithmetic += 1
        return max(a, b) + 1

    sub = mul = maximum = add

    def mac(self, a: float, b: float, c: float) -> float:
        self.work.multiply_adds += 1
        return self.add(max(a, b), c)

    def div(self, a: float, b: float) -> float:
        self.work.divisions += 1
        return max(a, b) + _DIVISION_DEPTH

    def where_greater(self, a: float, b: float, yes: float, no: float) -> float:
        self.work.arithmetic += 2
        self.work.selects += 1
        return max(a, b, yes, no) + 1

    def bits_and(self, a: float, b: float) -> float:
        self.work.arithmetic += 1
        return max(a, b) + 0.25  # one cycle of a multiply-accumulate's four

    bits_or = bits_add = bits_sub = bits_and

    def shift_left(self, a: float, count: int) -> float:
        return self.bits_and(a, 0.0)

    shift_right = shift_left
