"""eliminate-dead-terminals: nothing is computed that no output hears, and no bit changes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.captures import EXAMPLES, graph_of, random_weights
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import assert_same_bits
from hypothesis import given

from schedc.backends.interpreter import Interpreter
from schedc.frontend.capture import read_capture
from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, ActivationKind, Combine, Conv, Elementwise, Input, Scale, Slice, macs
from schedc.ir.program import Program
from schedc.ir.recipes import KeepRows
from schedc.ir.verify import verify_graph
from schedc.passes.canonicalize import Canonicalize
from schedc.passes.core import core_weights
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals

ADD = Elementwise.ADD


def slim(graph: Graph) -> Graph:
    result = EliminateDeadTerminals()(Program(graph, block=1)).graph
    verify_graph(result)
    return result


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph]


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem.startswith("a")], ids=lambda path: path.stem)
def test_the_last_layer_of_a_wavenet_has_no_residual(path: object) -> None:
    graph = Canonicalize()(Program(read_capture(str(path)).graph, block=1)).graph
    last = max(int(name.split(".")[1][5:]) for name in names(graph) if ".layer" in name and _last_array(graph, name))
    place = f"{_arrays(graph)[-1]}.layer{last}"
    assert f"{place}.residual" in graph and f"{place}.layer1x1" in graph
    after = slim(graph)
    assert f"{place}.residual" not in after and f"{place}.layer1x1" not in after
    assert {name for name in names(graph) if name not in after} == {f"{place}.residual", f"{place}.layer1x1"}


def _arrays(graph: Graph) -> list[str]:
    return sorted({name.split(".")[0] for name in names(graph) if name.startswith("array")})


def _last_array(graph: Graph, name: str) -> bool:
    return name.startswith(_arrays(graph)[-1])


def test_unread_nodes_go_but_inputs_stay() -> None:
    graph = slim(graph_of(("a", Conv(1, 2, 9), "x"), ("b", Scale(2), "a"), ("c", Scale(1), "x")))
    assert names(graph) == ["x", "c", "out"]


def test_unread_rows_of_a_convolution_go_with_a_recipe() -> None:
    graph = slim(
        graph_of(
            ("c", Conv(1, 8, 3), "x"),
            ("a", Slice(8, 2, 4), "c"),
            ("b", Slice(8, 3, 5), "c"),
            ("s", Combine(ADD, 2), "a b"),
        )
    )
    assert graph["c"].op == Conv(1, 3, 3)
    assert graph["a"].op == Slice(3, 0, 2) and graph["b"].op == Slice(3, 1, 3)
    assert graph.recipes == (KeepRows("c", 2, 5),)


def test_a_slice_of_all_that_is_left_vanishes() -> None:
    graph = slim(graph_of(("c", Conv(1, 8), "x"), ("a", Slice(8, 2, 4), "c")))
    assert names(graph) == ["x", "c", "out"] and graph["c"].op == Conv(1, 2)


def test_a_convolution_that_is_also_read_whole_keeps_its_rows() -> None:
    graph = graph_of(("c", Conv(1, 2), "x"), ("a", Slice(2, 0, 1), "c"), ("d", Conv(1, 2, start=Conv(1, 1).start), "a"))
    whole = graph_of(
        ("c", Conv(1, 2), "x"), ("a", Slice(2, 0, 1), "c"), ("d", Conv(1, 2), "a"), ("s", Combine(ADD, 2), "c d")
    )
    assert slim(whole) == whole
    assert slim(graph)["c"].op == Conv(1, 1)


def test_grouped_convolutions_keep_their_rows() -> None:
    graph = graph_of(("x", Input(4), ""), ("c", Conv(4, 4, 3, 1, 4), "x"), ("s", Slice(4, 0, 2), "c"))
    assert slim(graph) == graph


def test_slices_move_up_through_element_wise_ops() -> None:
    graph = slim(
        graph_of(
            ("c", Conv(1, 6, 2), "x"),
            ("t", Activation(ActivationKind.TANH, 6), "c"),
            ("g", Scale(6), "t"),
            ("s", Slice(6, 4, 6), "g"),
        )
    )
    assert graph["c"].op == Conv(1, 2, 2) and graph["t"].op == Activation(ActivationKind.TANH, 2)
    assert graph["g"].op == Scale(2) and graph.recipes == (KeepRows("c", 4, 6),)


@pytest.mark.parametrize("width", [2, 6])
def test_slopes_are_cut_with_the_channels(width: int) -> None:
    graph = slim(
        graph_of(
            ("c", Conv(1, width, 2), "x"),
            ("p", Activation(ActivationKind.PRELU, width), "c"),
            ("s", Slice(width, 1, 2), "p"),
        )
    )
    assert graph["p"].op == Activation(ActivationKind.PRELU, 1)
    assert set(graph.recipes) == {KeepRows("p", 1, 2), KeepRows("c", 1, 2)}


def test_one_slope_for_all_channels_is_kept() -> None:
    graph = slim(
        graph_of(
            ("c", Conv(1, 3), "x"), ("p", Activation(ActivationKind.LEAKY_RELU, 3), "c"), ("s", Slice(3, 1, 3), "p")
        )
    )
    assert graph.recipes == (KeepRows("c", 1, 3),)


@examples_per_test(120)
@given(examples(recurrent=True))
def test_no_bit_changes(example: Example) -> None:
    before = Canonicalize()(Program(example.graph, block=1)).graph
    after = slim(before)
    x = signal(before.in_channels, 50, example.seed, special=True)
    weights = {node.name: example.weights[node.name] for node in before if node.name in example.weights}
    wanted = Interpreter(before, weights).process(x)
    assert_same_bits(Interpreter(after, core_weights(after, weights)).process(x), wanted)
    assert sum(macs(node.op) for node in after) <= sum(macs(node.op) for node in before)
    assert slim(after) == after


def test_recipes_fit_any_capture_of_the_architecture() -> None:
    graph = graph_of(("c", Conv(1, 4, 2), "x"), ("s", Slice(4, 1, 3), "c"))
    after = slim(graph)
    for seed in range(3):
        weights = random_weights(graph, seed)
        kept = core_weights(after, weights)["c"]
        assert np.array_equal(kept["weight"], weights["c"]["weight"][1:3])
        assert np.array_equal(kept["bias"], weights["c"]["bias"][1:3])
