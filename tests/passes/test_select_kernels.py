"""select-kernels: legal, deterministic schedules that fit the machine, and rings that hold a block."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from helpers.captures import EXAMPLES, graph_of
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples
from hypothesis import given
from hypothesis import strategies as st

from schedc.frontend.capture import read_capture
from schedc.ir.ops import Conv, LstmCell
from schedc.ir.program import Level, Program
from schedc.options import make_options
from schedc.passes.core import core_graph
from schedc.passes.run import run_passes
from schedc.passes.schedule_space import lane_widths
from schedc.passes.select_kernels import select_rings
from schedc.planning import planning_passes
from schedc.schedule import RingPolicy, RingSchedule
from schedc.targets.base import load_target
from schedc.targets.names import TARGET_NAMES


def scheduled(program: Program, target: str) -> Program:
    """The program after fuse-layers and select-kernels, verified."""
    passes = planning_passes(make_options(target, block=program.block))
    assert [step.name for step in passes[:2]] == ["fuse-layers", "select-kernels"]
    return run_passes(program, passes[:2])


def check(program: Program, target: str) -> None:
    registers = load_target(target).vectors.registers
    assert program.level is Level.SCHEDULED and program.rings
    assert set(program.schedules) == {kernel.name for kernel in program.kernels}
    for kernel in program.kernels:
        schedule = program.schedules[kernel.name]
        assert schedule.lanes in lane_widths(load_target(target))
        assert schedule.tile_vectors >= 1 and schedule.output_block >= 1
        assert schedule.stream_vectors(schedule.output_block) < registers
        # Every kernel's last tile ends inside what a row holds.
        tiles = -(-program.block // schedule.tile_frames)
        assert tiles * schedule.tile_frames <= program.rings.block_frames


@pytest.mark.parametrize("target", TARGET_NAMES)
@pytest.mark.parametrize("block", [1, 16, 48, 100])
def test_captures(target: str, block: int) -> None:
    for path in EXAMPLES:
        graph = core_graph(read_capture(path).graph)
        check(scheduled(Program(graph, block, Level.CORE), target), target)


@examples_per_test(100)
@given(examples(recurrent=True), st.sampled_from(TARGET_NAMES), st.integers(1, 200))
def test_any_graph(example: Example, target: str, block: int) -> None:
    program = Program(core_graph(example.graph), block, Level.CORE)
    result = scheduled(program, target)
    check(result, target)
    assert scheduled(program, target) == result


def test_wide_convolutions_are_cut_into_even_blocks() -> None:
    graph = graph_of(("c", Conv(1, 17, 3), "x"))
    for target in TARGET_NAMES:
        (schedule,) = scheduled(Program(graph, 64, Level.CORE), target).schedules.values()
        blocks = -(-17 // schedule.output_block)
        assert blocks * schedule.output_block - 17 < blocks


@pytest.mark.parametrize(("units", "lanes"), [(3, 8), (8, 8), (9, 16), (12, 16), (16, 16), (20, 8), (28, 16)])
def test_units_that_do_not_fill_vectors_are_padded_where_that_is_faster(units: int, lanes: int) -> None:
    """Measured on Zen 4: a cell of 12 units takes 56 ns a sample as one vector, 111 as three without padding."""
    graph = graph_of(("l", LstmCell(1, units), "x"))
    (schedule,) = scheduled(Program(graph, 64, Level.CORE), "zen4").schedules.values()
    assert schedule.lanes == lanes


@given(st.integers(1, 100), st.integers(1, 64), st.integers(2, 32), st.integers(1, 5000))
def test_a_ring_has_room_for_two_blocks_at_least(tile: int, tiles: int, most: int, history: int) -> None:
    rings = RingSchedule(block_frames=tile * tiles, most_blocks=most, copy_frames=8)
    span = rings.span(history)
    assert 2 * rings.block_frames <= span <= most * rings.block_frames
    assert span % rings.block_frames == 0


@pytest.mark.parametrize(("history", "mirrored"), [(4 * 48, False), (4 * 48 + 1, True)])
def test_mixed_rings_mirror_long_histories(history: int, mirrored: bool) -> None:
    mixed = RingSchedule(48, 16, copy_frames=8, policy=RingPolicy.MIXED)
    alike = replace(mixed, policy=RingPolicy.MIRROR if mirrored else RingPolicy.REWIND)
    assert mixed.mirrors(history) == mirrored
    assert mixed.span(history) == alike.span(history)
    assert mixed.mirror_distance(history) == alike.mirror_distance(history)


@pytest.mark.parametrize(("channels", "policy"), [(4, RingPolicy.MIXED), (32, RingPolicy.REWIND)])
def test_rings_that_would_fill_the_memory_are_rewound(channels: int, policy: RingPolicy) -> None:
    layer = graph_of(("c", Conv(1, channels, 1), "x"), ("d", Conv(channels, 1, 3, 1000), "c"))
    assert select_rings(layer, load_target("m33"), 48).policy is policy


@examples_per_test(30)
@given(st.integers(1, 300), st.integers(1, 32), st.integers(1, 500), st.integers(0, 99))
def test_a_mirrored_ring_has_an_image_of_every_past_frame(block: int, most: int, history: int, index: int) -> None:
    """Blocks of changing size: whatever a block looks back on was written there or mirrored there."""
    rings = RingSchedule(block, most, copy_frames=8, policy=RingPolicy.MIRROR)
    distance = rings.mirror_distance(history)
    position = rings.stagger(index, history)
    held = {position - past: -past for past in range(1, history + 1)}  # where -> which frame
    time, sizes = 0, random.Random(index)
    while time < 2 * distance + 3 * block:
        if position > rings.span(history) - block:
            position -= distance
        seen = [held[position - past] for past in range(1, history + 1)]
        assert seen == [time - past for past in range(1, history + 1)]
        n = sizes.randint(1, block)
        for frame in range(n):
            held[position + frame] = time + frame
            if position + frame >= distance - history:
                held[position + frame - distance] = time + frame
        position, time = position + n, time + n
