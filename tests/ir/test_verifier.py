"""Each invariant of the verifier has a program that breaks it, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.captures import compile_for, graph_of

from schedc.errors import InternalError
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import BatchNorm, Combine, Conv, Elementwise, Input, LstmCell, Output, Scale, Slice
from schedc.ir.program import Arena, Kernel, Level, Placement, Program, Region, Stage
from schedc.ir.verify import verify, verify_graph

TWO_KERNELS = graph_of(("x", Input(3), ""), ("c", Conv(3, 2, 3), "x"), ("d", Conv(2, 1, 2), "c"))
RECURRENT = graph_of(("l", LstmCell(1, 3), "x"), ("c", Conv(3, 1), "l"))


def refuses(program: Program | Graph, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        verify_graph(program) if isinstance(program, Graph) else verify(program)


def planned(graph: Graph, cores: int = 1) -> Program:
    program = compile_for(graph, "m33", cores=cores, block=16).program
    verify(program)
    return program


def with_arena(program: Program, **changes: object) -> Program:
    (stage,) = program.stages
    assert stage.arena
    arena = replace(stage.arena, **changes)  # type: ignore[arg-type]
    return replace(program, stages=(replace(stage, arena=arena),))


def moved(program: Program, name: str, onto: str) -> Program:
    arena = arena_of(program)
    rows = {**arena.rows, name: replace(arena.rows[name], offset=arena.rows[onto].offset)}
    return with_arena(program, rows=rows)


def arena_of(program: Program) -> Arena:
    arena = program.stages[0].arena
    assert arena
    return arena


def test_operand_widths() -> None:
    refuses(graph_of(("c", Conv(2, 1), "x")), r"c wants streams of \(2,\) channels, has \(1,\)")
    refuses(graph_of(("c", Combine(Elementwise.ADD, 1), "x")), r"c wants streams of \(1, 1\) channels, has \(1,\)")


@pytest.mark.parametrize("op", [Conv(3, 4, groups=2), Conv(4, 3, groups=2), Conv(1, 1, 0), Conv(1, 1, 1, 0)])
def test_convolution_shapes(op: Conv) -> None:
    refuses(graph_of(("x", Input(op.in_channels), ""), ("c", op, "x")), "c has an impossible shape")


@pytest.mark.parametrize("op", [Slice(3, -1, 2), Slice(3, 2, 2), Slice(3, 2, 1), Slice(3, 1, 4)])
def test_slice_bounds(op: Slice) -> None:
    builder = GraphBuilder()
    builder.add("x", Input(3))
    builder.add("s", op, "x")
    builder.add("out", Output(op.out_channels), "s")
    refuses(builder.build(), "s is out of bounds")


def test_terminals() -> None:
    builder = GraphBuilder()
    builder.add("x", Input(1))
    refuses(builder.build(), "the graph has no output")
    builder.add("out", Output(0), "x")
    builder.add("s", Scale(0), "out")
    builder.add("end", Output(0), "s")
    refuses(replace_first_width(builder), "s reads out, an output")


def replace_first_width(builder: GraphBuilder) -> Graph:
    """The same with an input as wide as the output says, so that only the one invariant is broken."""
    nodes = dict(builder.nodes)
    nodes["x"] = replace(nodes["x"], op=Input(0))
    return Graph(nodes.values())


def test_legal_ops() -> None:
    graph = graph_of(("c", Conv(1, 2), "x"), ("n", BatchNorm(2), "c"))
    verify(Program(graph, block=1))
    refuses(Program(graph, block=1, level=Level.CORE), "n should have been folded before level core")


def fused(graph: Graph, *kernels: tuple[str, ...]) -> Program:
    made = tuple(Kernel(f"k{i}", nodes) for i, nodes in enumerate(kernels))
    return Program(graph, block=1, level=Level.FUSED, kernels=made)


def test_kernels_cover() -> None:
    verify(fused(TWO_KERNELS, ("c",), ("d",)))
    refuses(fused(TWO_KERNELS, ("c",)), r"no kernel computes \['d'\]")
    refuses(fused(TWO_KERNELS, ("d",), ("c",)), r"d in k0 comes twice or before \['c'\]")
    refuses(fused(TWO_KERNELS, ("c",), ("c", "d")), "c in k1 comes twice or before")


def test_recurrent_alone() -> None:
    verify(fused(RECURRENT, ("l",), ("c",)))
    refuses(fused(RECURRENT, ("l", "c")), "k0 mixes a recurrent cell with other nodes")


def test_stages_chain() -> None:
    program = planned(TWO_KERNELS, cores=2)
    first, second = program.stages
    refuses(replace(program, stages=(second, first)), r"stage 1 sends \[\('c', 2\)\], the next receives \[\]")
    refuses(replace(program, stages=(first,)), r"stage 0 sends \[\('c', 2\)\], the next receives \[\]")


def test_stages_are_verified_like_graphs() -> None:
    program = planned(TWO_KERNELS)
    (stage,) = program.stages
    refuses(replace(program, stages=(replace(stage, kernels=stage.kernels[:1]),)), "no kernel computes")


def test_a_planned_stage_has_an_arena() -> None:
    program = planned(TWO_KERNELS)
    stages = tuple(Stage(stage.graph, stage.kernels) for stage in program.stages)
    refuses(replace(program, stages=stages), "a planned stage has no arena")


def test_rings_do_not_overlap() -> None:
    refuses(moved(planned(TWO_KERNELS), "c", "x"), "overlap in the arena")


def test_positions_do_not_overlap_rings() -> None:
    program = planned(TWO_KERNELS)
    rows = dict(arena_of(program).rows)
    rows["c"] = replace(rows["c"], position_offset=rows["x"].offset + 4)
    refuses(with_arena(program, rows=rows), "x and c position overlap in the arena")


def test_streams_lie_inside_the_state() -> None:
    refuses(with_arena(planned(TWO_KERNELS), state_bytes=64), "a stream lies outside the state")


def test_lstm_states_do_not_overlap_rings() -> None:
    graph = graph_of(("c", Conv(1, 2, 3), "x"), ("l", LstmCell(2, 3), "c"), ("h", Conv(3, 1), "l"))
    program = planned(graph)
    arena = arena_of(program)
    ring = next(place for place in arena.rows.values() if place.is_ring)
    lstm = {name: replace(place, offset=ring.offset) for name, place in arena.cells.items()}
    refuses(with_arena(program, cells=lstm), "overlap in the arena")


def test_lstm_states_lie_inside_the_state() -> None:
    program = planned(RECURRENT)
    arena = arena_of(program)
    far = {name: Placement(Region.STATE, arena.state_bytes, 2, place.row_frames) for name, place in arena.cells.items()}
    refuses(with_arena(program, cells=far), "outside the state")


def test_kernel_names_are_unique() -> None:
    """Schedules and code are found by a kernel's name."""
    same = (Kernel("k", ("c",)), Kernel("k", ("d",)))
    refuses(Program(TWO_KERNELS, block=1, level=Level.FUSED, kernels=same), "k")


def test_one_input_and_one_output_of_the_caller() -> None:
    """The stage functions take one buffer in and one out; more would share it silently."""
    builder = GraphBuilder()
    builder.add("x", Input(1))
    builder.add("y", Input(1))
    builder.add("s", Combine(Elementwise.SUB, 1), "x", "y")
    builder.add("out", Output(1), "s")
    refuses(builder.build(), "input")
