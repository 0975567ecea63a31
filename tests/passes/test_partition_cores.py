"""partition-cores: the best cut, what cannot be cut, and every legal cut of a small model."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core, random_weights
from helpers.graph_strategy import signal
from helpers.machines import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.errors import UserError
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.ops import Combine, Conv, Elementwise, Input, LstmCell, Scale
from schedc.ir.program import Stage
from schedc.ir.verify import check_stages_chain, verify_graph
from schedc.ir.weights import FloatArray
from schedc.options import make_options
from schedc.passes.core import core_graph, core_weights
from schedc.passes.fuse_layers import fuse_layers
from schedc.passes.partition_cores import PartitionCores, check_count, check_cuts, check_speeds, cut_stages
from schedc.passes.stage_costs import HandoffCost, StageCosts, best_cuts

ADD = Elementwise.ADD
# The condition x goes everywhere, the head sum grows, one stream skips two kernels.
CHAIN = graph_of(
    ("x", Input(3), ""),
    ("a", Conv(3, 2, 3, 2), "x"),
    ("early", Scale(2), "a"),
    ("l", LstmCell(2, 2), "a"),
    ("b", Conv(2, 2, 2, 5), "early"),
    ("c", Conv(3, 2, 4, 1), "x"),
    ("bc", Combine(ADD, 2), "b c"),
    ("d", Conv(2, 2, 2, 9), "bc"),
    ("s", Combine(ADD, 2), "d l"),
    ("t", Combine(ADD, 2), "s early"),
)
costs = st.lists(st.integers(0, 50), min_size=1, max_size=8)


@given(costs, st.integers(1, 5), st.integers(0, 9), st.data())
def test_the_best_cut_is_that_of_brute_force(cycles: list[int], cores: int, price: int, data: st.DataObject) -> None:
    n = len(cycles)
    floats = (0, *(data.draw(st.integers(0, 9)) for _ in range(n - 1)), 0)
    speeds = tuple(data.draw(st.sampled_from((1.0, 1.0, 0.5, 2.0))) for _ in range(cores))
    handoff = HandoffCost(price, 4.0 * price)
    stage_costs = StageCosts(tuple(map(float, cycles)), floats, 16, speeds, handoff)
    every = sorted((stage_costs.slowest(cuts), cuts) for cuts in combinations(range(1, n), cores - 1))
    found = best_cuts(stage_costs, count=3)
    assert [cut.cycles_per_sample for cut in found] == pytest.approx([cost for cost, _ in every[:3]])
    for cut in found:
        assert stage_costs.slowest(cut.cuts) == pytest.approx(cut.cycles_per_sample)


@given(costs, st.integers(1, 4), st.integers(1, 4))
def test_stages_that_are_not_allowed_are_not_chosen(cycles: list[int], cores: int, longest: int) -> None:
    stage_costs = StageCosts(tuple(map(float, cycles)), (0,) * (len(cycles) + 1), 16, (1.0,) * cores)
    found = best_cuts(stage_costs, allowed=lambda begin, end: end - begin <= longest)
    assert bool(found) == (cores <= len(cycles) <= cores * longest)
    for cut in found:
        assert all(b - a <= longest for a, b in pairwise([0, *cut.cuts, len(cycles)]))


def refusal(error: UserError) -> str:
    return str(error)


def test_exact_words_of_the_refusals() -> None:
    with pytest.raises(UserError) as few:
        check_count(5, 3)
    assert refusal(few.value) == (
        "cores: there is nothing to cut into 5 stages: the model is a chain of 3 kernel(s); use at most 3"
    )
    with pytest.raises(UserError) as none:
        check_count(2, 0)
    assert refusal(none.value) == (
        "cores: there is nothing to cut into 2 stages: the model only copies its input; use at most 1"
    )
    with pytest.raises(UserError) as count:
        check_cuts((1, 2), 2, 5)
    assert refusal(count.value) == "split: 2 cut(s) make 3 stages, not 2"
    with pytest.raises(UserError) as speeds:
        check_speeds((1.0,), 2)
    assert refusal(speeds.value) == "core_speeds: 1 speed(s) for 2 core(s); give one per core"


@pytest.mark.parametrize("cuts", [(0, 2), (2, 2), (3, 1), (1, 5), (-1, 2), (2, 9)])
def test_cuts_that_do_not_ascend_are_refused(cuts: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="split: cuts must ascend and lie between 1 and 4"):
        check_cuts(cuts, 3, 5)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_speeds_are_positive_numbers(speed: float) -> None:
    with pytest.raises(UserError, match="a speed is a number above 0"):
        check_speeds((1.0, speed), 2)


def run_chained(stages: tuple[Stage, ...], graph: Graph, weights: dict[str, dict[str, FloatArray]]) -> FloatArray:
    """The interpreter, stage after stage, the handoffs by name."""
    x = signal(3, 80, 1)
    streams: dict[str, FloatArray] = {"x": x}
    for index, stage in enumerate(stages):
        table = {node.name: weights[node.name] for node in stage.graph if node.op.parameters()}
        results = Interpreter(stage.graph, table).run([streams[node.name] for node in stage.graph.inputs])
        if index == len(stages) - 1:
            return results[0]
        streams = dict(zip([node.operands[0] for node in stage.graph.outputs], results, strict=True))
    raise AssertionError("no stages")


def test_every_legal_cut_gives_the_same_bits() -> None:
    graph = core_graph(CHAIN)
    weights = random_weights(CHAIN, 2)
    core = {name: dict(table) for name, table in core_weights(graph, weights).items()}
    kernels = fuse_layers(graph)
    assert len(kernels) >= 4
    wanted = interpret_core(capture_of(CHAIN, weights), signal(3, 80, 1), Contract(), prewarm=False)
    tried = 0
    for cores in range(1, len(kernels) + 1):
        for cuts in combinations(range(1, len(kernels)), cores - 1):
            stages = cut_stages(graph, kernels, cuts)
            check_stages_chain(stages)
            for stage in stages:
                verify_graph(stage.graph)
            assert_same_bits(run_chained(stages, graph, core), wanted, f"cuts {cuts}")
            tried += 1
    assert tried == 2 ** (len(kernels) - 1)


def test_handoffs_carry_what_later_stages_read_and_nothing_else() -> None:
    graph = core_graph(CHAIN)
    kernels = fuse_layers(graph)
    for cut in range(1, len(kernels)):
        first, second = cut_stages(graph, kernels, (cut,))
        sent = {node.operands[0] for node in first.graph.outputs}
        read = {operand for node in second.graph for operand in node.operands}
        made = {node.name for node in second.graph if not isinstance(node.op, Input)}
        assert sent == read - made


def test_the_split_names_the_first_kernels_of_the_stages() -> None:
    graph = core_graph(CHAIN)
    kernels = fuse_layers(graph)
    stages = cut_stages(graph, kernels, (1, 3))
    assert [stage.kernels for stage in stages] == [kernels[:1], kernels[1:3], kernels[3:]]
    assert PartitionCores(3, (1, 3)).split == make_options("m33", 3, split=(1, 3)).split
    assert np.all([len(stage.graph.outputs) >= 1 for stage in stages])
