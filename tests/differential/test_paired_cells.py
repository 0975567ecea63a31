"""LSTM cells that share a loop: the same bits as the interpreter, one frame at a time and many."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core
from helpers.machines import Loaded, assert_same_bits, cut_blocks, native_targets

from schedc.backends.llvm.recurrent import can_pair
from schedc.ir.graph import Graph
from schedc.ir.ops import Combine, Conv, Elementwise, LstmCell

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
        found = Loaded(compilation, compilation.pack(capture)).process(x, calls)
        assert_same_bits(found, wanted, f"{target}, {cores} cores, calls of {calls[:3]}")


@pytest.mark.parametrize(
    ("first", "second", "pair"), [((1, 8), (8, 8), True), ((1, 16), (16, 16), False), ((1, 8), (8, 9), False)]
)
def test_what_is_paired(first: tuple[int, int], second: tuple[int, int], pair: bool) -> None:
    if "avx2" not in native_targets():
        pytest.skip("the shapes are those of an x86 target")
    builder = graph_of(("a", LstmCell(*first), "x"), ("b", LstmCell(*second), "a"), ("head", Conv(second[1], 1), "b"))
    kernels = compile_for(builder, "avx2").layout.kernels
    assert can_pair(kernels[0].shape, kernels[1].shape) == pair
    assert not can_pair(kernels[1].shape, kernels[2].shape)
