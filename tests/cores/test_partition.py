"""Where a model is cut: the published sweep, optimality, unequal cores, memory, and refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from helpers.captures import EXAMPLES, capture_of, compile_for, graph_of
from helpers.effort import examples_per_test
from hypothesis import given
from hypothesis import strategies as st

from schedc.errors import UserError
from schedc.frontend.capture import read_capture
from schedc.ir.ops import Conv, Input
from schedc.ir.program import Program
from schedc.options import Options, make_options
from schedc.passes.stage_costs import HandoffCost, StageCosts, best_cuts
from schedc.planning import plan_graph
from schedc.reports.balance import Balance, balance_of
from schedc.verification import verify_compilation

CAPTURES = {path.stem: path for path in EXAMPLES}
# The public C++ fast path on RP2350, docs/machines.md#m33-measured-kernels: split before layer K -> cycles per sample.
PUBLISHED = {12: 4891, 13: 4598, 14: 4533, 15: 5177, 16: 5778}
PUBLISHED_ONE_CORE = 8396


def published_costs() -> StageCosts:
    """A2-Lite's 23 layers by kernel size and what is around them, in the fast path's cycles.

    A layer of 6 taps weighs 293, the two of 15 taps 644 and 600.  The halves measured at K=14 (core 0, and core
    1 by its K=13 less a layer) add up to more than one core's total by 442: the handoff of 7 floats, on both
    sides.  What core 0 does besides its layers is the input's; the rest of the total is the head's.
    """
    layers = [293.0] * 14 + [644.0, 600.0] + [293.0] * 7
    per_side = (PUBLISHED[14] + PUBLISHED[13] - 293 - PUBLISHED_ONE_CORE) / 2
    layers[0] += PUBLISHED[14] - per_side - sum(layers[:14])
    head = PUBLISHED_ONE_CORE - sum(layers)
    return StageCosts(
        kernel_cycles=(*layers, head),
        handoff_floats=(0, *[7] * 23, 0),
        block=48,
        core_speeds=(1.0, 1.0),
        handoff=HandoffCost(cycles_per_float=per_side / 7),
    )


def test_published_splits_come_out_in_the_measured_order() -> None:
    costs = published_costs()
    assert sum(costs.kernel_cycles) == PUBLISHED_ONE_CORE
    (best,) = best_cuts(costs)
    assert best.cuts == (14,)
    predicted = {split: costs.slowest((split,)) for split in PUBLISHED}
    assert sorted(PUBLISHED, key=predicted.__getitem__) == sorted(PUBLISHED, key=PUBLISHED.__getitem__)
    for split, measured in PUBLISHED.items():
        assert predicted[split] == pytest.approx(measured, rel=0.01), split


def published_cycles(program: Program) -> Sequence[float]:
    """The same costs as a prediction for the kernels of our own A2-Lite."""
    return published_costs().kernel_cycles


def test_the_pass_takes_the_published_costs() -> None:
    from schedc.planning import partition_pass

    capture = read_capture(CAPTURES["a2_lite"])
    program = plan_graph(capture.graph, make_options("m33", 1, 48)).program
    step = partition_pass(make_options("m33", 2, 48))
    handoff = published_costs().handoff
    cut = replace(step, kernel_cycles=published_cycles, handoff=handoff)(replace(program, stages=()))
    assert [len(stage.kernels) for stage in cut.stages] == [14, 10]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=9),
    st.lists(st.sampled_from([0.5, 0.8, 1.0, 2.0]), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 40),
)
@examples_per_test(200)
def test_no_cut_is_better(cycles: list[int], speeds: list[float], per_float: int, synchronisation: int) -> None:
    count, cores = len(cycles), min(len(speeds), len(cycles))
    costs = StageCosts(
        kernel_cycles=tuple(map(float, cycles)),
        handoff_floats=(0, *[(7 * k) % 5 for k in range(1, count)], 0),
        block=8,
        core_speeds=tuple(speeds[:cores]),
        handoff=HandoffCost(per_float, synchronisation),
    )
    every = sorted(costs.slowest(cuts) for cuts in combinations(range(1, count), cores - 1))
    found = best_cuts(costs, 5)
    assert [cut.cycles_per_sample for cut in found] == every[:5]
    assert [costs.slowest(cut.cuts) for cut in found] == every[:5]
    assert len({cut.cuts for cut in found}) == len(found)


def plan(target: str, cores: int, speeds: tuple[float, ...] = ()) -> tuple[Program, Options, Balance]:
    capture = read_capture(CAPTURES["a2_lite"])
    options = make_options(target, cores, 48, core_speeds=speeds)
    program = plan_graph(capture.graph, options).program
    return program, options, balance_of(program, options, capture.rate)


def test_two_m33_cores_are_predicted_to_nearly_double_the_throughput() -> None:
    _, _, balance = plan("m33", 2)
    assert balance.speed_up >= 1.9
    assert (balance.latency_samples, balance.latency_ms) == (48, 1.0)
    assert balance.alternatives[0].cuts == balance.cuts
    assert len(balance.runners_up) == 3
    assert all(other.cycles_per_sample >= balance.slowest_cycles for other in balance.runners_up)


@pytest.mark.parametrize("cores", range(1, 9))
def test_up_to_eight_cores(cores: int) -> None:
    program, _, balance = plan("m33", cores)
    assert len(program.stages) == cores
    assert [kernel for stage in program.stages for kernel in stage.kernels] == list(program.kernels)
    assert balance.slowest_cycles == pytest.approx(balance.alternatives[0].cycles_per_sample)
    assert balance.speed_up > 0.7 * cores


def test_a_slower_core_gets_less() -> None:
    _, _, equal = plan("m33", 2)
    _, _, unequal = plan("m33", 2, (1.0, 0.5))
    assert unequal.stages[1].compute_cycles < 0.7 * unequal.stages[0].compute_cycles
    assert unequal.cuts > equal.cuts
    assert 1.3 < unequal.speed_up < 1.5


def test_memory_of_a_core_moves_the_cut() -> None:
    from schedc.passes.partition_cores import stage_bytes
    from schedc.planning import partition_pass

    program, options, balance = plan("m33", 2, (1.0, 0.5))
    step, count = partition_pass(options), len(program.kernels)
    bare = replace(program, stages=())
    bounds = [0, *balance.cuts, count]
    most = max(stage_bytes(program, a, b) for a, b in pairwise(bounds))
    least = min(max(stage_bytes(program, 0, k), stage_bytes(program, k, count)) for k in range(1, count))
    assert least < most, "the balanced cut is the one with the smallest stages: the test needs another"
    tight = replace(step, bytes_per_core=most - 1)(bare)
    cut = len(tight.stages[0].kernels)
    assert max(stage_bytes(program, 0, cut), stage_bytes(program, cut, count)) < most
    assert cut != balance.cuts[0]
    for split in ((), balance.cuts):
        with pytest.raises(UserError, match=r"a stage needs \d+ bytes, a core has \d+; use more cores or a smaller"):
            replace(step, split=split, bytes_per_core=least - 1)(bare)


def test_handoffs_are_avoided_when_they_cost_much() -> None:
    """A wide stream between the second and the third kernel: the cut goes elsewhere."""
    chain = [Conv(1, 2, 2), Conv(2, 40, 2), Conv(40, 2, 2), Conv(2, 1, 2)]
    names = ["x", "a", "b", "c", "d"]
    graph = graph_of(*((names[i + 1], op, names[i]) for i, op in enumerate(chain)))
    options = make_options("m33", 2, 48)
    program = plan_graph(graph, options).program
    assert len(program.stages[0].kernels) != 2


@pytest.mark.parametrize(
    ("speeds", "message"),
    [
        ((1.0,), "core_speeds: 1 speed(s) for 2 core(s); give one per core"),
        ((1.0, 0.0), "core_speeds: a speed is a number above 0; for example 1,0.8"),
        ((1.0, math.nan), "core_speeds: a speed is a number above 0; for example 1,0.8"),
        ((1.0, math.inf), "core_speeds: a speed is a number above 0; for example 1,0.8"),
    ],
)
def test_impossible_speeds(speeds: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        plan("m33", 2, speeds)
    assert str(caught.value) == message


def test_a_wire_is_one_stage() -> None:
    wire = graph_of(("x", Input(1), ""))
    compilation = compile_for(wire, "m33")
    assert len(compilation.program.stages) == 1
    assert verify_compilation(compilation, capture_of(wire), 100).passed
    with pytest.raises(UserError, match="into 2 stages: the model only copies its input; use at most 1"):
        compile_for(wire, "m33", cores=2)


@pytest.mark.parametrize(
    ("cores", "split", "message"),
    [
        (3, (), "cores: there is nothing to cut into 3 stages: the model is a chain of 2 kernel(s); use at most 2"),
        (2, (1, 1), "split: 2 cut(s) make 3 stages, not 2"),
        (2, (2,), "split: cuts must ascend and lie between 1 and 1"),
        (9, (), "cores: 9 cores; give 1 to 8"),
    ],
)
def test_impossible_cuts(cores: int, split: tuple[int, ...], message: str) -> None:
    graph = graph_of(("a", Conv(1, 1, 2), "x"), ("b", Conv(1, 1, 2), "a"))
    with pytest.raises(UserError) as caught:
        compile_for(graph, "m33", cores=cores, split=split)
    assert str(caught.value) == message
