"""``interpret``: the reference interpreter on a file, in one call."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from schedc.backends.interpreter import Interpreter, Precision
from schedc.errors import UserError
from schedc.ir.contract import Contract
from schedc.options import InterpretOptions, choose, taking
from schedc.planning import ModelPath, core_graph, core_weights, read_capture


@taking(InterpretOptions)
def interpret(
    path: ModelPath,
    x: npt.ArrayLike,
    precision: Precision = "float64",
    *,
    contract: Contract | None = None,
    **given: Unpack[InterpretOptions],
) -> npt.NDArray[Any]:
    """The capture's answer to ``x`` ([n] or [channels, n]) by the reference interpreter.

    ``float64`` evaluates the graph as built with the true functions; ``float32`` gives the bits of the
    machine code under ``contract``, or without one under this machine's with ``math``.  The other options:
    :class:`schedc.options.InterpretOptions`.
    """
    choices = choose("host", given)
    capture = read_capture(path, choices.reading)
    graph, weights = capture.graph, capture.weights
    if precision == "float32":
        graph = core_graph(graph)
        weights = core_weights(graph, weights)
    interpreter = Interpreter(graph, weights, precision, contract or choices.options.contract)
    interpreter.prewarm(capture.prewarm_samples)
    given_x = np.asarray(x)
    rows = np.atleast_2d(given_x)
    channels = sum(node.channels for node in graph.inputs)
    if given_x.ndim > 2 or rows.shape[0] != channels:
        raise UserError(
            "interpret", f"input of shape {given_x.shape}", f"give [n] or [channels, n] with {channels} rows"
        )
    y = interpreter.process(rows)
    return y[0] if given_x.ndim == 1 and len(y) == 1 else y
