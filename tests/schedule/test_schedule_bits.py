"""No schedule changes a bit: random schedule files on every target against the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.effort import examples_per_test
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.compiler import compile_graph, core_weights, make_options, read_capture
from schedc.planning import Options
from schedc.schedule import RingPolicy, RingValue, ScheduleOverrides, WeightRoute

CAPTURES = Path(__file__).resolve().parents[2] / "examples" / "captures"
NUMBERS = st.fixed_dictionaries(
    {
        "tile_vectors": st.integers(1, 7),
        "output_block": st.integers(1, 9),
        "pointwise_block": st.integers(1, 9),
        "unroll_macs": st.sampled_from([1, 8, 60, 400]),
        "register_values": st.sampled_from([1, 4, 16, 40]),
        "interleave": st.booleans(),
    }
)
RINGS: st.SearchStrategy[dict[str, RingValue]] = st.fixed_dictionaries(
    {"most_blocks": st.sampled_from([1, 2, 3, 9]), "policy": st.sampled_from(RingPolicy), "colour": st.booleans()}
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a1_nano", "a2_lite", "convnet"])
@examples_per_test(4)
@given(values=NUMBERS, lane=st.booleans(), align=st.booleans(), rings=RINGS, seed=st.integers(0, 99))
def test_no_schedule_changes_a_bit(
    target: str,
    name: str,
    values: dict[str, int | bool],
    lane: bool,
    align: bool,
    rings: dict[str, RingValue],
    seed: int,
) -> None:
    capture = read_capture(CAPTURES / f"{name}.nam")
    chosen: Options = make_options(target, block=48)
    route = WeightRoute.SCALAR if target == "m33" else WeightRoute.LANE if lane else WeightRoute.BROADCAST
    forced = (("*", (*values.items(), ("weight_route", route), ("align_taps", align and target != "m33"))),)
    options = Options(chosen.target, 1, 48, chosen.contract, schedule=ScheduleOverrides(forced, tuple(rings.items())))
    compilation = compile_graph(capture.graph, options)
    x = np.random.default_rng(seed).standard_normal((1, 300)).astype(np.float32) * np.float32(0.3)
    graph = compilation.program.graph
    interpreter = Interpreter(graph, core_weights(graph, capture.weights), "float32", chosen.contract)
    interpreter.prewarm(capture.prewarm_samples)
    found = Loaded(compilation, compilation.pack(capture)).process(x, cut_blocks(300, 48, seed))
    assert_same_bits(found, interpreter.process(x), f"{name} on {target}")
