"""The graph: order, consumers, equality, digest."""

from __future__ import annotations

import pytest
from helpers.captures import graph_of

from schedc.errors import InternalError
from schedc.ir.graph import Graph, GraphBuilder, Node
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    BatchNorm,
    Combine,
    Conv,
    Elementwise,
    Input,
    LstmCell,
    Output,
    Scale,
    Slice,
    Start,
    history,
    macs,
)
from schedc.ir.recipes import FoldBatchNorm

DIAMOND = graph_of(
    ("c", Conv(1, 2, 3, 5), "x"),
    ("a", Activation(ActivationKind.TANH, 2), "c"),
    ("b", Scale(2), "c"),
    ("s", Combine(Elementwise.ADD, 2), "a b"),
)


def test_nodes_come_in_the_order_they_were_added() -> None:
    assert [node.name for node in DIAMOND] == ["x", "c", "a", "b", "s", "out"]
    assert len(DIAMOND) == 6 and "s" in DIAMOND and "t" not in DIAMOND


def test_consumers_are_in_order_and_come_once() -> None:
    assert [node.name for node in DIAMOND.consumers("c")] == ["a", "b"]
    square = graph_of(("m", Combine(Elementwise.MUL, 1), "x x"))
    assert [node.name for node in square.consumers("x")] == ["m"]
    assert square["m"].operands == ("x", "x")


def test_ancestors_inputs_outputs() -> None:
    assert DIAMOND.ancestors("s") == {"x", "c", "a", "b"}
    assert [node.name for node in DIAMOND.inputs] == ["x"]
    assert [node.name for node in DIAMOND.outputs] == ["out"]


def test_equality_is_structure_order_and_recipes() -> None:
    again = Graph(DIAMOND)
    assert again == DIAMOND and hash(again) == hash(DIAMOND) and again.digest() == DIAMOND.digest()
    nodes = {node.name: node for node in DIAMOND}
    swapped = Graph(nodes[name] for name in ("x", "c", "b", "a", "s", "out"))
    recipes = Graph(DIAMOND, [FoldBatchNorm("c", "n")])
    wider = graph_of(("c", Conv(1, 2, 3, 6), "x"))
    for other in (swapped, recipes, wider):
        assert other != DIAMOND and other.digest() != DIAMOND.digest()
    assert DIAMOND != "a graph"


def test_a_node_reads_only_what_is_defined_before_it() -> None:
    with pytest.raises(InternalError, match="a reads b, which is not defined before it"):
        Graph([Node("a", Scale(1), ("b",)), Node("b", Input(1), ())])


def test_names_are_unique() -> None:
    builder = GraphBuilder()
    builder.add("x", Input(1))
    with pytest.raises(InternalError, match="two nodes are named x"):
        builder.add("x", Input(1))
    with pytest.raises(InternalError, match="two nodes are named x"):
        Graph([Node("x", Input(1), ()), Node("x", Input(1), ())])


def test_the_digest_is_the_same_in_every_version_of_python() -> None:
    """Pinned: the compile cache and the blob's digest are built on it."""
    graph = graph_of(("c", Conv(1, 1, 2, 3), "x"))
    assert graph.digest() == graph_of(("c", Conv(1, 1, 2, 3), "x")).digest()
    assert len(graph.digest()) == 64


def test_history_and_work() -> None:
    assert history(Conv(4, 2, 3, 5, 2)) == 10
    assert history(Conv(4, 2, 1, 500)) == 0
    assert history(LstmCell(3, 4)) == 0
    assert macs(Conv(4, 2, 3, 5, 2)) == 2 * 2 * 3
    assert macs(LstmCell(3, 4)) == 16 * 7
    assert macs(Scale(5)) == 5
    assert macs(Combine(Elementwise.MUL_ADD, 4)) == 4
    assert macs(Combine(Elementwise.ADD, 4)) == macs(Slice(4, 1, 2)) == macs(Output(2)) == 0


def test_parameters_state_the_shapes_of_the_weights() -> None:
    assert Conv(4, 6, 3, 2, 2).parameters() == {"weight": (6, 2, 3), "bias": (6,)}
    assert Conv(4, 6, start=Start.STREAM).parameters() == {"weight": (6, 4, 1)}
    assert LstmCell(2, 3).parameters() == {"weight": (12, 5), "bias": (12,), "hidden": (3,), "cell": (3,)}
    assert Activation(ActivationKind.PRELU, 5).parameters() == {"slope": (5,)}
    assert Activation(ActivationKind.LEAKY_RELU, 5).parameters() == {"slope": (1,)}
    assert Activation(ActivationKind.LEAKY_HARDTANH, 5).parameters() == {"limits": (4,)}
    assert set(BatchNorm(2).parameters()) == {"mean", "variance", "gamma", "beta", "epsilon"}
    assert Combine(Elementwise.MUL_ADD, 3).operand_channels == (3, 3, 3)
    assert Conv(4, 6, start=Start.STREAM).operand_channels == (4, 6)
