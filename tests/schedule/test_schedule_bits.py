"""No schedule changes a bit: random schedule files on every target against the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.captures import compile_for, interpret_core
from helpers.effort import examples_per_test
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks
from helpers.schedule_strategy import RINGS, Values, aligned_convolutions, everywhere, kernel_values
from hypothesis import given
from hypothesis import strategies as st

from schedc.compiler import read_capture
from schedc.schedule import RingValue

CAPTURES = Path(__file__).resolve().parents[2] / "examples" / "captures"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a1_nano", "a2_lite", "convnet"])
def test_no_schedule_changes_a_bit(target: str, name: str) -> None:
    capture = read_capture(CAPTURES / f"{name}.nam")
    aligned = []

    @examples_per_test(6)
    @given(kernel_values(target), RINGS, st.sampled_from([5, 48]), st.integers(0, 99))
    def run(values: Values, rings: dict[str, RingValue], block: int, seed: int) -> None:
        compilation = compile_for(capture.graph, target, block=block, schedule=everywhere(values, rings))
        aligned.append(aligned_convolutions(compilation.program))
        x = np.random.default_rng(seed).standard_normal((1, 300)).astype(np.float32) * np.float32(0.3)
        wanted = interpret_core(capture, x, compilation.options.contract)
        found = Loaded(compilation, compilation.pack(capture)).process(x, cut_blocks(300, block, seed))
        assert_same_bits(found, wanted, f"{name} on {target}")

    run()
    assert any(aligned) or target == "m33", "no example had aligned taps"
