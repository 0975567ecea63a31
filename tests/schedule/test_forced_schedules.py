"""What a schedule file names restricts the search; the cost model chooses the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.effort import examples_per_test
from hypothesis import given
from hypothesis import strategies as st

from schedc.autoscheduler import choice, rank
from schedc.compiler import compile_graph
from schedc.cost.model import Prices, predict_program
from schedc.frontend.capture import read_capture
from schedc.ir.program import Program
from schedc.options import Options, make_options
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers
from schedc.planning import plan_graph
from schedc.schedule import FORCEABLE, FORCEABLE_FLAGS, Forced, ScheduleOverrides, VectorAxis
from schedc.schedule_file import decisions, parse_schedule, schedule_text
from schedc.targets.names import TARGET_NAMES

CAPTURES = Path(__file__).resolve().parents[2] / "examples" / "captures"
GRAPHS = {name: read_capture(CAPTURES / f"{name}.nam").graph for name in ("a2", "a2_lite", "convnet", "lstm_1x16")}
FIELDS = (*FORCEABLE, *FORCEABLE_FLAGS, "axis", "weight_route")


def planned(name: str, options: Options, forced: Forced) -> Program:
    """With ``forced`` for all kernels."""
    everywhere = ScheduleOverrides((("*", tuple(forced.items())),))
    return plan_graph(GRAPHS[name], replace(options, schedule=everywhere)).program


@examples_per_test(60)
@given(
    st.sampled_from(sorted(GRAPHS)),
    st.sampled_from(TARGET_NAMES),
    st.sampled_from([1, 2, 4, 7, 16, 64]),
    st.sets(st.sampled_from(FIELDS)),
    st.integers(0, 999),
)
def test_the_best_of_what_agrees_is_first(name: str, target: str, block: int, named: set[str], seed: int) -> None:
    """No schedule of the free search beats what is found by naming some of its values."""
    graph, options = core_graph(GRAPHS[name]), make_options(target)
    kernels = fuse_layers(graph)
    kernel = kernels[seed % len(kernels)]
    free = rank(graph, kernel, Prices(options.target, options.contract, block))
    one = free[seed % len(free)]
    forced = {field: one.schedule.words[field] for field in sorted(named)}
    found = rank(graph, kernel, Prices(options.target, options.contract, block), forced)
    assert all(entry.schedule.agrees_with(forced) for entry in found)
    assert found[0].cycles_per_sample <= one.cycles_per_sample
    # Naming everything reproduces the schedule.
    whole = one.schedule.words
    assert rank(graph, kernel, Prices(options.target, options.contract, block), whole) == [one]


@pytest.mark.parametrize("target", ["avx2", "avx512", "zen4", "a8", "aarch64"])
@pytest.mark.parametrize(("block", "axis"), [(2, VectorAxis.FRAMES), (64, VectorAxis.CHANNELS)])
def test_a_file_that_names_an_axis_gets_tiles_for_it(target: str, block: int, axis: VectorAxis) -> None:
    """Not those of the other axis, which lose."""
    options = make_options(target, block=block)
    free = planned("a2", options, {}).schedules["array0.layer3"]
    assert free.axis is not axis
    named = planned("a2", options, {"axis": axis})
    assert {schedule.axis for schedule in named.schedules.values()} == {axis}
    tile: Forced = {"axis": axis, "tile_vectors": free.tile_vectors, "output_block": free.output_block}
    kept = planned("a2", options, tile)
    gained, lost = (predict_program(program, options.target, options.contract) for program in (named, kept))
    assert gained < 0.95 * lost


def test_what_is_left_out_is_chosen_as_ever() -> None:
    """At blocks of 2 frames, of the schedules with frames that the free search knows, too."""
    options = make_options("avx512", block=2)
    program = planned("a2", options, {"axis": VectorAxis.FRAMES})
    for kernel in program.kernels:
        ranked = rank(program.graph, kernel, Prices(options.target, options.contract, 2))
        frames = [entry for entry in ranked if not entry.schedule.across_channels]
        assert program.schedules[kernel.name] == choice(frames, options.target).schedule


@pytest.mark.parametrize(
    ("forced", "vectors", "outputs"),
    [({"tile_vectors": 2}, 2, 4), ({"tile_vectors": 32}, 32, 1), ({"output_block": 64}, 1, 64)],
)
def test_the_rest_of_a_tile_fits_what_is_forced_of_it(forced: Forced, vectors: int, outputs: int) -> None:
    """Eight sums are held in registers here; where what is forced takes more, the rest is as small as can be."""
    schedule = planned("a2", make_options("avx2"), forced).schedules["array0.layer3"]
    assert (schedule.tile_vectors, schedule.output_block) == (vectors, outputs)


def test_the_written_file_reproduces_a_partly_forced_choice() -> None:
    options = make_options("avx2", block=4)
    partly = replace(options, schedule=parse_schedule(b"kernels: {'*': {axis: frames, unroll_macs: 40}}", "FILE"))
    chosen = compile_graph(GRAPHS["a2_lite"], partly)
    again = replace(options, schedule=parse_schedule(schedule_text(decisions(chosen.program)).encode(), "FILE"))
    assert compile_graph(GRAPHS["a2_lite"], again).code.elf == chosen.code.elf
    assert compile_graph(GRAPHS["a2_lite"], options).code.elf != chosen.code.elf
