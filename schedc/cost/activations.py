"""What an activation costs: operations of its definition, counted by evaluating it on nothing."""

from __future__ import annotations

import functools
from collections import Counter

from schedc.ir.contract import Contract
from schedc.ir.functions import apply_activation
from schedc.ir.ops import ActivationKind


def activation_work(kind: ActivationKind, contract: Contract | None = None) -> Counter[str]:
    """Operations of one evaluation of an activation, counted by evaluating its definition.

    ``arithmetic`` are all but divisions, a selection as two; ``multiply_adds`` and ``selects`` say how many of which.
    """
    counter, _ = _evaluate(kind, contract or Contract())
    return counter.counts + Counter({"constants": len(counter.constants) + _PARAMETERS.get(kind, 0)})


def activation_counts(kind: ActivationKind, contract: Contract, vectors: int, in_a_row: int) -> Counter[str]:
    """The same of ``vectors`` evaluations, constants loaded once; ``in_a_row`` of them wait for each other."""
    work = activation_work(kind, contract)
    counts = Counter({key: work[key] * vectors for key in ("arithmetic", "divisions", "multiply_adds", "selects")})
    counts.update(dependent=work["arithmetic"] * in_a_row, weights=work["constants"])
    return counts


def activation_depth(kind: ActivationKind, contract: Contract) -> float:
    """Its longest path of dependent operations; a division counts as several."""
    return _evaluate(kind, contract)[1]


_PARAMETERS = {ActivationKind.LEAKY_HARDTANH: 4, ActivationKind.LEAKY_RELU: 1, ActivationKind.PRELU: 1}
_DIVISION_DEPTH = 4.0  # of a multiply-accumulate's latency


@functools.cache
def _evaluate(kind: ActivationKind, contract: Contract) -> tuple[_Counting, float]:
    counter = _Counting(contract)
    return counter, apply_activation(counter, kind, 0.0, [0.0] * _PARAMETERS.get(kind, 0))


class _Counting:
    """Primitives on nothing: a value is the number of operations in a row behind it."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.counts: Counter[str] = Counter()
        self.constants: set[float] = set()

    def constant(self, value: float) -> float:
        self.constants.add(value)
        return 0.0

    def bits(self, value: int) -> float:
        self.constants.add(float(value))
        return 0.0

    def add(self, a: float, b: float) -> float:
        self.counts["arithmetic"] += 1
        return max(a, b) + 1

    sub = mul = maximum = add

    def mac(self, a: float, b: float, c: float) -> float:
        self.counts["multiply_adds"] += 1
        return self.add(max(a, b), c)

    def div(self, a: float, b: float) -> float:
        self.counts["divisions"] += 1
        return max(a, b) + _DIVISION_DEPTH

    def where_greater(self, a: float, b: float, yes: float, no: float) -> float:
        self.counts["arithmetic"] += 2
        self.counts["selects"] += 1
        return max(a, b, yes, no) + 1

    def bits_and(self, a: float, b: float) -> float:
        self.counts["arithmetic"] += 1
        return max(a, b) + 0.25  # one cycle of a multiply-accumulate's four

    bits_or = bits_add = bits_sub = bits_and

    def shift_left(self, a: float, count: int) -> float:
        return self.bits_and(a, 0.0)

    shift_right = shift_left
