"""NaN and infinity at the door: kept or taken as 0, by the interpreter and by the code of every machine alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import edges
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits, cut_blocks
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.ir.contract import NONFINITES, Contract, Nonfinite
from schedc.ir.ops import Conv, Input, LstmCell, Start
from schedc.ir.weights import FloatArray
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers

# What has all ones for its exponent, and what comes next to it on either side.
NOT_FINITE = (0x7F800000, 0xFF800000, 0x7F800001, 0xFF800001, 0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF)
FINITE = (0x7F7FFFFF, 0xFF7FFFFF, 0x00000000, 0x80000000, 0x00000001, 0x00800000, 0x3F800000, 0xC0000000)


def floats(bits: tuple[int, ...]) -> FloatArray:
    return np.array(bits, np.uint32).view(np.float32)


def spoiled(channels: int, n: int, seed: int) -> FloatArray:
    """Noise with every kind of number here and there."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(np.array(NOT_FINITE + FINITE, np.uint32), (channels, n)).view(np.float32)
    return np.where(rng.random((channels, n)) < 0.1, chosen, signal(channels, n, seed)).astype(np.float32)


def clean(x: FloatArray) -> FloatArray:
    return np.where(np.isfinite(x), x, np.float32(0))


@pytest.mark.parametrize("target", TARGETS)
def test_random_graphs(target: str) -> None:
    @examples_per_test(6)
    @given(
        examples(recurrent=True, target=target),
        st.sampled_from(edges.blocks(target)),
        st.integers(1, 3),
        st.sampled_from(NONFINITES),
    )
    def run(example: Example, block: int, cores: int, nonfinite: Nonfinite) -> None:
        capture = capture_of(example.graph, example.weights)
        cores = min(cores, len(fuse_layers(core_graph(example.graph))))
        compilation = compile_for(example.graph, target, cores=cores, block=block, nonfinite=nonfinite)
        n = min(2 * block + 40, max(300, block + 20))
        x = spoiled(example.graph.in_channels, n, example.seed)
        contract = compilation.options.contract
        wanted = interpret_core(capture, x, contract)
        if nonfinite == "zero":  # by definition
            assert_same_bits(interpret_core(capture, clean(x), replace(contract, nonfinite="keep")), wanted, "zero")
        blob, blocks = packed(compilation, capture), cut_blocks(n, block, example.seed)
        assert_same_bits(Loaded(compilation, blob).process(x, blocks), wanted, f"{target} {nonfinite}")
        if cores > 1:
            assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), wanted, f"{target} stages")

    run()


@pytest.mark.parametrize("target", TARGETS)
def test_every_pattern_at_every_place(target: str) -> None:
    """Blocks of all lengths up to some vectors, so that each pattern is in every lane and in the rest."""
    channels, block = 3, 40
    graph = graph_of(("x", Input(channels), ""), ("y", Conv(channels, channels, 1, 1, channels, Start.NOTHING), "x"))
    capture = capture_of(graph, {"y": {"weight": np.ones((channels, 1, 1), np.float32)}})
    compilation = compile_for(graph, target, block=block, nonfinite="zero")
    loaded = Loaded(compilation, packed(compilation, capture))
    patterns = floats(NOT_FINITE + FINITE)
    blocks = [*range(1, block + 1), *range(1, block + 1)]
    x = np.stack([np.resize(np.roll(patterns, 5 * channel), sum(blocks)) for channel in range(channels)])
    y = loaded.process(x, blocks)
    assert_same_bits(y, interpret_core(capture, x, compilation.options.contract), target)
    assert np.isfinite(y).all() and (y[~np.isfinite(x)].view(np.uint32) == 0).all()
    flushes = compilation.options.contract.subnormals == "flush"
    kept = np.isfinite(x) & ((np.abs(x) >= np.finfo(np.float32).tiny) | (x == 0) | (not flushes))
    assert np.array_equal(y[kept].view(np.uint32), x[kept].view(np.uint32))


def test_in_double_precision_too() -> None:
    graph = graph_of(("h", LstmCell(1, 2), "x"), ("y", Conv(2, 1), "h"))
    capture = capture_of(graph)
    with np.errstate(invalid="ignore"):  # of signalling NaN
        x = spoiled(1, 200, 3).astype(np.float64)

    def answer(samples: np.ndarray, nonfinite: Nonfinite) -> np.ndarray:
        return Interpreter(graph, capture.weights, "float64", Contract(nonfinite=nonfinite)).process(samples)

    assert np.array_equal(answer(x, "zero"), answer(np.where(np.isfinite(x), x, 0), "keep"))
    assert np.isnan(answer(x, "keep")).any() and not np.isnan(answer(x, "zero")).any()


def test_what_is_handed_over_between_stages_is_left_alone() -> None:
    """A number that becomes infinite inside is no input."""
    graph = graph_of(("a", Conv(1, 1, 2), "x"), ("h", LstmCell(1, 2), "a"), ("y", Conv(2, 1, 2), "h"))
    weights = capture_of(graph).weights
    huge = {**weights, "a": {"weight": np.full((1, 1, 2), 3e38, np.float32), "bias": np.zeros(1, np.float32)}}
    capture = capture_of(graph, huge)
    x = signal(1, 60, 2) * 10
    for target in TARGETS:
        compilation = compile_for(graph, target, cores=2, block=16, nonfinite="zero")
        wanted = interpret_core(capture, x, compilation.options.contract)
        blob = packed(compilation, capture)
        assert_same_bits(LoadedStages(compilation, blob).process(x, cut_blocks(60, 16)), wanted, target)
