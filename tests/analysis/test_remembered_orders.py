"""Rescheduled functions are remembered by their bytes: the same bytes come out whatever is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache

import pytest
from helpers.captures import graph_of

from schedc.backends.llvm.module import emit_object, lower_program
from schedc.backends.reschedule import reschedule as module
from schedc.backends.reschedule.reschedule import reschedule
from schedc.ir.ops import Activation, ActivationKind, Conv
from schedc.options import make_options
from schedc.planning import plan_graph
from schedc.targets.base import Target, load_target

STEPS = ("a", Conv(1, 2, 2, 1), "x"), ("r", Activation(ActivationKind.RELU, 2), "a"), ("c", Conv(2, 2, 2, 7), "r")
GRAPH = graph_of(*STEPS)


@cache
def target() -> Target:
    return load_target("m33")


@cache
def plain(cores: int) -> bytes:
    """As LLVM ordered it."""
    options = make_options("m33", cores, block=16)
    plan = plan_graph(GRAPH, options)
    return emit_object(lower_program(plan.program, plan.layout, target(), "f", options.convention), target()).elf


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    module._known.cache_clear()
    yield
    module._known.cache_clear()


def without_memory(elf: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    with monkeypatch.context() as patch:
        patch.setattr(module, "_known", lru_cache(0)(module._known.__wrapped__))
        return reschedule(elf, target())


def test_bytes_are_the_same_cold_warm_and_full(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = without_memory(plain(1), monkeypatch)
    assert wanted != plain(1)
    assert [reschedule(plain(1), target()) for _ in range(2)] == [wanted] * 2
    assert module._known.cache_info().hits > 0
    monkeypatch.setattr(module, "_known", lru_cache(1)(module._known.__wrapped__))
    assert [reschedule(plain(1), target()) for _ in range(2)] == [wanted] * 2


def test_functions_in_other_places_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages have the kernels of one, elsewhere in the object."""
    reschedule(plain(1), target())
    hits = module._known.cache_info().hits
    assert reschedule(plain(2), target()) == without_memory(plain(2), monkeypatch)
    assert module._known.cache_info().hits > hits


@pytest.mark.parametrize("most", [1, 40, 100, 200, 400])
def test_the_bound_on_the_work_counts_what_is_remembered(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    everything = reschedule(plain(1), target())
    monkeypatch.setattr(module, "_MOST_INSTRUCTIONS", most)
    warm = reschedule(plain(1), target())
    assert warm == without_memory(plain(1), monkeypatch)
    monkeypatch.undo()
    assert reschedule(plain(1), target()) == everything


def test_another_table_is_another_order() -> None:
    """What is remembered is of one core: of another, with other latencies, it is not taken."""
    reschedule(plain(1), target())
    misses = module._known.cache_info().misses
    table = target().pipeline
    assert table is not None
    slower = {**table.kinds, "fma": replace(table.kinds["fma"], latency=9)}
    other = replace(target(), pipeline=replace(table, kinds=slower))
    warm = reschedule(plain(1), other)
    assert module._known.cache_info().misses > misses
    module._known.cache_clear()
    assert reschedule(plain(1), other) == warm
