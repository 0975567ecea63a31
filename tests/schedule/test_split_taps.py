"""Taps in parts that run side by side: the interpreter's bits for every shape, block and past on every target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core, packed
from helpers.documents import capture_from_text
from helpers.effort import examples_per_test
from helpers.linear_capture import linear_text
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks, native_targets
from hypothesis import given
from hypothesis import strategies as st

from schedc.autoscheduler import cheapest
from schedc.backends.weights.partial_sums import partial_sums
from schedc.compiler import Compilation, compile_graph
from schedc.errors import UserError
from schedc.host.start_state import silent_rows
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, ActivationKind, Conv, Input, LstmCell, Scale, Start
from schedc.ir.program import Kernel
from schedc.loops.tap_parts import kept_sums
from schedc.options import make_options
from schedc.passes.core import core_graph, core_weights
from schedc.passes.fuse_layers import fuse_layers
from schedc.planning import plan_graph
from schedc.schedule import NOTHING_FORCED, KernelSchedule, Parts, RingPolicy, ScheduleOverrides, WeightRoute
from schedc.targets.base import load_target


@dataclass(frozen=True)
class Case:
    """A convolution and how to cut it; ``taps`` are those beyond the fewest that the block and the parts need."""

    rows: int
    columns: int
    vectors: int
    parts: int
    taps: int
    start: Start
    lane: bool
    block: int
    most_blocks: int
    policy: RingPolicy
    prewarmed: bool

    def graph(self, target: str) -> Graph:
        # A part has at least as many taps as the block and the tile have frames.
        taps = max(self.block, self.vectors * load_target(target).vectors.lanes)
        op = Conv(self.columns, self.rows, self.parts * taps + self.taps, start=self.start)
        return graph_of(
            ("x", Input(self.columns), ""),
            ("conv", op, "x"),
            ("act", Activation(ActivationKind.LEAKY_RELU, self.rows), "conv"),
            ("scaled", Scale(self.rows), "act"),
        )

    def compile(self, target: str) -> Compilation:
        chosen = make_options(target, block=self.block)
        route = WeightRoute.LANE if self.lane else WeightRoute.BROADCAST
        forced = (
            ("lanes", chosen.target.vectors.lanes),
            ("tile_vectors", self.vectors),
            ("tap_parts", self.parts),
            ("unroll_macs", 4096),
            ("register_values", 40),
            ("weight_route", WeightRoute.SCALAR if target == "m33" else route),
        )
        rings = (("most_blocks", self.most_blocks), ("policy", self.policy))
        return compile_graph(
            self.graph(target), replace(chosen, schedule=ScheduleOverrides((("conv", forced),), rings))
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return Case(
        rows=draw(st.sampled_from((1, 1, 2, 3))),
        columns=draw(st.sampled_from((1, 1, 2))),
        vectors=draw(st.integers(1, 4)),
        parts=draw(st.integers(2, 9)),
        taps=draw(st.integers(0, 40)),
        start=draw(st.sampled_from((Start.BIAS, Start.NOTHING))),
        lane=draw(st.booleans()),
        block=draw(st.integers(1, 24)),
        most_blocks=draw(st.sampled_from((1, 2, 5, 16))),
        policy=draw(st.sampled_from(RingPolicy)),
        prewarmed=draw(st.booleans()),
    )


@pytest.mark.parametrize("target", TARGETS)
@examples_per_test(12)
@given(case=cases(), seed=st.integers(0, 99))
def test_any_shape(target: str, case: Case, seed: int) -> None:
    compilation = case.compile(target)
    (kernel,) = compilation.program.stages[0].kernels
    assert compilation.program.schedules[kernel.name].words["tap_parts"] == case.parts
    capture = capture_of(case.graph(target), prewarm=None if case.prewarmed else 0)
    x = np.random.default_rng(seed).standard_normal((case.columns, 500)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(500, case.block, seed))
    wanted = interpret_core(capture, x, compilation.options.contract, case.prewarmed)
    assert_same_bits(found, wanted, f"{case} on {target}")


# A past that does not settle, of two channels; and two filters in a row, which two cores can share.
AFTER_LSTM = graph_of(
    ("l", LstmCell(1, 2), "x"),
    ("first", Conv(2, 2, 75), "l"),
    ("second", Conv(2, 1, 40), "first"),
)
IN_PARTS = ScheduleOverrides(tuple((name, (("tap_parts", 3), ("tile_vectors", 1))) for name in ("first", "second")))


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_a_past_that_does_not_settle(target: str, cores: int) -> None:
    """60 samples of silence through an LSTM leave partial sums that differ from sample to sample."""
    capture = capture_of(AFTER_LSTM, prewarm=60)
    options = replace(make_options(target, cores, block=8), schedule=IN_PARTS)
    compilation = compile_graph(AFTER_LSTM, options)
    x = np.random.default_rng(1).standard_normal((1, 300)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(300, 8, 1))
    assert_same_bits(found, interpret_core(capture, x, options.contract), target)


def test_the_partial_sums_of_a_start_state_are_kept_where_a_report_says() -> None:
    """Packing reads the number of parts from the packing list: the code of every number of parts gets its own."""
    capture = capture_of(AFTER_LSTM, prewarm=200)
    graph = core_graph(AFTER_LSTM)
    state = silent_rows(graph, core_weights(graph, capture.weights), make_options("host").contract, 200)
    assert set(state) == {"l.cells", "l", "first"}  # of streams only, whatever the parts
    compilation = compile_graph(AFTER_LSTM, replace(make_options("host", block=8), schedule=IN_PARTS))
    parts = {field.node: (field.parts, field.floats, field.per_channel) for field in compilation.packing.start}
    op = graph["first"].op
    assert isinstance(op, Conv)
    assert parts["second"] == (3, 2 * 13, 13) and parts["first"][0] == 3
    assert kept_sums(op, 3) == 4


@examples_per_test(100)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(4, 20)),
    parts=st.integers(2, 4),
    bias=st.lists(st.sampled_from((0.0, -0.0, 0.5, -2.0, 1e-40)), min_size=3, max_size=3),
    start=st.sampled_from((Start.BIAS, Start.NOTHING)),
    negative=st.integers(0, 20),
    frames=st.integers(1, 3),
    subnormals=st.sampled_from(("keep", "flush")),
)
def test_sums_of_zeros_are_those_of_a_filter_run_on_zeros(
    shape: tuple[int, int, int],
    parts: int,
    bias: list[float],
    start: Start,
    negative: int,
    frames: int,
    subnormals: Literal["keep", "flush"],
) -> None:
    """They are not added up one by one; -0.0 and what is flushed count."""
    rows, columns, taps = shape
    op, contract = Conv(columns, rows, taps, start=start), Contract("fused", subnormals)
    weight = np.random.default_rng(1).uniform(0.1, 1, (rows, columns, taps)).astype(np.float32)
    weight[:, :, :negative] *= -1
    parameters = {"weight": weight, "bias": np.array(bias[:rows], np.float32)}
    past = np.zeros((columns, op.history), np.float32)
    frames = min(frames, taps // parts)
    found = partial_sums(op, parts, parameters, past, frames, contract)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schedc.backends.weights.partial_sums._only_signs_change", lambda *_: False)
        wanted = partial_sums(op, parts, parameters, past, frames, contract)
    assert_same_bits(found, wanted)


# A filter that feeds another, whose kernel takes it in: two in one loop, alike or one too short for parts, or dilated.
@pytest.mark.parametrize(
    "second", [Conv(2, 1, 400), Conv(2, 1, 20), Conv(2, 1, 64, 3)], ids=["long", "short", "dilated"]
)
@pytest.mark.parametrize("policy", RingPolicy)
@pytest.mark.parametrize("target", TARGETS)
def test_two_filters_in_one_kernel(target: str, policy: RingPolicy, second: Conv) -> None:
    graph = graph_of(("first", Conv(1, 2, 400), "x"), ("second", second, "first"))
    (kernel,) = fuse_layers(core_graph(graph))
    assert len(kernel.nodes) == 2
    lanes = load_target(target).vectors.lanes
    tile = (("lanes", lanes), ("tile_vectors", max(1, 8 // lanes)))
    forced = ScheduleOverrides(((kernel.name, (("tap_parts", 3), *tile)),), (("policy", policy),))
    compilation = compile_graph(graph, replace(make_options(target, block=8), schedule=forced))
    (arena,) = [stage.arena for stage in compilation.program.stages]
    assert arena and set(arena.sums) == ({"first", "second"} if second.kernel_size == 400 else {"first"})
    capture = capture_of(graph)
    x = np.random.default_rng(1).standard_normal((1, 900)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(900, 8, 1))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), target)


@pytest.mark.parametrize("block", [1, 16, 64])
@pytest.mark.parametrize("kernel", [3, 16])
@pytest.mark.parametrize("target", native_targets())
def test_a_long_filter_that_feeds_the_condition(target: str, kernel: int, block: int) -> None:
    """As it is compiled: its reader's kernel takes it in, whatever the taps of that."""
    filtered = ("filtered", Conv(1, 1, 400), "x")
    layer = ("layer", Conv(1, 3, kernel), "x")
    mixed = ("mixed", Conv(1, 3, start=Start.STREAM), "filtered layer")
    graph = graph_of(filtered, layer, mixed, ("head", Conv(3, 1, kernel), "mixed"))
    capture = capture_of(graph)
    compilation = compile_graph(graph, make_options(target, block=block))
    x = np.random.default_rng(1).standard_normal((1, 1500)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(1500, block, 1))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), target)


def chosen(graph: Graph, target: str, block: int) -> KernelSchedule:
    """The schedule of the kernel named ``fir``."""
    options = make_options(target, block=block)
    return cheapest(options.target, options.contract)(core_graph(graph), Kernel("fir", ("fir",)), block, NOTHING_FORCED)


@pytest.mark.parametrize("target", ["avx2", "avx512", "zen4", "aarch64"])
@pytest.mark.parametrize("block", [1, 16, 64])
def test_a_long_filter_has_as_many_chains_as_the_machine_wants(target: str, block: int) -> None:
    """Sums of vectors x parts wait for none of the others; 4 cycles of latency want 4 to 8 of them."""
    schedule = chosen(graph_of(("fir", Conv(1, 1, 2048), "x")), target, block)
    parts = schedule.taps.count if isinstance(schedule.taps, Parts) else 1
    assert schedule.tile_vectors * parts >= 4
    assert schedule.tile_vectors * parts <= load_target(target).limits.accumulators


@pytest.mark.parametrize("op", [Conv(1, 1, 16), Conv(1, 1, 2048, 2), Conv(2, 2, 2048, groups=2)])
def test_what_is_too_short_dilated_or_grouped_stays_whole(op: Conv) -> None:
    graph = graph_of(("x", Input(op.in_channels), ""), ("fir", op, "x"))
    assert not isinstance(chosen(graph, "avx512", 16).taps, Parts)


def test_boards_keep_their_memory() -> None:
    for target in ("m33", "a8"):
        assert not isinstance(chosen(graph_of(("fir", Conv(1, 1, 2048), "x")), target, 16).taps, Parts)


@pytest.mark.parametrize("block", [1, 16, 64])
@pytest.mark.parametrize("target", native_targets())
def test_a_long_linear_capture_as_it_is_compiled(target: str, block: int) -> None:
    capture = capture_from_text(linear_text(2048))
    compilation = compile_graph(capture.graph, make_options(target, block=block))
    x = np.random.default_rng(1).standard_normal((1, 3000)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(3000, block, 1))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), target)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tap_parts": 100}, "with 16 taps a part or more"),
        ({"tap_parts": 4, "share_taps": True, "tile_vectors": 1}, "tap_parts with share_taps"),
        ({"tap_parts": 4, "align_taps": True}, "tap_parts with share_taps, align_taps"),
        ({"tap_parts": 16, "tile_vectors": 8}, "leave it out, or make it or tile_vectors smaller"),
    ],
)
def test_what_cannot_be_cut_is_said(values: dict[str, int | bool], words: str) -> None:
    forced = ScheduleOverrides((("fir", tuple(values.items())),))
    with pytest.raises(UserError, match=words):
        plan_graph(graph_of(("fir", Conv(1, 1, 400), "x")), replace(make_options("avx2", block=16), schedule=forced))
