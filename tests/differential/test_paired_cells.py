"""LSTM cells that share a loop: the same bits as the interpreter, one frame at a time and many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.machines import Loaded, assert_same_bits, cut_blocks, native_targets

from schedc.compiler import compile_graph
from schedc.cost.model import predict_alone, predict_kernels
from schedc.ir.graph import Graph
from schedc.ir.ops import Combine, Conv, Elementwise, LstmCell
from schedc.loops.paired_cells import share_loop
from schedc.options import make_options
from schedc.planning import plan_graph
from schedc.schedule import ScheduleOverrides

BLOCK = 24


def stacked(*units: int) -> Graph:
    """Cells on top of each other."""
    widths = (1, *units)
    names = ("x", *(f"l{number}" for number in range(len(units))))
    steps = [(names[i + 1], LstmCell(widths[i], widths[i + 1]), names[i]) for i in range(len(units))]
    return graph_of(*steps, ("head", Conv(units[-1], 1), names[-1]))


def side_by_side() -> Graph:
    """Two cells on the same input."""
    add = ("sum", Combine(Elementwise.ADD, 3), "a b")
    return graph_of(("a", LstmCell(1, 3), "x"), ("b", LstmCell(1, 3), "x"), add, ("head", Conv(3, 1), "sum"))


@pytest.mark.parametrize("target", [*native_targets(), "aarch64"])
@pytest.mark.parametrize(
    "graph", [stacked(8, 8), stacked(3, 8, 4), stacked(4, 4, 4, 4), stacked(12, 8), side_by_side()]
)
@pytest.mark.parametrize("cores", [1, 2])
def test_bits(graph: Graph, target: str, cores: int) -> None:
    capture = capture_of(graph, prewarm=100)
    compilation = compile_for(graph, target, cores=cores, block=BLOCK)
    x = np.random.default_rng(1).normal(0.0, 0.5, (1, 400)).astype(np.float32)
    wanted = interpret_core(capture, x, compilation.options.contract)
    for calls in ([1] * 400, [BLOCK] * 16 + [16], cut_blocks(400, BLOCK, 3)):
        found = Loaded(compilation, packed(compilation, capture)).process(x, calls)
        assert_same_bits(found, wanted, f"{target}, {cores} cores, calls of {calls[:3]}")


@pytest.mark.parametrize("target", [*native_targets(), "aarch64", "a8"])
def test_input_columns_in_a_loop(target: str) -> None:
    """A sum of inputs that is a loop of its own cannot be mixed with anything else."""
    graph = graph_of(("in", Conv(1, 6, 1), "x"), ("a", LstmCell(6, 4), "in"), ("head", Conv(4, 1), "a"))
    capture, options = capture_of(graph, prewarm=100), make_options(target, block=BLOCK)
    loops = replace(options, schedule=ScheduleOverrides((("*", (("unroll_macs", 1),)),)))
    x = np.random.default_rng(1).normal(0.0, 0.5, (1, 200)).astype(np.float32)
    wanted = interpret_core(capture, x, options.contract)
    for chosen in (options, loops):
        compilation = compile_graph(capture.graph, chosen)
        found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(200, BLOCK, 3))
        assert_same_bits(found, wanted, target)


@pytest.mark.parametrize(
    ("first", "second", "pair"), [((1, 8), (8, 8), True), ((1, 16), (16, 16), False), ((1, 8), (8, 9), False)]
)
def test_what_is_paired(first: tuple[int, int], second: tuple[int, int], pair: bool) -> None:
    if "avx2" not in native_targets():
        pytest.skip("the shapes are those of an x86 target")
    builder = graph_of(("a", LstmCell(*first), "x"), ("b", LstmCell(*second), "a"), ("head", Conv(second[1], 1), "b"))
    shapes = [kernel.shape for kernel in compile_for(builder, "avx2").layout.kernels]
    ops = [(shape.steps[0].op, shape.schedule) for shape in shapes]
    assert share_loop(ops[0], ops[1]) == pair
    assert not share_loop(ops[1], ops[2])


def test_a_pair_is_predicted_to_take_less_than_its_cells() -> None:
    options = make_options("zen4")
    one, two = (plan_graph(stacked(*units), options).program for units in ((8,), (8, 8)))
    alone, *_ = predict_kernels(one, options.target, options.contract)
    first, second, *_ = predict_kernels(two, options.target, options.contract)
    assert alone < first + second < 1.8 * alone


def test_cells_on_different_cores_are_priced_alone() -> None:
    options = make_options("zen4", cores=2, split=(1,))
    program = plan_graph(stacked(8, 8), options).program
    given = (program, options.target, options.contract)
    assert predict_kernels(*given) == pytest.approx(predict_alone(*given))
