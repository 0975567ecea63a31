"""LSTM cells of any size, with any number of vectors of units side by side: the interpreter's bits on every target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core, packed
from helpers.effort import examples_per_test
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks
from hypothesis import given
from hypothesis import strategies as st

from schedc.analyze import analyze_compilation
from schedc.compiler import Compilation, compile_graph
from schedc.ir.ops import Conv, Input, LstmCell
from schedc.options import make_options
from schedc.passes.fuse_layers import fuse_layers
from schedc.passes.schedule_space import lane_widths, schedule_space
from schedc.schedule import KernelValue, ScheduleOverrides
from schedc.targets.base import load_target


def cell(inputs: int, units: int, target: str, block: int = 16, **forced: KernelValue) -> Compilation:
    graph = graph_of(("x", Input(inputs), ""), ("l", LstmCell(inputs, units), "x"), ("head", Conv(units, 1), "l"))
    overrides = ScheduleOverrides((("l", tuple(forced.items())),))
    return compile_graph(graph, replace(make_options(target, block=block), schedule=overrides))


@pytest.mark.parametrize("target", TARGETS)
@examples_per_test(8)
@given(
    inputs=st.sampled_from((1, 1, 2, 5)),
    units=st.integers(1, 28),
    together=st.integers(1, 7),
    unroll=st.sampled_from((1, 60, 400)),
    narrow=st.integers(0, 2),
    block=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_any_cell(
    target: str, inputs: int, units: int, together: int, unroll: int, narrow: int, block: int, seed: int
) -> None:
    widths = lane_widths(load_target(target))
    forced = {"output_block": together, "unroll_macs": unroll, "lanes": widths[min(narrow, len(widths) - 1)]}
    compilation = cell(inputs, units, target, block, **forced)
    capture = capture_of(compilation.program.graph, prewarm=30)
    x = np.random.default_rng(seed).standard_normal((inputs, 60)).astype(np.float32)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(60, block, seed))
    assert_same_bits(found, interpret_core(capture, x, compilation.options.contract), f"{forced} on {target}")


@pytest.mark.parametrize(("units", "most"), [(5, 2), (16, 2), (24, 2), (40, 2)])
def test_on_an_in_order_core_the_analyser_prefers_several(units: int, most: int) -> None:
    """Their activations fill each other's waits; more than two lose sums to the stack."""
    chosen = cell(1, units, "a8")
    (schedule,) = [s for name, s in chosen.program.schedules.items() if name.startswith("l")]
    assert schedule.output_block == most
    alone = analyze_compilation(cell(1, units, "a8", output_block=1), calls=1)
    assert analyze_compilation(chosen, calls=1).mean < 0.85 * alone.mean


@pytest.mark.parametrize("target", TARGETS)
def test_four_chains_of_each_fit_the_registers(target: str) -> None:
    machine = load_target(target)
    graph = graph_of(("l", LstmCell(1, 40), "x"))
    (kernel,) = fuse_layers(graph)
    space = schedule_space(graph, kernel, machine, 16)
    assert space and all(4 * schedule.output_block < machine.vectors.registers for schedule in space)
    assert all(schedule.tile_vectors == 1 for schedule in space)
    assert {schedule.lanes for schedule in space} == set(lane_widths(machine))
