"""What ``explain`` predicts for boards from counts, the static analyser finds in the machine code: near each other."""

from __future__ import annotations

import pytest
from helpers.captures import EXAMPLES, graph_of

from schedc.analyze import analyze_compilation
from schedc.compiler import compile_graph
from schedc.cost.model import predict_program
from schedc.frontend.capture import read_capture
from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, ActivationKind, Conv
from schedc.options import make_options

BY_NAME = {path.stem: path for path in EXAMPLES}


def predicted_over_analysed(graph: Graph, target: str, mac: str) -> float:
    options = make_options(target, mac=mac)
    compilation = compile_graph(graph, options)
    found = analyze_compilation(compilation, calls=3).mean
    return predict_program(compilation.program, options.target, options.contract) / found


@pytest.mark.parametrize(("target", "mac"), [("m33", "fused"), ("m33", "unfused"), ("a8", "unfused")])
@pytest.mark.parametrize("kind", ActivationKind)
def test_every_activation(kind: ActivationKind, target: str, mac: str) -> None:
    """Six channels of it between two small convolutions."""
    graph = graph_of(("c", Conv(1, 6, 3, 2), "x"), ("a", Activation(kind, 6), "c"), ("m", Conv(6, 1), "a"))
    assert 0.85 < predicted_over_analysed(graph, target, mac) < 1.2


@pytest.mark.parametrize(("target", "mac"), [("m33", "fused"), ("a8", "unfused")])
@pytest.mark.parametrize("name", ["a1_nano", "a2_lite", "convnet", "lstm_1x16"])
def test_captures(name: str, target: str, mac: str) -> None:
    assert 0.9 < predicted_over_analysed(read_capture(BY_NAME[name]).graph, target, mac) < 1.2
