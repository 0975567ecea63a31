"""fold-constants: batch norms disappear, the capture's numbers follow by a recipe."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.captures import graph_of, random_weights
from helpers.graph_strategy import signal

from schedc.backends.interpreter import Interpreter
from schedc.errors import InternalError
from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, ActivationKind, BatchNorm, Combine, Conv, Elementwise, Start
from schedc.ir.program import Level, Program
from schedc.ir.recipes import FoldBatchNorm
from schedc.passes.core import core_graph, core_weights
from schedc.passes.fold_constants import FoldConstants

RELU = Activation(ActivationKind.RELU, 3)


def folded(graph: Graph) -> Graph:
    program = FoldConstants()(Program(graph, block=1))
    assert program.level is Level.CORE
    return program.graph


def two_blocks(start: Start) -> Graph:
    return graph_of(
        ("v", Conv(1, 3, 2, 4, start=start), "x"),
        ("n", BatchNorm(3), "v"),
        ("a", RELU, "n"),
        ("w", Conv(3, 3, 2, 8, 3, start), "a"),
        ("o", BatchNorm(3), "w"),
        ("head", Conv(3, 1), "o"),
    )


@pytest.mark.parametrize("start", [Start.NOTHING, Start.BIAS])
def test_batch_norms_become_biases_and_recipes(start: Start) -> None:
    graph = folded(two_blocks(start))
    assert [node.name for node in graph] == ["x", "v", "a", "w", "head", "out"]
    assert graph["v"].op == Conv(1, 3, 2, 4, start=Start.BIAS)
    assert graph["a"].operands == ("v",) and graph["head"].operands == ("w",)
    assert graph.recipes == (FoldBatchNorm("v", "n"), FoldBatchNorm("w", "o"))


@pytest.mark.parametrize("start", [Start.NOTHING, Start.BIAS])
def test_folded_weights_give_the_same_signal(start: Start) -> None:
    graph = two_blocks(start)
    weights = random_weights(graph, seed=3)
    core = core_graph(graph)
    x = signal(1, 200, 0)
    wanted = Interpreter(graph, weights, "float64").process(x)
    found = Interpreter(core, core_weights(core, weights), "float64").process(x)
    assert np.abs(found - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())


def test_the_fold_is_rounded_once() -> None:
    """Each folded weight is the float32 nearest to the exact product."""
    graph = two_blocks(Start.NOTHING)
    weights = random_weights(graph, seed=4)
    core = core_graph(graph)
    norm = {key: values.astype(np.longdouble) for key, values in weights["n"].items()}
    scale = norm["gamma"] / np.sqrt(norm["variance"] + norm["epsilon"])
    table = core_weights(core, weights)["v"]
    exact = weights["v"]["weight"].astype(np.longdouble) * scale[:, None, None]
    assert (np.abs(table["weight"] - exact) <= np.spacing(np.abs(table["weight"])) * 0.5001).all()
    assert np.allclose(table["bias"], (norm["beta"] - scale * norm["mean"]).astype(float), rtol=2e-7, atol=1e-8)


def test_a_graph_without_batch_norms_is_left_alone() -> None:
    graph = graph_of(("c", Conv(1, 2, 3), "x"))
    assert folded(graph) == graph


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(("n", BatchNorm(1), "x")),
        graph_of(("c", Conv(1, 1, start=Start.STREAM), "x x"), ("n", BatchNorm(1), "c")),
        graph_of(("c", Conv(1, 1), "x"), ("n", BatchNorm(1), "c"), ("s", Combine(Elementwise.ADD, 1), "c n")),
    ],
    ids=["after the input", "after a mixin", "beside another reader"],
)
def test_a_batch_norm_without_a_convolution_of_its_own_is_our_bug(graph: Graph) -> None:
    with pytest.raises(InternalError, match="n does not follow a convolution of its own"):
        folded(graph)
