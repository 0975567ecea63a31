"""``interpret``: the reference interpreter on a file, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from schedc.backends.interpreter import Interpreter, Precision
from schedc.compiler import ModelPath, core_graph, core_weights, read_capture
from schedc.errors import UserError
from schedc.frontend.build_graph import BuildOptions
from schedc.ir.contract import Contract
from schedc.planning import math_named


def interpret(
    path: ModelPath,
    x: npt.ArrayLike,
    precision: Precision = "float64",
    slim: float | None = None,
    prewarm: bool = True,
    contract: Contract | None = None,
    core_0_5_5_layer1x1_post_film: bool = False,
    *,
    math: str = "exact",
) -> npt.NDArray[Any]:
    """The capture's answer to ``x`` ([n] or [channels, n]) by the reference interpreter.

    ``float64`` evaluates the graph as built with the true functions; ``float32`` gives the bits of the
    machine code under ``contract``, or without one under this machine's with ``math``.
    ``core_0_5_5_layer1x1_post_film`` reproduces an old engine's FiLM bug.
    """
    capture = read_capture(path, slim, BuildOptions(core_0_5_5_layer1x1_post_film))
    graph, weights = capture.graph, capture.weights
    if precision == "float32":
        graph = core_graph(graph)
        weights = core_weights(graph, weights)
    interpreter = Interpreter(graph, weights, precision, contract or Contract(math=math_named(math)))
    if prewarm:
        interpreter.prewarm(capture.prewarm_samples)
    given = np.asarray(x)
    rows = np.atleast_2d(given)
    channels = sum(node.channels for node in graph.inputs)
    if given.ndim > 2 or rows.shape[0] != channels:
        raise UserError("interpret", f"input of shape {given.shape}", f"give [n] or [channels, n] with {channels} rows")
    y = interpreter.process(rows)
    return y[0] if given.ndim == 1 and len(y) == 1 else y
