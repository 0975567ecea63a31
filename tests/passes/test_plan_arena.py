"""plan-arena: nothing that is alive shares memory, checked by brute force on random graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from helpers.captures import graph_of
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples
from hypothesis import given
from hypothesis import strategies as st

from schedc.ir.graph import Graph
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    Combine,
    Conv,
    Elementwise,
    Input,
    LstmCell,
    Pointwise,
    Scale,
    Slice,
)
from schedc.ir.program import Arena, Program, Stage
from schedc.options import make_options
from schedc.passes.core import core_graph, core_passes
from schedc.passes.fuse_layers import fuse_layers
from schedc.passes.run import run_passes
from schedc.planning import planning_passes
from schedc.targets.names import TARGET_NAMES

ADD = Elementwise.ADD


@dataclass(frozen=True)
class Span:
    """Bytes [begin, end) of the state, in use from node number ``born`` to node number ``dies``."""

    what: str
    begin: int
    end: int
    born: int
    dies: int


def planned(graph: Graph, target: str = "m33", cores: int = 1, block: int = 16) -> Program:
    options = make_options(target, cores, block)
    return run_passes(Program(graph, block), [*core_passes(), *planning_passes(options)])


def arena_of(stage: Stage) -> Arena:
    assert stage.arena
    return stage.arena


def spans(stage: Stage, block_frames: int) -> Iterator[Span]:
    """Every piece of the state, with the stretch of the node sequence over which it must keep its content."""
    arena = arena_of(stage)
    order = [name for kernel in stage.kernels for name in kernel.nodes]
    position = {name: index for index, name in enumerate(order)}
    end = len(order) + 1
    for name, place in arena.rows.items():
        if place.base != "state":
            continue
        begin, size = place.offset, place.bytes
        if place.is_ring:
            yield Span(f"ring {name}", begin, begin + size, -2, end)
            yield Span(f"position {name}", place.position, place.position + 4, -2, end)
            assert place.row_frames >= place.history + 2 * block_frames
        else:
            assert place.row_frames >= block_frames
            yield Span(name, begin, begin + size, position.get(name, -1), last_use(stage, position, name, end))
    for name, place in arena.cells.items():
        yield Span(f"LSTM {name}", place.offset, place.offset + place.bytes, -2, end)
    yield Span("scratch", arena.scratch_offset, arena.scratch_offset + arena.scratch_bytes, -2, end)


def last_use(stage: Stage, position: dict[str, int], name: str, end: int) -> int:
    """The last node that looks at the stream's memory, be it through a slice, which is a view."""
    kernel_of = {node: kernel.name for kernel in stage.kernels for node in kernel.nodes}
    uses = [position.get(name, -1)]
    for reader in stage.graph.consumers(name):
        uses.append(position.get(reader.name, end))
        if isinstance(reader.op, Slice):
            inside = [n for n in stage.graph.consumers(reader.name) if kernel_of.get(n.name) == kernel_of[reader.name]]
            uses += [position[node.name] for node in inside]
            uses += [last_use(stage, position, n.name, end) for n in inside if isinstance(n.op, Slice)]
    return max(uses)


def element_wise(stage: Stage, born: Span) -> bool:
    return isinstance(stage.graph[born.what].op, Pointwise)


def check_stage(stage: Stage, block_frames: int) -> None:
    pieces = sorted(spans(stage, block_frames), key=lambda span: (span.begin, span.born))
    for piece in pieces:
        assert 0 <= piece.begin <= piece.end <= arena_of(stage).state_bytes, piece
    for index, one in enumerate(pieces):
        for other in pieces[index + 1 :]:
            if other.begin >= one.end or one.begin == one.end or other.begin == other.end:
                continue
            early, late = sorted((one, other), key=lambda span: span.born)
            if early.dies < late.born:
                continue
            # An element-wise node may write where its operand was, row on row.
            in_place = (early.begin, early.end) == (late.begin, late.end) and early.dies == late.born
            assert in_place and element_wise(stage, late), f"{early} and {late} overlap"


@examples_per_test(250)
@given(examples(recurrent=True), st.sampled_from(TARGET_NAMES), st.integers(1, 100), st.integers(1, 4))
def test_nothing_alive_shares_memory(example: Example, target: str, block: int, cores: int) -> None:
    cores = min(cores, len(fuse_layers(core_graph(example.graph))))
    program = planned(example.graph, target, cores, block)
    assert program.rings
    for stage in program.stages:
        check_stage(stage, program.rings.block_frames)
        check_handoff(stage, program.rings.block_frames)


def check_handoff(stage: Stage, block_frames: int) -> None:
    at = 0
    for place in arena_of(stage).sent.values():
        assert place.base == "handoff_out" and place.offset >= at and place.row_frames >= block_frames
        at = place.offset + place.bytes
    assert at <= arena_of(stage).handoff_bytes


def rows_of(graph: Graph) -> Arena:
    (stage,) = planned(graph).stages
    return arena_of(stage)


def test_rows_are_reused_when_their_stream_is_dead() -> None:
    """a is dead when d is made; e takes over in place."""
    arena = rows_of(
        graph_of(
            ("a", Conv(1, 4, 2), "x"),
            ("b", Conv(4, 4), "a"),
            ("c", Conv(1, 4, 3), "x"),
            ("d", Combine(ADD, 4), "b c"),
            ("e", Conv(1, 4, 4), "x"),
            ("f", Combine(ADD, 4), "d e"),
        )
    )
    plain = [place.offset for place in arena.rows.values() if not place.is_ring]
    assert len(set(plain)) < len(plain)


def test_a_view_keeps_its_stream_alive() -> None:
    arena = rows_of(
        graph_of(
            ("x", Input(2), ""),
            ("v", Slice(2, 0, 1), "x"),
            ("a", Scale(2), "x"),
            ("b", Scale(1), "v"),
            ("c", Conv(2, 1, 4), "a"),
            ("d", Combine(ADD, 1), "c b"),
        )
    )
    a, x = arena.rows["a"], arena.rows["x"]
    assert a.is_ring or a.offset >= x.offset + x.bytes or x.offset >= a.offset + a.bytes


def test_what_stays_in_a_kernel_has_no_rows() -> None:
    arena = rows_of(
        graph_of(("c", Conv(1, 2, 3), "x"), ("t", Activation(ActivationKind.TANH, 2), "c"), ("d", Conv(2, 1), "t"))
    )
    assert set(arena.rows) == {"x", "d"}


def test_rings_are_as_deep_as_their_longest_reader() -> None:
    arena = rows_of(
        graph_of(("a", Conv(1, 1, 3, 10), "x"), ("b", Conv(1, 1, 2, 35), "x"), ("s", Combine(ADD, 1), "a b"))
    )
    assert arena.rows["x"].history == 35


def test_an_lstm_has_h_and_c() -> None:
    arena = rows_of(graph_of(("l", LstmCell(1, 3), "x"), ("h", Conv(3, 1), "l")))
    place = arena.cells["l"]
    assert place.channels == 2 and place.row_frames >= 3


@pytest.mark.parametrize("block", [256, 512, 1024, 4096])
def test_rows_of_large_blocks_do_not_meet_in_few_cache_sets(block: int) -> None:
    """Rows 4 KiB apart would share one set of most first-level caches."""
    graph = graph_of(
        ("a", Conv(1, 16, 3, 5), "x"),
        ("l", Conv(16, 16, 5, block // 4), "a"),
        ("head", Combine(ADD, 16), "l a"),
        ("m", Conv(16, 1, 2), "head"),
    )
    for row in arena_of(planned(core_graph(graph), "avx2", block=block).stages[0]).rows.values():
        assert row.channels == 1 or 4 * row.row_frames % 2048
