"""Compiling takes time in proportion to the layers, counted in lines of Python that are run, not in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.captures import capture_of
from helpers.counting import lines_run
from helpers.documents import capture_from_text
from helpers.odd_shapes import text_of, wavenet

from schedc.compiler import compile_graph
from schedc.ir.graph import Graph
from schedc.options import make_options
from schedc.passes.stage_costs import StageCosts, best_cuts
from schedc.reports.report import make_report


def deep(layers: int, distinct: bool, **changes: object) -> Graph:
    """A WaveNet of one array, of dilation 4 everywhere or a new one in each layer."""
    each = {"activation": "LeakyReLU", "gating_mode": "none", "secondary_activation": "Sigmoid", "kernel_sizes": 3}
    lists = {key: [changes.pop(key, value)] * layers for key, value in each.items()}
    dilations = [1 + layer if distinct else 4 for layer in range(layers)]
    array: dict[str, Any] = {"dilations": dilations, **lists, **changes}
    return capture_from_text(text_of(wavenet(2, **array))).graph


def grows_linearly(work: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Whether what ``work`` takes grows by twice as much from 2 to 4 ``size`` as from ``size`` to 2 ``size``."""
    work(size)()  # what is done once
    small, middle, large = (lines_run(work(size * factor)) for factor in (1, 2, 4))
    return large - middle <= 2.25 * (middle - small)


@pytest.mark.parametrize(
    ("target", "cores", "distinct", "changes"),
    [
        ("m33", 1, False, {}),
        ("aarch64", 2, True, {"gating_mode": "gated"}),
        ("avx2", 1, True, {"bottleneck": 3, "conv_pre_film": {"active": True, "shift": True, "groups": 1}}),
    ],
    ids=["m33", "aarch64, two cores, gated", "avx2, FiLM"],
)
def test_layers_take_time_in_proportion(target: str, cores: int, distinct: bool, changes: dict[str, object]) -> None:
    """All that ``compile`` does but packing: passes, code, report."""

    def work(layers: int) -> Callable[[], object]:
        graph, options = deep(layers, distinct, **changes), make_options(target, cores)
        capture = capture_of(graph)
        return lambda: make_report(compile_graph(graph, options), capture)

    assert grows_linearly(work, 8)


def test_cuts_are_compared_only_as_far_as_they_can_be_the_best() -> None:
    """Of n kernels on c cores there are n**(c - 1) cuts; n**2 stages are looked at for each core but the last."""
    asked: list[tuple[int, int]] = []

    def allowed(begin: int, end: int) -> bool:
        asked.append((begin, end))
        return True

    costs = StageCosts(tuple(1.0 + k % 3 for k in range(200)), (0,) * 201, 64, (1.0,) * 4)
    assert len(best_cuts(costs, 4, allowed)) == 4
    assert len(asked) < 12 * 200


def test_the_count_has_teeth() -> None:
    def quadratic(size: int) -> Callable[[], object]:
        return lambda: [one + other for one in range(size) for other in range(size)]

    assert not grows_linearly(quadratic, 12)
