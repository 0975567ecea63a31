"""canonicalize: the forms the numeric contract is defined on."""

from __future__ import annotations

import numpy as np
from helpers.captures import capture_of, graph_of
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import assert_same_bits
from hypothesis import given

from schedc.backends.interpreter import Interpreter
from schedc.ir.graph import Graph
from schedc.ir.ops import Combine, Conv, Elementwise, Input, Slice, Start
from schedc.ir.printer import print_graph
from schedc.ir.program import Program
from schedc.ir.verify import verify_graph
from schedc.passes.canonicalize import Canonicalize, merge_slices

ADD, MUL, MUL_ADD = Elementwise.ADD, Elementwise.MUL, Elementwise.MUL_ADD
NOTHING, STREAM = Start.NOTHING, Start.STREAM


def canonical(graph: Graph) -> Graph:
    result = Canonicalize()(Program(graph, block=1)).graph
    verify_graph(result)
    return result


def test_the_mixin_continues_the_convolution() -> None:
    graph = canonical(
        graph_of(
            ("a", Conv(1, 2, 3), "x"),
            ("m", Conv(1, 2, start=NOTHING), "x"),
            ("z", Combine(ADD, 2), "a m"),
            ("y", Conv(2, 1), "z"),
        )
    )
    # The convolution keeps its name, under which its weights are filed, in the addition's place.
    assert [node.name for node in graph] == ["x", "a", "m", "y", "out"]
    assert graph["m"].op == Conv(1, 2, start=STREAM) and graph["m"].operands == ("x", "a")
    assert graph["y"].operands == ("m",)


def test_only_the_second_operand_is_absorbed() -> None:
    """Addition is exact either way, but starting from the first operand is another order of sums."""
    graph = graph_of(("m", Conv(1, 2, start=NOTHING), "x"), ("a", Conv(1, 2, 3), "x"), ("z", Combine(ADD, 2), "m a"))
    assert canonical(graph) == graph


def test_a_convolution_with_a_bias_is_not_absorbed() -> None:
    """A 1x1 convolution is computed from its bias and then added to the residual."""
    graph = graph_of(("r", Conv(1, 1), "x"), ("z", Combine(ADD, 1), "x r"))
    assert canonical(graph) == graph


def test_a_product_that_something_else_reads_stays() -> None:
    graph = graph_of(
        ("a", Conv(1, 1, 2), "x"),
        ("m", Conv(1, 1, start=NOTHING), "x"),
        ("z", Combine(ADD, 1), "a m"),
        ("y", Combine(MUL, 1), "z m"),
    )
    assert canonical(graph) == graph
    twice = graph_of(("m", Conv(1, 1, start=NOTHING), "x"), ("z", Combine(ADD, 1), "m m"))
    assert canonical(twice) == twice


def test_film_becomes_one_multiply_add() -> None:
    graph = canonical(
        graph_of(
            ("s", Conv(1, 4), "x"),
            ("v", Conv(1, 2, 3), "x"),
            ("scale", Slice(4, 0, 2), "s"),
            ("shift", Slice(4, 2, 4), "s"),
            ("scaled", Combine(MUL, 2), "v scale"),
            ("film", Combine(ADD, 2), "scaled shift"),
        )
    )
    assert graph["film"].op == Combine(MUL_ADD, 2)
    assert graph["film"].operands == ("v", "scale", "shift")
    assert "scaled" not in graph


def test_a_product_as_second_operand_stays() -> None:
    graph = graph_of(("p", Combine(MUL, 1), "x x"), ("z", Combine(ADD, 1), "x p"))
    assert canonical(graph) == graph


def test_an_absorbed_addition_can_be_absorbed_into_the_next() -> None:
    graph = canonical(
        graph_of(
            ("a", Conv(1, 1, 2), "x"),
            ("m", Conv(1, 1, start=NOTHING), "x"),
            ("z", Combine(ADD, 1), "a m"),
            ("n", Conv(1, 1, start=NOTHING), "x"),
            ("w", Combine(ADD, 1), "z n"),
        )
    )
    assert [(node.name, node.operands) for node in graph][1:4] == [("a", ("x",)), ("m", ("x", "a")), ("n", ("x", "m"))]


def test_slices_merge_and_slices_of_everything_vanish() -> None:
    graph = graph_of(
        ("x", Input(8), ""),
        ("a", Slice(8, 0, 8), "x"),
        ("b", Slice(8, 2, 7), "a"),
        ("c", Slice(5, 0, 5), "b"),
        ("d", Slice(5, 1, 3), "c"),
    )
    merged = merge_slices(graph)
    assert print_graph(merged) == (
        "%x : [8] = input()\n%b : [5] = slice 2:7(%x)\n%d : [2] = slice 3:5(%x)\n%out : [0] = output(%d)\n"
    )


@examples_per_test(60)
@given(examples(recurrent=True))
def test_it_is_idempotent_and_keeps_the_meaning(example: Example) -> None:
    graph = canonical(example.graph)
    assert canonical(graph) == graph
    if any(not np.isfinite(v).all() or np.abs(v).max() > 100 for t in example.weights.values() for v in t.values()):
        return  # other sums may then overflow
    x = signal(graph.in_channels, 60, example.seed)
    weights = capture_of(example.graph, example.weights).weights
    kept = {node.name: weights[node.name] for node in graph if node.name in weights}
    wanted = Interpreter(example.graph, weights, "float64").process(x)
    found = Interpreter(graph, kept, "float64").process(x)
    peak = np.maximum(1.0, np.abs(wanted).max())
    assert np.abs(found - wanted).max() <= 1e-9 * peak


def test_merging_slices_changes_no_bit() -> None:
    graph = graph_of(("x", Input(6), ""), ("a", Slice(6, 1, 6), "x"), ("b", Slice(5, 1, 4), "a"))
    x = signal(6, 20, 0)
    assert_same_bits(Interpreter(merge_slices(graph), {}).process(x), Interpreter(graph, {}).process(x))
