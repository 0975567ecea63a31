"""Shapes at the edges, one graph each: the machine code gives the interpreter's bits."""

from __future__ import annotations

import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.effort import in_turn
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits, cut_blocks

from schedc.ir.graph import Graph
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    Combine,
    Conv,
    Elementwise,
    Input,
    LstmCell,
    Scale,
    Slice,
    Start,
)
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers

TANH, RELU = ActivationKind.TANH, ActivationKind.RELU
ADD, MUL, SUB, MUL_ADD = Elementwise.ADD, Elementwise.MUL, Elementwise.SUB, Elementwise.MUL_ADD
NOTHING, STREAM = Start.NOTHING, Start.STREAM

SHAPES: dict[str, Graph] = {
    "one gain": graph_of(("g", Scale(1), "x")),
    "one tap": graph_of(("c", Conv(1, 1, start=NOTHING), "x")),
    "dilation without taps to dilate": graph_of(("c", Conv(1, 3, 1, 500), "x")),
    "dilation far beyond the block": graph_of(("c", Conv(1, 2, 3, 700), "x"), ("d", Conv(2, 1, 2, 450), "c")),
    "many taps": graph_of(("c", Conv(1, 1, 333, 1, 1, NOTHING), "x")),
    "depthwise": graph_of(("c", Conv(1, 40), "x"), ("d", Conv(40, 40, 3, 2, 40), "c"), ("e", Conv(40, 1), "d")),
    "grouped, uneven blocks": graph_of(
        ("c", Conv(1, 21), "x"), ("d", Conv(21, 33, 2, 3, 3), "c"), ("e", Conv(33, 11, groups=11), "d")
    ),
    "registers feed a wide grouped convolution": graph_of(
        ("x", Input(4), ""), ("a", Activation(TANH, 4), "x"), ("c", Conv(4, 64, groups=4), "a")
    ),
    "wide everything": graph_of(
        ("c", Conv(1, 40, 3, 5), "x"),
        ("a", Activation(ActivationKind.PRELU, 40), "c"),
        ("d", Conv(40, 40, 2, 2), "a"),
        ("s", Slice(40, 3, 37), "d"),
        ("t", Activation(RELU, 34), "s"),
        ("e", Conv(34, 2), "t"),
    ),
    "ring read by the output too": graph_of(("c", Conv(1, 2, 3, 5), "x"), ("d", Conv(2, 1, 9, 20), "c"), out="c"),
    "ring that is added to what reads it": graph_of(
        ("c", Conv(1, 2, 3, 5), "x"), ("d", Conv(2, 2, 9, 20), "c"), ("e", Combine(ADD, 2), "d c")
    ),
    "one stream, several histories": graph_of(
        ("c", Conv(1, 3, 2, 1), "x"),
        ("d", Conv(3, 3, 3, 40), "c"),
        ("e", Conv(3, 3, 2, 7), "c"),
        ("f", Combine(SUB, 3), "d e"),
        ("g", Conv(3, 3, 5, 3, start=STREAM), "c f"),
    ),
    "a stream times itself": graph_of(("c", Conv(1, 2, 3), "x"), ("m", Combine(MUL_ADD, 2), "c c c")),
    "a convolution that starts from what it reads": graph_of(
        ("c", Conv(1, 2, 2), "x"), ("d", Conv(2, 2, 3, 2, start=STREAM), "c c")
    ),
    "slices of the input": graph_of(
        ("x", Input(5), ""), ("s", Slice(5, 1, 4), "x"), ("c", Conv(3, 2, 4, 3, start=NOTHING), "s")
    ),
    "LSTM of one": graph_of(("l", LstmCell(1, 1), "x"), ("h", Conv(1, 1), "l")),
    "LSTM of 2 into 3": graph_of(("l", LstmCell(1, 2), "x"), ("m", LstmCell(2, 3), "l"), ("h", Conv(3, 2), "m")),
    "LSTM of 5 into 17": graph_of(("l", LstmCell(1, 5), "x"), ("m", LstmCell(5, 17), "l"), ("h", Conv(17, 1), "m")),
    "LSTM of 33": graph_of(("l", LstmCell(1, 33), "x"), ("h", Conv(33, 1), "l")),
    "LSTM is the output": graph_of(("c", Conv(1, 3, 2), "x"), ("l", LstmCell(3, 4), "c")),
    "LSTM conditions a convolution with history": graph_of(
        ("l", LstmCell(1, 3), "x"),
        ("h", Conv(3, 2), "l"),
        ("r", Conv(1, 2, 3, 9), "x"),
        ("d", Conv(2, 2, 4, 5, start=STREAM), "h r"),
    ),
    "history read straight from an LSTM": graph_of(("l", LstmCell(1, 4), "x"), ("c", Conv(4, 2, 3, 2), "l")),
    "two LSTMs side by side": graph_of(
        ("l", LstmCell(1, 3), "x"),
        ("m", LstmCell(1, 3), "x"),
        ("p", Conv(3, 3, start=NOTHING), "l"),
        ("s", Combine(SUB, 3), "p m"),
    ),
    "a view outlives the stream's last direct reader": graph_of(
        ("x", Input(2), ""),
        ("v", Slice(2, 0, 1), "x"),
        ("a", Scale(2), "x"),
        ("b", Scale(1), "v"),
        ("c", Conv(2, 1, 4), "a"),
        ("d", Combine(ADD, 1), "c b"),
    ),
    "views of a stream from an earlier kernel": graph_of(
        ("c", Conv(1, 12, 2), "x"),
        ("s", Conv(12, 4), "c"),
        ("d", Conv(1, 2, 2), "x"),
        ("v", Slice(4, 0, 2), "s"),
        ("w", Slice(4, 2, 4), "s"),
        ("t", Activation(RELU, 2), "d"),
        ("u", Activation(TANH, 2), "d"),
        ("m", Combine(MUL_ADD, 2), "d v w"),
        ("b", Conv(2, 2, 2), "m"),
        ("y", Combine(ADD, 2), "t b"),
        ("z", Combine(ADD, 2), "y u"),
    ),
    "kernels whose places have one name": graph_of(
        ("x", Input(3), ""), ("a.conv", Conv(3, 2, 2), "x"), ("a", Conv(2, 2, 3), "a.conv")
    ),
}


def check(graph: Graph, target: str, block: int, cores: int, prewarm: bool, samples: int = 200) -> None:
    capture = capture_of(graph, prewarm=sum(node.op.history for node in graph if isinstance(node.op, Conv)) + 60)
    compilation = compile_for(graph, target, cores=cores, block=block)
    blob = packed(compilation, capture, prewarm)
    x = signal(graph.in_channels, samples, 7)
    blocks = cut_blocks(samples, block, 3)
    wanted = interpret_core(capture, x, compilation.options.contract, prewarm)
    assert_same_bits(Loaded(compilation, blob).process(x, blocks), wanted, target)
    if cores > 1:
        assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), wanted, f"{target} stages")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape(shape: str, target: str) -> None:
    graph = SHAPES[shape]
    kernels = len(fuse_layers(core_graph(graph)))
    ways = ((1, 1, True), (17, min(kernels, 2), False))
    for block, cores, prewarm in in_turn(ways, list(SHAPES).index(shape) + TARGETS.index(target)):
        check(graph, target, block, cores, prewarm)


@pytest.mark.parametrize("target", TARGETS)
def test_largest_block(target: str) -> None:
    graph = graph_of(("c", Conv(1, 2, 3, 70), "x"), ("d", Conv(2, 1, 2, 5), "c"))
    check(graph, target, 8192, 1, True, samples=8193 + 50)
    check(graph, target, 1000, 1, False, samples=2100)


@pytest.mark.parametrize("target", TARGETS)
def test_every_ring_is_rewound_many_times(target: str) -> None:
    graph = graph_of(*(("c", Conv(1, 2, 3, 50), "x"), ("d", Conv(2, 2, 2, 1), "c"), ("e", Conv(2, 1, 6, 17), "d")))
    check(graph, target, 16, 2, True, samples=3000)


@pytest.mark.parametrize("target", TARGETS)
def test_init_starts_again(target: str) -> None:
    """After reset the same input gives the same output, whatever was played before."""
    graph = graph_of(("c", Conv(1, 3, 3, 7), "x"), ("l", LstmCell(3, 3), "c"), ("d", Conv(3, 1), "l"))
    compilation = compile_for(graph, target, block=32)
    loaded = Loaded(compilation, packed(compilation, capture_of(graph)))
    x = signal(1, 100, 1)
    first = loaded.process(x, [32, 32, 32, 4])
    loaded.process(signal(1, 70, 2, special=True, infinite=True), [32, 6, 32])
    loaded.reset()
    assert_same_bits(loaded.process(x, [1, 31, 32, 32, 4]), first, target)
