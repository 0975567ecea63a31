"""How near the activation functions come to the true ones, over all float32 exponents.

The true values are float64's; an ulp is that of the true value rounded to float32.  The largest errors over
all numbers, which ``SCHEDC_LONG=1 pytest tests/differential/test_functions.py -k largest -s`` prints, are in
``LARGEST``; without the variable every 251st number is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.effort import LONG
from helpers.machines import TARGETS, Loaded, assert_same_bits
from helpers.native_functions import NativeFunction

from schedc.backends.arithmetic import Float32, Float64
from schedc.ir.contract import Contract
from schedc.ir.fast_functions import SIGMOID_ERROR, TANH_ERROR
from schedc.ir.functions import apply_activation
from schedc.ir.ops import Activation, ActivationKind
from schedc.ir.weights import FloatArray

FUSED, UNFUSED = Contract("fused"), Contract("unfused")
FLUSHED = Contract("unfused", "flush")
FAST = [Contract("fused", math="fast"), Contract("unfused", math="fast"), Contract("unfused", "flush", "fast")]
PROMISED = 2.0  # ulp
FASTTANH_ERROR = 6.8  # ulp of the fraction, not of tanh: the largest over all numbers (5.5 where fused)
EVERY = 1 if LONG else 251
# The largest error of a normal result over all numbers, in ulp, rounded up.
LARGEST = {
    ActivationKind.TANH: {FUSED: 1.39, UNFUSED: 1.39, FLUSHED: 1.39},
    ActivationKind.SIGMOID: {FUSED: 1.81, UNFUSED: 1.79, FLUSHED: 1.79},
    ActivationKind.SOFTSIGN: {FUSED: 1.5, UNFUSED: 1.5, FLUSHED: 1.53},
}


@cache
def grid() -> FloatArray:
    """Eight thousand numbers in every binade that matters, or a hundred thousand; some in each of the others."""
    rng = np.random.default_rng(0)
    exponents = np.arange(1, 255, dtype=np.uint32)
    few = exponents[:, None] << 23 | rng.integers(0, 1 << 23, (254, 500), dtype=np.uint32)
    busy = np.arange(127 - 14, 127 + 8, dtype=np.uint32)
    many = busy[:, None] << 23 | np.arange(0, 1 << 23, 83 if LONG else 997, dtype=np.uint32)
    subnormal = rng.integers(1, 1 << 23, 2000, dtype=np.uint32)
    edges = np.array([0, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x3F0CCCCD, 0x41100000], np.uint32)
    positive = np.concatenate([few.ravel(), many.ravel(), subnormal, edges]).view(np.float32)
    return np.concatenate([positive, -positive])


def ulps(found: FloatArray, exact: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Error in units of the last place of the true value."""
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return np.abs(found.astype(np.float64) - exact) / unit


def evaluate(kind: ActivationKind, contract: Contract, x: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return Float32(contract).activation(kind, x, parameters(kind, np.float32))


def parameters(kind: ActivationKind, dtype: type) -> list[npt.NDArray[np.floating]]:
    values = {
        ActivationKind.LEAKY_RELU: [0.01],
        ActivationKind.PRELU: [-0.3],
        ActivationKind.LEAKY_HARDTANH: [-0.5, 0.75, 0.125, 0.01],
    }.get(kind, [])
    return [np.array(np.float32(v), dtype) for v in values]


@pytest.mark.parametrize("contract", [FUSED, UNFUSED], ids=["fused", "unfused"])
@pytest.mark.parametrize("kind", [ActivationKind.TANH, ActivationKind.SIGMOID])
def test_within_two_ulp(kind: ActivationKind, contract: Contract) -> None:
    x = grid()
    with np.errstate(all="ignore"):
        exact = np.tanh(x.astype(np.float64)) if kind is ActivationKind.TANH else sigmoid64(x)
    error = ulps(evaluate(kind, contract, x), exact)
    worst = int(np.argmax(error))
    print(f"{kind} {contract.mac}: {error[worst]:.3f} ulp at {x[worst]!r}")
    assert error[worst] <= PROMISED, f"{kind} at {x[worst]!r} is {error[worst]:.3f} ulp off"


@pytest.mark.parametrize("contract", [FUSED, UNFUSED, FLUSHED], ids=str)
@pytest.mark.parametrize("kind", list(LARGEST))
def test_the_largest_error_over_all_numbers(kind: ActivationKind, contract: Contract) -> None:
    function = NativeFunction(lambda p, x: apply_activation(p, kind, x), contract)
    worst, at = 0.0, 0.0
    for x in all_numbers():
        with np.errstate(all="ignore"):
            exact = Float64().activation(kind, x.astype(np.float64), [])
            error = ulps(function(x), exact)
        # A subnormal result is flushed under one contract, and has fewer bits under the others.
        error[np.abs(exact) < 2.0**-126] = 0.0
        if error.size and not error.max() <= worst:
            worst, at = float(error.max()), float(x[np.argmax(error)])
    print(f"{kind} {contract}: {worst:.4f} ulp at {at!r}")
    assert worst <= LARGEST[kind][contract]


def all_numbers() -> Iterator[FloatArray]:
    """Every finite float32, or every 251st, in pieces."""
    chunk = EVERY << 20
    for first in range(0, 1 << 32, chunk):
        bits = np.arange(first, min(first + chunk, 1 << 32), EVERY, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        yield x[np.isfinite(x)]


@pytest.mark.parametrize("contract", FAST, ids=str)
@pytest.mark.parametrize(
    ("kind", "bound"), [(ActivationKind.TANH, TANH_ERROR), (ActivationKind.SIGMOID, SIGMOID_ERROR)]
)
def test_the_fast_error_over_all_numbers(kind: ActivationKind, bound: float, contract: Contract) -> None:
    function = NativeFunction(lambda p, x: apply_activation(p, kind, x), contract)
    worst = 0.0
    for x in all_numbers():
        found = function(x)
        with np.errstate(all="ignore"):
            exact = Float64().activation(kind, x.astype(np.float64), [])
        assert (np.abs(found) <= 1.0).all()
        assert kind is ActivationKind.TANH or (found >= 0.0).all()
        worst = max(worst, float(np.abs(found - exact).max(initial=0.0)))
    print(f"{kind} {contract}: {worst:.3g}")
    assert worst <= bound


@pytest.mark.parametrize("contract", FAST, ids=str)
def test_fast_functions_at_the_edges(contract: Contract) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    tanh, sigmoid = (evaluate(kind, contract, x) for kind in (ActivationKind.TANH, ActivationKind.SIGMOID))
    assert np.isnan([tanh[0], sigmoid[0]]).all()
    assert tanh[1] == -tanh[2] and abs(tanh[1] - 1.0) <= TANH_ERROR
    assert abs(sigmoid[1] - 1.0) <= SIGMOID_ERROR and 0.0 <= sigmoid[2] <= SIGMOID_ERROR
    assert sigmoid[3] == sigmoid[4] == 0.5 and tanh[3] == 0.0 and np.signbit(tanh[4]) and not np.signbit(tanh[3])
    y = grid()
    odd = evaluate(ActivationKind.TANH, contract, -y)
    assert_same_bits(odd[None], -evaluate(ActivationKind.TANH, contract, y)[None], "odd")


@pytest.mark.parametrize("contract", FAST, ids=str)
def test_fast_math_changes_nothing_else(contract: Contract) -> None:
    x = grid()
    exact = Contract(contract.mac, contract.subnormals)
    for kind in set(ActivationKind) - {ActivationKind.TANH, ActivationKind.SIGMOID, ActivationKind.SILU}:
        assert_same_bits(evaluate(kind, contract, x)[None], evaluate(kind, exact, x)[None], str(kind))
    x = x[np.abs(x) < 1e30]
    silu = evaluate(ActivationKind.SILU, contract, x) - Float64().activation(ActivationKind.SILU, x.astype(float), [])
    assert (np.abs(silu) <= 1.2 * SIGMOID_ERROR * np.maximum(np.abs(x), 1e-30)).all()


@pytest.mark.parametrize("contract", [FUSED, UNFUSED, FLUSHED], ids=str)
def test_fasttanh_wherever_its_fraction_is_finite(contract: Contract) -> None:
    """Up to where the engine's x**4 overflows; without a divide instruction, of all numbers."""
    x = grid()
    size = np.abs(x)
    x = x[(size >= 2.0**-126) & (size < (4.5e9 if contract.divides else np.inf))]
    exact = Float64().activation(ActivationKind.FASTTANH, x.astype(np.float64), [])
    error = ulps(evaluate(ActivationKind.FASTTANH, contract, x), exact)
    assert error.max() <= FASTTANH_ERROR


@pytest.mark.parametrize("target", TARGETS)
def test_fasttanh_of_every_exponent_on_each_machine(target: str) -> None:
    graph = graph_of(("a", Activation(ActivationKind.FASTTANH, 1), "x"))
    powers = np.ldexp(np.float32(1.3), np.arange(-126, 128)).astype(np.float32)
    x = np.concatenate([powers, -powers])[None]
    capture, compilation = capture_of(graph), compile_for(graph, target, block=x.size)
    found = Loaded(compilation, packed(compilation, capture)).process(x, [x.size])
    with np.errstate(all="ignore"):
        wanted = interpret_core(capture, x, compilation.options.contract)
    assert_same_bits(found, wanted, target)
    large = np.abs(x) >= 1e6
    finite = np.abs(x) < (4.5e9 if compilation.options.contract.divides else np.inf)
    np.testing.assert_allclose(np.abs(found[large & finite]), 1.0080820, atol=5e-7)


def test_subnormal_sigmoids_are_rounded_to_the_last_bit() -> None:
    x = np.arange(0xC2AEAC50, 0xC2D20000, 5 * EVERY, dtype=np.uint32).view(np.float32)
    assert ulps(evaluate(ActivationKind.SIGMOID, FUSED, x), sigmoid64(x)).max() <= 1.0


def sigmoid64(x: FloatArray) -> npt.NDArray[np.float64]:
    wide = x.astype(np.float64)
    z = np.exp(-np.abs(wide))
    return np.asarray(np.where(wide < 0, z, 1.0) / (1.0 + z), np.float64)


@pytest.mark.parametrize("contract", [FUSED, UNFUSED, FLUSHED], ids=str)
@pytest.mark.parametrize("kind", list(ActivationKind))
def test_close_to_the_definition(kind: ActivationKind, contract: Contract) -> None:
    """Relative 1e-6 of the float64 definition wherever neither overflows or underflows."""
    x = grid()
    x = x[np.abs(x) < 1e4]
    with np.errstate(all="ignore"):
        exact = Float64().activation(kind, x.astype(np.float64), parameters(kind, np.float64))
    found = evaluate(kind, contract, x)
    # Below, SiLU multiplies by a subnormal sigmoid, which has fewer bits.
    normal = np.abs(exact) >= 2.0**-118
    # Leaky hardtanh passes through zero by cancellation: there the error is absolute.
    scale = np.maximum(np.abs(exact), 1.0 if kind is ActivationKind.LEAKY_HARDTANH else 0.0)
    assert (np.abs(found - exact)[normal] <= 1e-6 * scale[normal]).all()


@pytest.mark.parametrize("contract", [FUSED, UNFUSED, FLUSHED], ids=str)
def test_tanh_is_odd_monotone_at_the_seams_and_bounded(contract: Contract) -> None:
    x = grid()
    y = evaluate(ActivationKind.TANH, contract, x)
    assert_same_bits(evaluate(ActivationKind.TANH, contract, -x)[None], -y[None], "odd")
    assert np.abs(y).max() == 1.0
    near = np.linspace(0.5499, 0.5501, 20001, dtype=np.float32)
    assert (np.diff(evaluate(ActivationKind.TANH, contract, near)) >= -1.2e-7).all()


@pytest.mark.parametrize("contract", [FUSED, UNFUSED, FLUSHED], ids=str)
def test_special_values(contract: Contract) -> None:
    def at(kind: ActivationKind, value: float) -> float:
        return float(evaluate(kind, contract, np.array([value], np.float32))[0])

    inf = np.inf
    for kind in ActivationKind:
        assert np.isnan(at(kind, np.nan)), kind
    for kind in (ActivationKind.TANH, ActivationKind.HARDTANH, ActivationKind.SOFTSIGN):
        assert (at(kind, inf), at(kind, -inf)) == (1.0, -1.0)
    assert (at(ActivationKind.SIGMOID, inf), at(ActivationKind.SIGMOID, -inf)) == (1.0, 0.0)
    assert at(ActivationKind.SIGMOID, 0.0) == at(ActivationKind.SIGMOID, -0.0) == 0.5
    assert (at(ActivationKind.RELU, inf), at(ActivationKind.RELU, -inf)) == (inf, 0.0)
    assert at(ActivationKind.HARDSWISH, inf) == inf
    for kind in (ActivationKind.TANH, ActivationKind.SOFTSIGN, ActivationKind.FASTTANH):
        assert np.signbit(at(kind, -0.0)) and at(kind, -0.0) == 0.0, kind
