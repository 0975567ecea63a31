"""Start states of captures for any code: silence through LSTM cells is run by machine code of this machine.

Silence settles at once in a convolution.  In an LSTM it has to be run, for half a second: milliseconds by
:mod:`schedc.host.quick_silence`, up to minutes by the interpreter, with the same bits.
"""

from __future__ import annotations

import numpy as np

from schedc.backends.interpreter import Interpreter
from schedc.backends.weights.packing import PackingList, StartRows, held_by, resume
from schedc.backends.weights.weight_layout import FloatArray
from schedc.frontend.capture import Capture
from schedc.host.quick_silence import cell_code, has_quick_cells, quick_interpreter
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, is_recurrent
from schedc.ir.weights import WeightTable
from schedc.passes.core import core_weights
from schedc.reference import reference_interpreter

CHECKED_SILENCE = 500  # samples


def silent_rows(graph: Graph, weights: WeightTable, contract: Contract, samples: int) -> StartRows:
    """Where ``samples`` zeros lead from the zero state, of a core graph and core weights."""
    recurrent = samples > 0 and is_recurrent(graph)
    interpreter = (quick_interpreter if recurrent else Interpreter)(graph, weights, contract=contract)
    interpreter.prewarm(samples)
    return held_by(interpreter)


def pack_from_silence(packing: PackingList, graph: Graph, capture: Capture) -> bytes:
    """The blob of a capture, given with its core graph."""
    weights = core_weights(graph, capture.weights)
    return packing.fill(graph, weights, silent_rows(graph, weights, packing.contract, capture.prewarm_samples))


def silent_interpreter(capture: Capture, contract: Contract) -> Interpreter:
    """The float32 interpreter after the capture's silence, on its core graph.

    Of a silence that machine code runs (:func:`is_left_to_machine_code`) the interpreter looks at both ends,
    :data:`CHECKED_SILENCE` samples each, and if it finds another bit it runs all of it.
    """
    interpreter = reference_interpreter(capture, "float32", contract)
    if not is_left_to_machine_code(capture, contract):
        interpreter.prewarm(capture.prewarm_samples)
        return interpreter
    graph, weights = interpreter.graph, interpreter.weights
    first = silent_rows(graph, weights, contract, CHECKED_SILENCE)
    last = silent_rows(graph, weights, contract, capture.prewarm_samples - CHECKED_SILENCE)
    interpreter.prewarm(CHECKED_SILENCE)
    if all(_is_past(rows, first[node]) for node, rows in held_by(interpreter).items()):
        resume(interpreter, last)
        interpreter.process(np.zeros((graph.in_channels, CHECKED_SILENCE), np.float32))
    else:
        interpreter.prewarm(capture.prewarm_samples)
    return interpreter


def is_left_to_machine_code(capture: Capture, contract: Contract) -> bool:
    """Whether there is a long silence through an LSTM, which this machine can run."""
    long = has_quick_cells(capture.graph) and capture.prewarm_samples > 2 * CHECKED_SILENCE
    return long and cell_code(contract) is not None


def _is_past(held: FloatArray, found: FloatArray) -> bool:
    """Whether the newest samples of ``found`` are ``held``, bit by bit."""
    return np.array_equal(held.view(np.uint32), found[:, -held.shape[1] :].view(np.uint32))
