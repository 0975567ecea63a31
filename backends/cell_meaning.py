"""The meaning of recurrent cells: a step from one sample's state to the next, in exact operation order.

:mod:`schedc.backends.interpreter` runs them over signals.  Bias and input columns, which do not wait for the
recurrence, have been summed there: the first chain of every gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from schedc.backends.arithmetic import Arithmetic, Array
from schedc.ir.ops import CHAINS, ActivationKind, LstmCell, RecurrentCell

State = tuple[Array, ...]  # [hidden] each, as the cell states them
# Weights of old outputs [gates * hidden, hidden], chain 0 so far [gates * hidden], state -> state
Step = Callable[[Arithmetic, Array, Array, State], State]


def lstm_step(ops: Arithmetic, recurrent: Array, fed: Array, state: State) -> State:
    hidden, cell = state
    z = gate_sums(ops, recurrent, fed, hidden).reshape(4, len(hidden))
    gates = ops.activation(ActivationKind.SIGMOID, z[[0, 1, 3]], ())
    candidate = ops.activation(ActivationKind.TANH, z[2], ())
    cell = ops.mac(gates[1], cell, ops.mul(gates[0], candidate))
    return ops.mul(gates[2], ops.activation(ActivationKind.TANH, cell, ())), cell


STEPS: Mapping[type[RecurrentCell], Step] = {LstmCell: lstm_step}


def gate_sums(ops: Arithmetic, weights: Array, first: Array, hidden: Array) -> Array:
    """Sums over the hidden channels, a row each: [rows].  ``first``: chain 0 so far.

    All chains at once: [chain, row].  mac(w, h, -0.0) is the rounded product.
    """
    size = len(hidden)
    chains = np.full((min(CHAINS, size), len(weights)), -0.0, ops.dtype)
    chains[0] = first
    for at in range(0, size, CHAINS):
        w, h = weights[:, at : at + CHAINS].T, hidden[at : at + CHAINS, None]
        chains[: len(h)] = ops.mac(w, h, chains[: len(h)])
    return sum_chains(ops, list(chains))


def sum_chains(ops: Arithmetic, chains: list[Array]) -> Array:
    """(0 + 1) + (2 + 3), as far as there are chains."""
    pairs = [ops.add(*chains[i : i + 2]) if len(chains) > i + 1 else chains[i] for i in range(0, len(chains), 2)]
    return ops.add(*pairs) if len(pairs) == 2 else pairs[0]
