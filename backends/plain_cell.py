"""What the code of :mod:`schedc.backends.llvm.plain_cell` is handed: memory and numbers, known without LLVM.

Lanes are hidden units; widths are padded to whole vectors:

    x          [samples, inputs]
    hidden     [1 + samples, padded]  the h before each sample and after the last; row 0 is given
    cell       [padded]               c, in place
    weights    [1 + inputs + recurrent, 4, padded]  a bias, then a line for each column
    sums       [4, padded]            scratch
    constants  the bit patterns of :func:`cell_constants`

``recurrent`` columns, a multiple of four: what is added to fill it up has weights of -0.0, which change no sum.
``constant_from``: the sample from which on x is the same.  All floats are flushed where the contract flushes.
"""

from __future__ import annotations

import numpy as np

from schedc.backends.weights.constant_table import NEGATIVE_ZERO, ConstantTable
from schedc.backends.weights.weight_layout import FloatArray, pad
from schedc.ir.contract import Contract
from schedc.ir.ops import CHAINS, ActivationKind, LstmCell

SYMBOL = "plain_cell"
GATES = LstmCell.gates
NUMBERS = ("samples", "constant_from", "inputs", "recurrent", "padded")
POINTERS = ("x", "hidden", "cell", "weights", "sums", "constants")


def cell_constants(contract: Contract) -> list[int]:
    table = ConstantTable(contract)
    table.use(NEGATIVE_ZERO)
    for kind in (ActivationKind.SIGMOID, ActivationKind.TANH):
        table.record(kind, 0)
    return table.bits


def cell_weights(weight: FloatArray, bias: FloatArray, lanes: int) -> FloatArray:
    """``weights`` of [4 hidden, inputs + hidden] and [4 hidden]."""
    hidden = len(bias) // GATES
    inputs = weight.shape[1] - hidden
    lines = np.zeros((1 + inputs + pad(hidden, CHAINS), GATES, pad(hidden, lanes)), np.float32)
    lines[0, :, :hidden] = bias.reshape(GATES, hidden)
    lines[1 : 1 + inputs + hidden, :, :hidden] = weight.T.reshape(-1, GATES, hidden)
    lines[1 + inputs + hidden :] = -0.0
    return lines
