"""The interpreter: streaming, silence, and the meaning of ops against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers.captures import graph_of, lookback, random_weights
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import assert_same_bits, cut_blocks
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.ops import Combine, Conv, Elementwise, Input, LstmCell, Start
from schedc.ir.weights import FloatArray

CONTRACTS = (Contract("fused"), Contract("unfused"), Contract("unfused", "flush"))


@examples_per_test(30)
@given(examples(recurrent=True), st.sampled_from(CONTRACTS), st.integers(1, 40))
def test_blocks_do_not_matter(example: Example, contract: Contract, most: int) -> None:
    x = signal(example.graph.in_channels, 90, example.seed, special=True)
    whole = Interpreter(example.graph, example.weights, "float32", contract).process(x)
    streamed = Interpreter(example.graph, example.weights, "float32", contract)
    ends = np.cumsum(cut_blocks(90, most, example.seed))[:-1]
    parts = [streamed.process(part) for part in np.split(x, ends, axis=1)]
    assert_same_bits(np.concatenate(parts, axis=1), whole)


@examples_per_test(30)
@given(examples(recurrent=False), st.sampled_from(CONTRACTS))
def test_silence_is_what_a_long_run_of_zeros_leads_to(example: Example, contract: Contract) -> None:
    graph = example.graph
    channels = graph.in_channels
    n = lookback(graph) + 1
    slow = Interpreter(graph, example.weights, "float32", contract)
    slow.process(np.zeros((channels, n), np.float32))
    fast = Interpreter(graph, example.weights, "float32", contract)
    fast.prewarm(n)
    x = signal(channels, 60, example.seed)
    assert_same_bits(fast.process(x), slow.process(x))


def test_an_lstm_is_prewarmed_sample_by_sample() -> None:
    graph = graph_of(("l", LstmCell(1, 5), "x"), ("h", Conv(5, 1), "l"))
    weights = random_weights(graph, 1, scale=1.5)
    for samples in (1, 3, 500, 20000):
        slow = Interpreter(graph, weights)
        for _ in range(samples if samples <= 500 else 0):
            slow.process(np.zeros((1, 1), np.float32))
        if samples > 500:
            slow.process(np.zeros((1, samples), np.float32))
        fast = Interpreter(graph, weights)
        fast.prewarm(samples)
        x = signal(1, 50, 0)
        assert_same_bits(fast.process(x), slow.process(x), f"{samples} samples")


def test_the_shortcut_for_constant_input_changes_nothing() -> None:
    """A settled (or oscillating) LSTM on constant input is not computed again; one by one it is."""
    graph = graph_of(("l", LstmCell(1, 3), "x"))
    for seed in range(4):
        weights = random_weights(graph, seed, scale=4.0)
        x = np.concatenate([signal(1, 20, seed), np.full((1, 300), 0.25, np.float32)], axis=1)
        whole = Interpreter(graph, weights)
        single = Interpreter(graph, weights)
        one_by_one = [single.process(x[:, t : t + 1]) for t in range(x.shape[1])]
        assert_same_bits(whole.process(x), np.concatenate(one_by_one, axis=1), f"seed {seed}")
        assert_same_bits(whole.process(x[:, :9]), single.process(x[:, :9]), f"seed {seed}, after")


def test_reset_forgets() -> None:
    graph = graph_of(("c", Conv(1, 2, 3, 7), "x"), ("l", LstmCell(2, 3), "c"))
    interpreter = Interpreter(graph, random_weights(graph))
    x = signal(1, 50, 0)
    first = interpreter.process(x)
    interpreter.reset()
    assert_same_bits(interpreter.process(x), first)


def convolve(op: Conv, weight: FloatArray, start: npt.NDArray[Any], x: FloatArray) -> npt.NDArray[Any]:
    """The formula of docs/nam_format.md#convolutions, sample by sample, in float64."""
    p, q = op.out_channels // op.groups, op.in_channels // op.groups
    y = np.broadcast_to(start, (op.out_channels, x.shape[1])).astype(np.float64).copy()
    for o in range(op.out_channels):
        for j in range(q):
            for k in range(op.kernel_size):
                delay = op.dilation * (op.kernel_size - 1 - k)
                source = x[o // p * q + j].astype(np.float64)
                delayed = np.concatenate([np.zeros(delay), source])[: x.shape[1]]
                y[o] += weight[o, j, k].astype(np.float64) * delayed
    return y


@pytest.mark.parametrize("op", [Conv(1, 1), Conv(3, 2, 4, 5), Conv(4, 6, 3, 2, 2), Conv(5, 5, 2, 9, 5)])
@pytest.mark.parametrize("start", list(Start))
def test_convolution(op: Conv, start: Start) -> None:
    op = Conv(op.in_channels, op.out_channels, op.kernel_size, op.dilation, op.groups, start)
    graph = graph_of(
        ("x", Input(op.in_channels), ""),
        *([("s", Conv(op.in_channels, op.out_channels), "x")] if start is Start.STREAM else []),
        ("c", op, "x s" if start is Start.STREAM else "x"),
    )
    weights = random_weights(graph, 5)
    x = signal(op.in_channels, 60, 2)
    begin: npt.NDArray[Any] = np.zeros((op.out_channels, 1), np.float32)
    if start is Start.BIAS:
        begin = weights["c"]["bias"][:, None]
    if start is Start.STREAM:
        begin = convolve(
            Conv(op.in_channels, op.out_channels), weights["s"]["weight"], weights["s"]["bias"][:, None], x
        )
    wanted = convolve(op, weights["c"]["weight"], begin, x)
    assert np.abs(Interpreter(graph, weights, "float64").process(x) - wanted).max() < 1e-6
    assert np.abs(Interpreter(graph, weights, "float32").process(x) - wanted).max() < 1e-5


def test_lstm_against_its_equations() -> None:
    graph = graph_of(("x", Input(2), ""), ("l", LstmCell(2, 5), "x"))
    table = {key: v.astype(np.float64) for key, v in random_weights(graph, 3)["l"].items()}
    x = signal(2, 40, 1)
    h, c = table["hidden"], table["cell"]
    wanted = np.empty((5, 40))
    for t in range(40):
        z = table["weight"] @ np.concatenate([x[:, t].astype(np.float64), h]) + table["bias"]
        i, f, o = (1 / (1 + np.exp(-z[5 * k : 5 * k + 5])) for k in (0, 1, 3))
        c = f * c + i * np.tanh(z[10:15])
        h = o * np.tanh(c)
        wanted[:, t] = h
    weights = random_weights(graph, 3)
    assert np.abs(Interpreter(graph, weights, "float64").process(x) - wanted).max() < 1e-12
    assert np.abs(Interpreter(graph, weights, "float32").process(x) - wanted).max() < 1e-5


def test_the_order_of_a_convolution_is_taps_then_channels() -> None:
    """Numbers chosen so that every other order gives another float32."""
    graph = graph_of(("x", Input(2), ""), ("c", Conv(2, 1, 2), "x"))
    big = np.float32(2**24)
    weights = {"c": {"weight": np.array([[[1, -1], [1, 1]]], np.float32), "bias": np.array([1], np.float32)}}
    x = np.array([[big, big], [1, 0]], np.float32)
    # bias 1, + 2**24 (oldest, channel 0; 1 is lost: tie to even), + 1 (lost), - 2**24, + 0
    y = Interpreter(graph, weights).process(x)
    assert y[0, 1] == 0.0


def test_weights_must_fit() -> None:
    graph = graph_of(("c", Conv(1, 2, 3), "x"))
    weights = random_weights(graph)
    weights["c"]["bias"] = weights["c"]["bias"][:1]
    with pytest.raises(InternalError, match="weights of c: needs"):
        Interpreter(graph, weights)


def test_a_negative_zero_start_is_the_rounded_product() -> None:
    """From nothing: 0 * -1 is -0, not 0 + -0."""
    graph = graph_of(("c", Conv(1, 1, start=Start.NOTHING), "x"), ("m", Combine(Elementwise.MUL, 1), "c c"), out="c")
    weights = {"c": {"weight": np.array([[[-1]]], np.float32)}}
    y = Interpreter(graph, weights).process(np.zeros((1, 1), np.float32))
    assert y[0, 0] == 0.0 and np.signbit(y[0, 0])
