"""LSTM cells as machine code for silence: the interpreter's bits, under every contract and at every size.

``SCHEDC_LONG=1`` runs every shape of up to 5 layers of 40 units through all of its silence, for every contract.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from helpers.captures import graph_of, random_weights
from helpers.effort import examples_per_test, long_only
from helpers.machines import assert_same_bits
from helpers.native_functions import NativeFunction
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.arithmetic import Float32
from schedc.backends.interpreter import Interpreter
from schedc.backends.llvm.flushing_math import FlushingMath
from schedc.host.quick_silence import QuickInterpreter, cell_code
from schedc.ir.contract import MACS, MATHS, Contract
from schedc.ir.functions import sigmoid, tanh
from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, Input, LstmCell, Op
from schedc.ir.weights import FloatArray

CONTRACTS = [Contract(mac, subnormals, math) for mac in MACS for subnormals in ("keep", "flush") for math in MATHS]
FLUSHING = [contract for contract in CONTRACTS if contract.subnormals == "flush"]
MIN_NORMAL = 2.0**-126


def stacked(inputs: int, *units: int) -> Graph:
    """LSTM cells in a row."""
    steps: list[tuple[str, Op, str]] = [("x", Input(inputs), "")]
    for number, hidden in enumerate(units):
        steps.append((f"c{number}", LstmCell(inputs, hidden), steps[-1][0]))
        inputs = hidden
    return graph_of(*steps)


def check_cells(graph: Graph, contract: Contract, x: FloatArray, seed: int, scale: float = 1.0, tiny: int = 0) -> None:
    """Outputs and states; weights with ``tiny`` exponents of ten below ``scale`` among them."""
    code = cell_code(contract)
    assert code is not None
    rng = np.random.default_rng(seed)
    weights = random_weights(graph, seed, scale)
    for table in weights.values():
        for values in table.values():
            values *= np.float32(10.0) ** -rng.integers(0, tiny + 1, values.shape).astype(np.float32)
    one, other = Interpreter(graph, weights, "float32", contract), QuickInterpreter(graph, weights, contract, code)
    assert_same_bits(other.process(x), one.process(x), str(contract))
    for node, (hidden, cell) in one.state.items():
        assert_same_bits(other.state[node][0], hidden, node)
        assert_same_bits(other.state[node][1], cell, node)


@given(
    st.sampled_from(CONTRACTS),
    st.lists(st.sampled_from((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 96)), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from((1.0, 0.1, 8.0, 1e-12, 1e-20)),
    st.sampled_from((0, 20, 45)),
    st.sampled_from(("silence", "noise", "noise that ends", "steps")),
    st.integers(0, 2**16),
)
@examples_per_test(40)
def test_cells_have_the_interpreters_bits(
    contract: Contract, units: list[int], inputs: int, scale: float, tiny: int, signal: str, seed: int
) -> None:
    """Subnormal weights, states and samples are among them; silence may settle, and begin late."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((inputs, 60)) * 10.0 ** rng.integers(-45, 2, (inputs, 60))).astype(np.float32)
    if signal == "silence":
        x[:] = 0
    if signal == "noise that ends":
        x[:, 20:] = 0
    if signal == "steps":
        x[:] = np.repeat(x[:, ::20], 20, axis=1)
    check_cells(stacked(inputs, *units), contract, x, seed, scale, tiny)


def test_a_signal_may_be_empty() -> None:
    check_cells(stacked(2, 3), Contract(), np.zeros((2, 0), np.float32), 1)


@long_only
@pytest.mark.parametrize("contract", CONTRACTS, ids=str)
def test_every_shape(contract: Contract) -> None:
    for layers, hidden in product(range(1, 6), range(1, 41)):
        check_cells(stacked(1, *[hidden] * layers), contract, np.zeros((1, 300), np.float32), hidden, 3.0)


# -- flushing by instructions -------------------------------------------------------------------------------------


def evaluated(contract: Contract, name: str, *operands: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A primitive by the interpreter's arithmetic, and by instructions that flush."""
    native = NativeFunction(lambda p, *values: getattr(p, name)(*values), contract, FlushingMath, len(operands))
    with np.errstate(all="ignore"):
        return getattr(Float32(contract), name)(*operands), native(*operands)


def near_the_least_normal(count: int) -> tuple[FloatArray, FloatArray]:
    """Factors whose product is just below the least normal number, or it, or just above."""
    rng = np.random.default_rng(3)
    one = rng.integers(1 << 23, 1 << 24, count)
    other = np.minimum((1 << 47) // one + rng.integers(-1, 2, count), (1 << 24) - 1)
    exponent = rng.integers(-100, -26, count)
    signs = rng.choice((-1.0, 1.0), (2, count))
    factors = signs[0] * one * 2.0**exponent, signs[1] * other * 2.0 ** (-126.0 - 47 - exponent)
    return factors[0].astype(np.float32), factors[1].astype(np.float32)


@pytest.mark.parametrize("contract", FLUSHING, ids=str)
def test_tininess_is_judged_before_rounding(contract: Contract) -> None:
    """A product that is rounded up to the least normal number is flushed: no mode of x86 does that."""
    a, b = near_the_least_normal(20_000)
    rounded = np.abs(a * b) == np.float32(MIN_NORMAL)
    exact = np.abs(a.astype(np.float64) * b)
    assert (rounded & (exact < MIN_NORMAL)).sum() > 1000 and (rounded & (exact >= MIN_NORMAL)).sum() > 1000
    wanted, found = evaluated(contract, "mul", a, b)
    assert_same_bits(found, wanted, "mul")
    assert not wanted[exact < MIN_NORMAL].any()


@pytest.mark.parametrize("contract", FLUSHING, ids=str)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "mac", "maximum", "where_greater"])
def test_primitives_flush_as_the_interpreter_does(name: str, contract: Contract) -> None:
    rng = np.random.default_rng(7)
    edges = [0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x00800001, 0x00FFFFFF, 0x3F800000, 0x7F7FFFFF, 0x7F800000]
    edge = np.array([*edges, *(value | 1 << 31 for value in edges)], np.uint32)
    grid = np.stack(np.meshgrid(edge, edge, edge)).reshape(3, -1)
    small = rng.integers(0, 1 << 26, (3, 20_000)) | rng.integers(0, 2, (3, 20_000)) << 31
    bits = np.concatenate([grid, small, rng.integers(0, 1 << 32, (3, 20_000))], axis=1).astype(np.uint32)
    a, b, c = bits.view(np.float32)
    operands = {"mac": (a, b, c), "where_greater": (a, b, c, -c)}.get(name, (a, b))
    if name == "maximum":  # only of two numbers that are both NaN or neither
        known = ~(np.isnan(a) | np.isnan(b))
        operands = a[known], b[known]
    wanted, found = evaluated(contract, name, *operands)
    assert_same_bits(found[~np.isnan(wanted)], wanted[~np.isnan(wanted)], name)
    assert np.isnan(found[np.isnan(wanted)]).all()


@pytest.mark.parametrize("contract", FLUSHING, ids=str)
@pytest.mark.parametrize("function", [tanh, sigmoid])
def test_functions_flush_as_the_interpreter_does(function: object, contract: Contract) -> None:
    assert callable(function)
    bits = np.arange(0, 1 << 32, 30_011, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)[~np.isnan(bits.view(np.float32))]
    native = NativeFunction(lambda p, value: function(p, value), contract, FlushingMath)
    with np.errstate(all="ignore"):
        assert_same_bits(native(x), function(Float32(contract), x), str(contract))


# -- what of silence is run ---------------------------------------------------------------------------------------

BEFORE_BETWEEN_AND_AFTER = graph_of(
    ("x", Input(1), ""),
    ("before", Conv(1, 2, 3, 5), "x"),
    ("cell", LstmCell(2, 3), "before"),
    ("between", Conv(3, 2, 2, 9), "cell"),
    ("again", LstmCell(2, 2), "between"),
    ("aside", Conv(2, 2, 4, 7), "before"),
    ("after", Conv(2, 2, 6, 4), "again"),
    ("last", Conv(2, 1, 3, 2), "after"),
)


@pytest.mark.parametrize("samples", [1, 30, 79, 80, 81, 159, 160, 161, 400])
def test_silence_is_what_running_all_of_it_leads_to(samples: int) -> None:
    """However much is left out of it: what settles before a cell, what comes long before the end after the last."""
    graph = BEFORE_BETWEEN_AND_AFTER
    weights = random_weights(graph, 5, 2.0)
    quick, plain = (Interpreter(graph, weights, "float32", Contract()) for _ in range(2))
    quick.prewarm(samples, chunk=50)
    plain.run([np.zeros((1, samples), np.float32)])
    for node, held in plain.state.items():
        for one, other in zip(quick.state[node], held, strict=True):
            assert_same_bits(one, other, node)
