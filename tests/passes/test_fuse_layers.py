"""fuse-layers: which nodes share a loop over frames."""

from __future__ import annotations

from helpers.captures import EXAMPLES, graph_of
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples
from hypothesis import given

from schedc.frontend.capture import read_capture
from schedc.ir.graph import Graph
from schedc.ir.ops import Combine, Conv, Elementwise, Input, LstmCell, Output, Scale, Slice
from schedc.ir.verify import check_kernels_cover, check_recurrent_alone
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers

ADD = Elementwise.ADD


def kernels(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {kernel.name: kernel.nodes for kernel in fuse_layers(graph)}


def test_a2_has_a_kernel_per_layer_and_one_for_the_head() -> None:
    path = next(path for path in EXAMPLES if path.stem == "a2_lite")
    made = kernels(core_graph(read_capture(path).graph))
    assert list(made) == [*(f"array0.layer{i}" for i in range(23)), "array0.head"]
    # The rechannel sinks into the first layer, the layer keeps its values to the residual.
    assert made["array0.layer0"][0] == "array0.rechannel"
    assert made["array0.layer1"][0] == "array0.layer1.conv" and made["array0.layer1"][-1] == "array0.layer1.residual"
    assert made["array0.head"] == ("array0.head", "head_scale")


def test_every_convolution_with_history_and_every_lstm_starts_a_kernel() -> None:
    graph = graph_of(
        ("x", Input(3), ""),
        ("a", Conv(3, 2, 3), "x"),
        ("b", Scale(2), "a"),
        ("c", Conv(2, 2, 2), "b"),
        ("l", LstmCell(2, 3), "c"),
        ("h", Conv(3, 1), "l"),
    )
    assert list(kernels(graph).values()) == [("a", "b"), ("c",), ("l",), ("h",)]


def test_what_only_a_later_kernel_needs_sinks_into_it_when_less_is_carried() -> None:
    wide = graph_of(("r", Conv(1, 8), "x"), ("a", Conv(8, 1, 3), "r"))
    assert kernels(wide) == {"a": ("r", "a")}
    narrow = graph_of(("x", Input(8), ""), ("c", Conv(8, 8, 2), "x"), ("r", Conv(8, 1), "c"), ("a", Conv(1, 1, 3), "r"))
    assert list(kernels(narrow).values()) == [("c", "r"), ("a",)]


def test_slices_sink() -> None:
    graph = graph_of(
        ("x", Input(8), ""),
        ("c", Conv(8, 4, 2), "x"),
        ("s", Slice(4, 0, 2), "c"),
        ("d", Conv(4, 2, 3), "c"),
        ("e", Combine(ADD, 2), "d s"),
    )
    assert kernels(graph)["d"] == ("s", "d", "e")


def test_nothing_sinks_into_an_lstm() -> None:
    graph = graph_of(("r", Conv(1, 4), "x"), ("l", LstmCell(4, 2), "r"))
    assert list(kernels(graph).values()) == [("r",), ("l",)]


def test_beside_a_second_lstm_nodes_find_another_kernel() -> None:
    graph = graph_of(
        ("l", LstmCell(1, 3), "x"), ("m", LstmCell(1, 3), "x"), ("p", Conv(3, 3), "l"), ("s", Combine(ADD, 3), "p m")
    )
    check_recurrent_alone(graph, fuse_layers(graph))
    check_kernels_cover(graph, fuse_layers(graph))


@examples_per_test(150)
@given(examples(recurrent=True))
def test_kernels_cover_every_graph(example: Example) -> None:
    graph = core_graph(example.graph)
    made = fuse_layers(graph)
    check_kernels_cover(graph, made)
    check_recurrent_alone(graph, made)
    assert len({kernel.name for kernel in made}) == len(made)
    for kernel in made:
        inside = [graph[name] for name in kernel.nodes]
        assert not any(isinstance(node.op, Input | Output) for node in inside)
