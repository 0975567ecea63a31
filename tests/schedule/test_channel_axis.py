"""Vectors of channels: the same bits on every target, whatever lies beside them, planar or interleaved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core, packed
from helpers.documents import capture_from_text, documents
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits, cut_blocks
from helpers.schedule_strategy import NUMBERS, RINGS
from hypothesis import given
from hypothesis import strategies as st

from schedc.cli.main import main
from schedc.compiler import Compilation, compile_graph
from schedc.errors import UserError
from schedc.frontend.capture import Capture, read_capture
from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, ActivationKind, Combine, Conv, Elementwise, LstmCell, Slice, Start
from schedc.ir.program import Placement, Stage
from schedc.loops.channel_axis import can_hold_channels
from schedc.options import Options, make_options
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers
from schedc.passes.schedule_space import lane_widths, schedule_space
from schedc.planning import plan_graph
from schedc.schedule import KernelValue, RingPolicy, RingValue, ScheduleOverrides, VectorAxis, WeightRoute
from schedc.schedule_file import decisions, parse_schedule, schedule_text
from schedc.targets.base import load_target

CAPTURES = Path(__file__).resolve().parents[2] / "examples" / "captures"
VECTOR_TARGETS = tuple(target for target in TARGETS if target != "m33")
ON_CHANNELS = st.fixed_dictionaries(
    {
        **NUMBERS,
        "output_block": st.integers(1, 40),
        "pointwise_block": st.integers(1, 40),
        "weight_route": st.sampled_from([WeightRoute.BROADCAST, WeightRoute.LANE]),
    }
)
BLOCKS = st.sampled_from([1, 2, 3, 5, 8, 16, 33, 48])
Forced = dict[str, KernelValue]


def forced_on(graph: Graph, target: str, values: Forced, seed: int) -> ScheduleOverrides:
    """Channels in most kernels that can have them, of mostly equal lanes; the others keep their frames."""
    rng = np.random.default_rng(seed)
    widths = [lanes for lanes in lane_widths(load_target(target)) if lanes > 1]
    usual = int(rng.choice(widths))
    kernels: list[tuple[str, tuple[tuple[str, KernelValue], ...]]] = []
    for kernel in fuse_layers(core_graph(graph)):
        lanes = usual if rng.random() < 0.8 else int(rng.choice(widths))
        ops = [core_graph(graph)[name].op for name in kernel.nodes]
        if can_hold_channels(ops, lanes) and rng.random() < 0.8:
            kernels.append((kernel.name, (("axis", VectorAxis.CHANNELS), ("lanes", lanes), *values.items())))
    return ScheduleOverrides(tuple(kernels))


def compiled(
    graph: Graph, target: str, block: int, forced: ScheduleOverrides, cores: int = 1, mac: str | None = None
) -> Compilation:
    return compile_graph(graph, replace(make_options(target, cores, block, mac=mac), schedule=forced))


def check(
    capture: Capture, compilation: Compilation, samples: int, seed: int, special: bool = False, prewarm: bool = True
) -> None:
    """The interpreter's bits in calls of changing size, as one call and stage by stage."""
    stages = compilation.program.stages
    blob = packed(compilation, capture, prewarm)
    blocks = cut_blocks(samples, compilation.options.frames, seed)
    x = signal(capture.graph.in_channels, samples, seed, special)
    wanted = interpret_core(capture, x, compilation.options.contract, prewarm)
    assert_same_bits(Loaded(compilation, blob).process(x, blocks), wanted, compilation.options.target.name)
    if len(stages) > 1:
        assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), wanted, "stages")


def rows_of(stage: Stage) -> Mapping[str, Placement]:
    assert stage.arena
    return stage.arena.rows


@pytest.mark.parametrize("target", VECTOR_TARGETS)
def test_random_graphs(target: str) -> None:
    @examples_per_test(16)
    @given(examples(recurrent=True), ON_CHANNELS, RINGS, BLOCKS, st.integers(1, 3), st.booleans())
    def run(
        example: Example, values: Forced, rings: dict[str, RingValue], block: int, cores: int, special: bool
    ) -> None:
        forced = replace(forced_on(example.graph, target, values, example.seed), rings=tuple(rings.items()))
        cores = min(cores, len(fuse_layers(core_graph(example.graph))))
        mac = load_target(target).mac[example.seed % len(load_target(target).mac)]
        compilation = compiled(example.graph, target, block, forced, cores, mac)
        samples = min(3 * block + min(example.lookback, 150), 300)
        check(capture_of(example.graph, example.weights), compilation, samples, example.seed, special)

    run()


@pytest.mark.parametrize("target", VECTOR_TARGETS)
def test_random_documents(target: str) -> None:
    """Gates, FiLM and groups between what can have the axis; LSTMs before it, whose silence is a whole history."""

    @examples_per_test(7)
    @given(documents(), ON_CHANNELS, RINGS, BLOCKS, st.booleans(), st.integers(0, 99))
    def run(text: str, values: Forced, rings: dict[str, RingValue], block: int, prewarm: bool, seed: int) -> None:
        capture = capture_from_text(text)
        forced = replace(forced_on(capture.graph, target, values, seed), rings=tuple(rings.items()))
        check(capture, compiled(capture.graph, target, block, forced), 200, seed, prewarm=prewarm)

    run()


@pytest.mark.parametrize("target", VECTOR_TARGETS)
@pytest.mark.parametrize("name", ["a2_lite", "convnet"])
@examples_per_test(2)
@given(values=ON_CHANNELS, rings=RINGS, block=BLOCKS, seed=st.integers(0, 99))
def test_captures(target: str, name: str, values: Forced, rings: dict[str, RingValue], block: int, seed: int) -> None:
    """The axis forced on all kernels, as a file says it."""
    capture = read_capture(CAPTURES / f"{name}.nam")
    everywhere = (("*", (("axis", VectorAxis.CHANNELS), *values.items())),)
    compilation = compiled(capture.graph, target, block, ScheduleOverrides(everywhere, tuple(rings.items())))
    assert all(schedule.across_channels for schedule in compilation.program.schedules.values())
    check(capture, compilation, 200, seed)


@pytest.mark.parametrize("target", VECTOR_TARGETS)
@pytest.mark.parametrize(("block", "axis"), [(2, VectorAxis.FRAMES), (48, VectorAxis.CHANNELS)])
def test_the_other_axis_with_tiles_of_its_own(target: str, block: int, axis: VectorAxis) -> None:
    """A file that names nothing else: longer tiles than the search tries by itself."""
    capture = read_capture(CAPTURES / "a2_lite.nam")
    compilation = compiled(capture.graph, target, block, ScheduleOverrides((("*", (("axis", axis),)),)))
    assert {schedule.axis for schedule in compilation.program.schedules.values()} == {axis}
    check(capture, compilation, 150, 1)


# An LSTM, then what reads a whole history of it: planar from the cell, interleaved from layer to layer.
AFTER_LSTM = graph_of(
    ("l", LstmCell(1, 5), "x"),
    ("c", Conv(5, 12, 3, 7), "l"),
    ("a", Activation(ActivationKind.TANH, 12), "c"),
    ("d", Conv(12, 12, 2, 30), "a"),
    ("low", Slice(12, 0, 4), "d"),
    ("high", Slice(12, 8, 12), "d"),
    ("gate", Activation(ActivationKind.PRELU, 4), "high"),
    ("gated", Combine(Elementwise.MUL, 4), "low gate"),
    ("mixed", Conv(4, 12, start=Start.STREAM), "gated a"),
    ("e", Conv(12, 3, 4, 2), "mixed"),
)
FOUR_LANES = (("axis", VectorAxis.CHANNELS), ("lanes", 4), ("tile_vectors", 3))
ON_FOUR_LANES = ScheduleOverrides(
    tuple((kernel.name, FOUR_LANES) for kernel in fuse_layers(core_graph(AFTER_LSTM)) if "l" not in kernel.nodes)
)


@pytest.mark.parametrize("policy", RingPolicy)
@pytest.mark.parametrize("target", VECTOR_TARGETS)
def test_a_history_that_does_not_settle_becomes_interleaved(target: str, policy: RingPolicy) -> None:
    capture = capture_of(AFTER_LSTM, prewarm=300)
    for cores in (1, 2):
        forced = replace(ON_FOUR_LANES, rings=(("policy", policy), ("most_blocks", 2)))
        compilation = compiled(AFTER_LSTM, target, 7, forced, cores)
        rings = {n: p for stage in compilation.program.stages for n, p in rows_of(stage).items() if p.is_ring}
        assert {n: p.frame_items for n, p in rings.items()}["l"] == 1
        if cores == 1:
            assert {n: p.frame_items for n, p in rings.items()} == {"l": 1, "a": 12, "mixed": 12}
        check(capture, compilation, 120, 1)


def test_streams_are_interleaved_where_both_ends_are_alike() -> None:
    graph = graph_of(
        ("a", Conv(1, 6, 2), "x"),
        ("b", Conv(6, 6, 2, 3), "a"),
        ("c", Conv(6, 6, 2, 5), "b"),
        ("d", Conv(6, 2, 2, 5), "c"),
    )
    across: Forced = {"axis": VectorAxis.CHANNELS, "lanes": 4, "tile_vectors": 2}

    def frame_items(**other: Forced) -> dict[str, int]:
        """By stream; the kernels in ``other`` differ from the rest."""
        kernels = {**dict.fromkeys("acd", across), **other}
        forced = ScheduleOverrides(tuple((name, tuple(values.items())) for name, values in kernels.items()))
        program = plan_graph(graph, replace(make_options("avx2", block=4), schedule=forced)).program
        return {name: place.frame_items for name, place in rows_of(program.stages[0]).items()}

    assert frame_items() == {"x": 1, "a": 8, "b": 8, "c": 8, "d": 1}
    assert frame_items(c={"axis": VectorAxis.FRAMES}) == {"x": 1, "a": 8, "b": 1, "c": 1, "d": 1}
    assert frame_items(d={**across, "lanes": 8}) == {"x": 1, "a": 8, "b": 8, "c": 1, "d": 1}


def test_the_axis_is_offered_while_frames_would_waste_lanes() -> None:
    graph = core_graph(read_capture(CAPTURES / "a2_lite.nam").graph)
    kernel = fuse_layers(graph)[3]
    for target, most in (("avx512", 15), ("avx2", 7), ("a8", 3), ("aarch64", 3), ("m33", 0)):
        offered = {
            block: any(s.across_channels for s in schedule_space(graph, kernel, load_target(target), block))
            for block in range(1, 65)
        }
        assert {block for block, found in offered.items() if found} == set(range(1, most + 1))


@pytest.mark.parametrize("target", ["avx2", "avx512", "zen4", "a8", "aarch64"])
def test_a_block_of_one_frame_takes_channels(target: str) -> None:
    graph = read_capture(CAPTURES / "a2.nam").graph
    axes = {block: axes_of(graph, make_options(target, block=block)) for block in (1, 64)}
    assert axes[1][VectorAxis.CHANNELS] >= 22
    assert set(axes[64]) == {VectorAxis.FRAMES}


def axes_of(graph: Graph, options: Options) -> Counter[VectorAxis]:
    return Counter(schedule.axis for schedule in plan_graph(graph, options).program.schedules.values())


@pytest.mark.parametrize(
    ("target", "text", "words"),
    [
        ("m33", "{'*': {axis: channels}}", "axis channels on m33, which has no vectors; leave it out"),
        ("avx2", "{'*': {axis: channels, share_taps: true}}", "share_taps with axis channels; leave one of them out"),
        (
            "avx2",
            "{'*': {axis: channels}}",
            "axis channels needs convolutions without groups, element-wise steps and slices that begin at a multiple "
            "of the lanes, no other steps; name the kernels that can have it",
        ),
    ],
)
def test_what_cannot_hold_channels_is_refused(target: str, text: str, words: str) -> None:
    """The last for an LSTM, groups, and a slice in the middle of a vector."""
    taken = graph_of(("c", Conv(1, 4, 2), "x"), ("a", Activation(ActivationKind.RELU, 4), "c"))
    needs = "no other steps" in words
    graphs = [
        graph_of(("l", LstmCell(1, 3), "x")),
        graph_of(("c", Conv(1, 4, 2), "x"), ("g", Conv(4, 4, 1, 1, 2), "c")),
        graph_of(
            ("c", Conv(1, 8, 2), "x"),
            ("s", Slice(8, 3, 8), "c"),
            ("t", Slice(8, 0, 5), "c"),
            ("p", Combine(Elementwise.MUL, 5), "s t"),
        ),
    ]
    forced = parse_schedule(f"kernels: {text}".encode(), "FILE")
    for graph in graphs if needs else [taken]:
        with pytest.raises(UserError) as caught:
            compiled(graph, target, 4, forced)
        assert str(caught.value).endswith(words)


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(UserError, match=r"'lanes' is not a vector axis; use one of frames, channels"):
        parse_schedule(b"kernels: {a: {axis: lanes}}", "FILE")


def test_an_axis_that_was_not_asked_for_gives_way() -> None:
    """At blocks of 4 the model takes channels; sharing taps, which the file wants, needs frames."""
    graph = graph_of(("fir", Conv(1, 4, 64), "x"), ("head", Conv(4, 1), "fir"))
    options = make_options("avx512", block=2)
    assert set(axes_of(graph, options)) == {VectorAxis.CHANNELS}
    values = b"{share_taps: true, tile_vectors: 1, lanes: 4, output_block: 1}"
    forced = parse_schedule(b"kernels: {'*': " + values + b"}", "FILE")
    assert set(axes_of(graph, replace(options, schedule=forced))) == {VectorAxis.FRAMES}


@pytest.mark.parametrize("target", ["avx2", "avx512", "a8", "aarch64"])
def test_the_written_file_reproduces_the_code(target: str) -> None:
    graph = read_capture(CAPTURES / "a1_nano.nam").graph
    options = make_options(target, block=1)
    chosen = compile_graph(graph, options)
    assert any(schedule.across_channels for schedule in chosen.program.schedules.values())
    again = parse_schedule(schedule_text(decisions(chosen.program)).encode(), "FILE")
    assert compile_graph(graph, replace(options, schedule=again)).code.elf == chosen.code.elf


def test_explain_names_the_axis(capsys: pytest.CaptureFixture[str]) -> None:
    for block, found in (("1", True), ("64", False)):
        assert main(["explain", str(CAPTURES / "a2_lite.nam"), "--target", "avx2", "--block", block, "--details"]) == 0
        text = capsys.readouterr().out
        assert ("  1x4x4  " in text) is found
        assert ("tiles of frames x lanes, with channels across the lanes" in text) is found
