"""No schedule changes a bit: random schedule files on every target against the interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.effort import examples_per_test
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks
from helpers.schedule_strategy import RINGS, Values, aligned_convolutions, everywhere, kernel_values
from hypothesis import event, given
from hypothesis import strategies as st

from schedc.frontend.capture import read_capture
from schedc.ir.ops import Conv, Input, Start
from schedc.passes.schedule_space import lane_widths
from schedc.schedule import RingValue
from schedc.targets.base import load_target

CAPTURES = Path(__file__).resolve().parents[2] / "examples" / "captures"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a1_nano", "a2_lite", "convnet"])
def test_no_schedule_changes_a_bit(target: str, name: str) -> None:
    capture = read_capture(CAPTURES / f"{name}.nam")

    @examples_per_test(3)
    @given(kernel_values(target), RINGS, st.sampled_from([5, 48]), st.integers(0, 99))
    def run(values: Values, rings: dict[str, RingValue], block: int, seed: int) -> None:
        compilation = compile_for(capture.graph, target, block=block, schedule=everywhere(values, rings))
        event("aligned taps" if aligned_convolutions(compilation.program) else "no aligned taps")
        x = np.random.default_rng(seed).standard_normal((1, 300)).astype(np.float32) * np.float32(0.3)
        wanted = interpret_core(capture, x, compilation.options.contract)
        found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(300, block, seed))
        assert_same_bits(found, wanted, f"{name} on {target}")

    run()


@dataclass(frozen=True)
class Aligned:
    """A convolution with taps that overlap the tile, in a schedule that aligns them."""

    op: Conv
    values: Values


@st.composite
def aligned(draw: st.DrawFn, target: str) -> Aligned:
    lanes = draw(st.sampled_from(lane_widths(load_target(target))))
    vectors = draw(st.integers(1, 5))
    dilation = draw(st.integers(1, lanes * vectors - 1).filter(lambda frames: frames % lanes))
    groups, rows, columns = draw(st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 3)))
    start = draw(st.sampled_from((Start.BIAS, Start.NOTHING)))
    op = Conv(groups * columns, groups * rows, draw(st.integers(2, 6)), dilation, groups, start)
    tile: Values = {"lanes": lanes, "tile_vectors": vectors}
    return Aligned(op, {**tile, "align_taps": True, "share_taps": False, "unroll_macs": 4096})


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "m33"])
def test_aligned_taps(target: str) -> None:
    """Every example has them; blocks of less than a tile, of one, and of several."""

    @examples_per_test(20)
    @given(aligned(target), st.integers(1, 70), st.integers(0, 99), st.booleans())
    def run(case: Aligned, block: int, seed: int, special: bool) -> None:
        graph = graph_of(("x", Input(case.op.in_channels), ""), ("c", case.op, "x"))
        compilation = compile_for(graph, target, block=block, schedule=everywhere(case.values))
        assert aligned_convolutions(compilation.program) == 1
        x = signal(case.op.in_channels, 250, seed, special)
        capture = capture_of(graph)
        wanted = interpret_core(capture, x, compilation.options.contract)
        found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(250, block, seed))
        assert_same_bits(found, wanted, f"{case} on {target}")

    run()
