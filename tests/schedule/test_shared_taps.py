"""Taps that share their samples: the interpreter's bits for every shape, tile and block on every target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core, packed
from helpers.documents import capture_from_text
from helpers.effort import examples_per_test
from helpers.linear_capture import linear_text
from helpers.machines import FOREIGN, TARGETS, Loaded, assert_same_bits, cut_blocks, native_targets
from hypothesis import given
from hypothesis import strategies as st

from schedc.analyze import analyze_compilation
from schedc.compiler import Compilation, compile_graph
from schedc.errors import UserError
from schedc.ir.ops import Conv, Input, Start
from schedc.options import Options, make_options
from schedc.planning import plan_graph
from schedc.schedule import KernelValue, Parts, ScheduleOverrides, Shared, WeightRoute
from schedc.targets.base import load_target


@dataclass(frozen=True)
class Case:
    """A convolution and how to cut it; ``taps`` more or fewer than ``tiles`` tiles have frames."""

    groups: int
    rows: int
    columns: int
    vectors: int
    together: int
    tiles: int
    taps: int
    start: Start
    unroll: int
    lane: bool
    block: int

    def conv(self, target: str) -> Conv:
        frames = self.vectors * load_target(target).vectors.lanes
        taps = max(2, frames, self.tiles * frames + self.taps)
        return Conv(self.groups * self.columns, self.groups * self.rows, taps, 1, self.groups, self.start)

    def compile(self, target: str) -> Compilation:
        chosen = make_options(target, block=self.block)
        route = WeightRoute.LANE if self.lane else WeightRoute.BROADCAST
        forced: dict[str, int | bool | WeightRoute] = {
            "tile_vectors": self.vectors,
            "weight_vectors": self.together,
            "share_taps": True,
            "unroll_macs": self.unroll,
            "weight_route": WeightRoute.SCALAR if target == "m33" else route,
        }
        schedule = ScheduleOverrides((("*", tuple(forced.items())),))
        op = self.conv(target)
        graph = graph_of(("x", Input(op.in_channels), ""), ("conv", op, "x"))
        return compile_graph(graph, Options(chosen.target, 1, self.block, chosen.contract, schedule=schedule))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    vectors = draw(st.integers(1, 6))
    return Case(
        groups=draw(st.sampled_from((1, 1, 2, 3))),
        rows=draw(st.integers(1, 2)),
        columns=draw(st.integers(1, 2)),
        vectors=vectors,
        together=draw(st.sampled_from([count for count in range(1, vectors + 1) if vectors % count == 0])),
        tiles=draw(st.integers(1, 3)),
        taps=draw(st.integers(-5, 20)),
        start=draw(st.sampled_from((Start.BIAS, Start.NOTHING))),
        unroll=draw(st.sampled_from((150, 400, 4000))),
        lane=draw(st.booleans()),
        block=draw(st.integers(1, 70)),
    )


@pytest.mark.parametrize("target", TARGETS)
@examples_per_test(12)
@given(case=cases(), seed=st.integers(0, 99))
def test_any_shape(target: str, case: Case, seed: int) -> None:
    try:
        compilation = case.compile(target)
    except UserError as error:
        assert "share_taps needs" in str(error)  # too many channels to be written out
        return
    graph = compilation.program.graph
    capture = capture_of(graph)
    x = np.random.default_rng(seed).standard_normal((graph["x"].channels, 150)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(150, case.block, seed))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), f"{case} on {target}")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("target", TARGETS)
def test_a_long_linear_capture_as_it_is_compiled(target: str, channels: int) -> None:
    taps = 2048 if target in native_targets() else 150
    capture = capture_from_text(linear_text(taps, channels))
    compilation = compile_graph(capture.graph, make_options(target, block=64))
    assert all(isinstance(schedule.taps, Shared | Parts) for schedule in compilation.program.schedules.values())
    x = np.random.default_rng(1).standard_normal((channels, 200)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(200, 64, 1))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), target)


@pytest.mark.parametrize(
    ("forced", "share", "together"),
    [
        ((("tile_vectors", 8),), True, 2),
        ((("tile_vectors", 8), ("weight_vectors", 1)), True, 1),
        ((("tile_vectors", 7), ("share_taps", True)), True, 1),
        ((("tile_vectors", 20),), False, 1),  # more frames than the filter has taps
    ],
)
def test_sharing_goes_by_what_a_file_forces(
    forced: tuple[tuple[str, KernelValue], ...], share: bool, together: int
) -> None:
    options = replace(make_options("avx2", block=64), schedule=ScheduleOverrides((("*", forced),)))
    chosen = plan_graph(capture_from_text(linear_text(150)).graph, options).program.schedules
    assert [(s.words["tile_vectors"], s.words["share_taps"], s.words["weight_vectors"]) for s in chosen.values()] == [
        (dict(forced)["tile_vectors"], share, together)
    ]


@pytest.mark.parametrize("target", FOREIGN)
def test_the_loop_of_a_long_filter_rarely_loads(target: str) -> None:
    compilation = compile_graph(capture_from_text(linear_text(500)).graph, make_options(target))
    loops = analyze_compilation(compilation, calls=1).typical.loops
    taps = max(loops, key=lambda loop: loop.costs.mix["fma"] + loop.costs.mix["mul"])
    assert taps.costs.stack_accesses == 0
    assert taps.loads_per_mac < 0.5
