"""``interpret``: the reference interpreter on a file, in one call."""

from __future__ import annotations

from typing import Any, Unpack, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from schedc.backends.interpreter import Interpreter, Precision
from schedc.errors import OptionError, tell
from schedc.frontend.capture import Capture
from schedc.frontend.chains import ModelPaths, read_source
from schedc.ir.contract import Contract
from schedc.options import ContractOptions, InterpretOptions, choose, taking
from schedc.passes.core import core_graph, core_weights
from schedc.samples import samples
from schedc.wording import shown


def reference_interpreter(capture: Capture, precision: Precision, contract: Contract | None = None) -> Interpreter:
    """The interpreter of a capture, in the zero state: ``float64`` on the graph as built, with the true functions;
    ``float32`` on the core graph, where it defines the bits under the contract.
    """
    graph, weights = capture.graph, capture.weights
    if precision == "float32":
        graph = core_graph(graph)
        weights = core_weights(graph, weights)
    return Interpreter(graph, weights, precision, contract)


@taking(InterpretOptions)
def interpret(
    path: ModelPaths,
    x: npt.ArrayLike,
    precision: Precision = "float64",
    *,
    contract: Contract | None = None,
    **given: Unpack[InterpretOptions],
) -> npt.NDArray[Any]:
    """The answer of a capture, or of a list of captures in a row, to ``x`` by the reference interpreter.

    ``x``: floats, [n] (one channel) or [channels, n]; the answer has the same form.  ``float64`` evaluates the graph
    as built with the true functions; ``float32`` gives the bits of the machine code under ``contract``, or without
    one under this machine's with ``math`` and ``nonfinite``, which cannot stand beside a contract.
    The other options: :class:`schedc.options.InterpretOptions`.
    """
    choices = choose("host", given)
    if precision not in get_args(Precision):
        raise OptionError("precision", f"{shown(precision)} is none", f"use {' or '.join(get_args(Precision))}")
    if not isinstance(contract, Contract | None):
        raise OptionError("contract", f"{shown(contract)} is not a Contract")
    for name in get_type_hints(ContractOptions):
        if contract is not None and name in given:
            raise OptionError(name, "is part of the contract, which is given, too", "leave one of them out")
    capture = read_source(path, choices.reading)
    tell(capture.warnings)
    interpreter = reference_interpreter(capture, precision, contract or choices.options.contract)
    rows, flat = samples("interpret", x, interpreter.graph.in_channels, np.dtype(precision))
    interpreter.prewarm(capture.prewarm_samples)
    y = interpreter.process(rows)
    return y[0] if flat and len(y) == 1 else y
