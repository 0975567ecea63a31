"""Start states of captures for any code: silence through an LSTM is run by this machine where it can.

Silence settles at once in a convolution, and an LSTM's mostly repeats soon; the interpreter is quick then.  An
LSTM that does not settle has to be run for half a second of silence, which takes the interpreter ten seconds and
machine code some milliseconds.  The bits are the same wherever the contract is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from schedc.backends.interpreter import Interpreter
from schedc.backends.packing import PackingList, StartRows, held_by, resume
from schedc.backends.weight_layout import FloatArray
from schedc.errors import UnsupportedError
from schedc.host.code import HostProgram, host_program, known_program
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, is_recurrent
from schedc.options import Options, make_options
from schedc.planning import Capture, core_graph, core_weights

CHECKED_SILENCE = 500  # samples
_BLOCK = 64  # as ``load`` takes by default, which may have compiled the very code


def machine_silence(capture: Capture, contract: Contract, samples: int, may_compile: bool = True) -> StartRows | None:
    """Where ``samples`` zeros lead, by machine code; None if that would gain nothing, or cannot be done here.

    Not ``may_compile``: only with code that this process or the cache on disk holds, so without LLVM.
    """
    options = host_options(contract)
    if samples <= 0 or options is None or not is_recurrent(capture.graph):
        return None
    find = host_program if may_compile else known_program
    program: HostProgram | None = find(capture.graph, options)
    if program is None:
        return None
    return program.silence(core_weights(program.core, capture.weights), samples)


def pack_from_silence(packing: PackingList, graph: Graph, capture: Capture, may_compile: bool = True) -> bytes:
    """As :meth:`PackingList.pack`, for a capture and its core graph, with the same bytes."""
    weights = core_weights(graph, capture.weights)
    rows = machine_silence(capture, packing.contract, capture.prewarm_samples, may_compile)
    return packing.pack(graph, weights, capture.prewarm_samples) if rows is None else packing.fill(graph, weights, rows)


def silent_interpreter(capture: Capture, contract: Contract) -> Interpreter:
    """The float32 interpreter after the capture's silence, on its core graph.

    Of a silence that machine code runs (:func:`is_left_to_machine_code`) the interpreter looks at both ends,
    :data:`CHECKED_SILENCE` samples each, and if it finds another bit it runs all of it.
    """
    graph = core_graph(capture.graph)
    interpreter = Interpreter(graph, core_weights(graph, capture.weights), "float32", contract)
    if not is_left_to_machine_code(capture, contract):
        interpreter.prewarm(capture.prewarm_samples)
        return interpreter
    first = machine_silence(capture, contract, CHECKED_SILENCE) or {}
    last = machine_silence(capture, contract, capture.prewarm_samples - CHECKED_SILENCE) or {}
    interpreter.prewarm(CHECKED_SILENCE)
    if all(_is_past(rows, first.get(node)) for node, rows in held_by(interpreter).items()):
        resume(interpreter, last)
        channels = sum(node.channels for node in graph.inputs)
        interpreter.process(np.zeros((channels, CHECKED_SILENCE), np.float32))
    else:
        interpreter.prewarm(capture.prewarm_samples)
    return interpreter


def is_left_to_machine_code(capture: Capture, contract: Contract) -> bool:
    """Whether there is a long silence through an LSTM, which this machine can run."""
    long = is_recurrent(capture.graph) and capture.prewarm_samples > 2 * CHECKED_SILENCE
    return long and host_options(contract) is not None


def _is_past(held: FloatArray, found: FloatArray | None) -> bool:
    """Whether the newest samples of ``found`` are ``held``, bit by bit."""
    return found is not None and np.array_equal(held.view(np.uint32), found[:, -held.shape[1] :].view(np.uint32))


def host_options(contract: Contract) -> Options | None:
    """How to compile for this machine under ``contract``; None if it cannot keep it."""
    try:
        options = make_options("host", block=_BLOCK)
    except UnsupportedError:
        return None
    kept = contract.mac in options.target.mac and contract.subnormals in options.target.subnormals
    return replace(options, contract=contract) if kept else None
