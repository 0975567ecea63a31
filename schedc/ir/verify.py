"""The verifier, run after every pass.  Invariants, one ``check_`` function each:

- operand_widths: an op reads as many streams as it says, each as wide as it says;
- convolution_shapes: groups divide both widths; all sizes at least 1;
- slice_bounds: 0 <= begin < end <= width;
- terminals: at least one output, at most one input and one output of the caller's; inputs read
  nothing; nothing reads an output;
- legal_ops: what a level no longer allows is gone (batch norm after ``model``);
- kernels_cover: from ``fused`` on every node but inputs and outputs is in exactly one kernel,
  and reads only what an earlier kernel, or an earlier node of its own, makes;
- kernel_names: no two kernels share a name; schedules and code are found by it;
- recurrent_alone: a recurrent cell has a kernel of its own;
- stages_chain: from ``planned`` on the handoff a stage sends is the one the next receives;
- placements_disjoint: no two rings, positions or states of cells of a stage overlap, and all lie
  inside the state.

Not checked: that weights fit (``weights.check_weights``), that scratch rows which share memory are
never alive together (the differential tests would show it).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from schedc.errors import InternalError
from schedc.ir.graph import Graph
from schedc.ir.ops import BatchNorm, Conv, Input, Output, RecurrentCell, Slice
from schedc.ir.program import POSITION_BYTES, Kernel, Level, Program, Region, Stage


def verify(program: Program) -> None:
    """Raise InternalError, naming the node, if an invariant of the program's level is broken."""
    verify_graph(program.graph)
    check_legal_ops(program)
    check_kernel_names(program.kernels)
    if program.level >= Level.FUSED and program.level < Level.PLANNED:
        check_kernels_cover(program.graph, program.kernels)
        check_recurrent_alone(program.graph, program.kernels)
    for stage in program.stages:
        verify_graph(stage.graph)
        check_kernels_cover(stage.graph, stage.kernels)
        check_recurrent_alone(stage.graph, stage.kernels)
    if program.stages:
        check_stages_chain(program.stages)
    if program.level >= Level.PLANNED:
        for stage in program.stages:
            check_placements_disjoint(stage)


def verify_graph(graph: Graph) -> None:
    """The invariants that hold at every level."""
    check_operand_widths(graph)
    check_convolution_shapes(graph)
    check_slice_bounds(graph)
    check_terminals(graph)


def check_operand_widths(graph: Graph) -> None:
    for node in graph:
        found = tuple(graph[name].channels for name in node.operands)
        if found != node.op.operand_channels:
            raise InternalError(f"{node.name} wants streams of {node.op.operand_channels} channels, has {found}")


def check_convolution_shapes(graph: Graph) -> None:
    for node in graph:
        op = node.op
        if not isinstance(op, Conv):
            continue
        sizes = (op.in_channels, op.out_channels, op.kernel_size, op.dilation, op.groups)
        if min(sizes) < 1 or op.in_channels % op.groups or op.out_channels % op.groups:
            raise InternalError(f"{node.name} has an impossible shape: {op}")


def check_slice_bounds(graph: Graph) -> None:
    for node in graph:
        if isinstance(node.op, Slice) and not 0 <= node.op.begin < node.op.end <= node.op.in_channels:
            raise InternalError(f"{node.name} is out of bounds: {node.op}")


def check_terminals(graph: Graph) -> None:
    if not graph.outputs:
        raise InternalError("the graph has no output")
    for node in graph:
        for operand in node.operands:
            if isinstance(graph[operand].op, Output):
                raise InternalError(f"{node.name} reads {operand}, an output")
    for kind, nodes in (("input", graph.inputs), ("output", graph.outputs)):
        if sum(not _handoff(node.op) for node in nodes) > 1:
            raise InternalError(f"the graph has more than one {kind} of the caller's")


def check_legal_ops(program: Program) -> None:
    if program.level is Level.MODEL:
        return
    for node in program.graph:
        if isinstance(node.op, BatchNorm):
            raise InternalError(f"{node.name} should have been folded before level {program.level.name.lower()}")


def check_kernel_names(kernels: Iterable[Kernel]) -> None:
    seen: set[str] = set()
    for kernel in kernels:
        if kernel.name in seen:
            raise InternalError(f"two kernels are named {kernel.name}")
        seen.add(kernel.name)


def check_kernels_cover(graph: Graph, kernels: Iterable[Kernel]) -> None:
    made = {node.name for node in graph.inputs}
    for kernel in kernels:
        for name in kernel.nodes:
            missing = [operand for operand in graph[name].operands if operand not in made]
            if missing or name in made:
                raise InternalError(f"{name} in {kernel.name} comes twice or before {missing}")
            made.add(name)
    left = {node.name for node in graph} - made - {node.name for node in graph.outputs}
    if left:
        raise InternalError(f"no kernel computes {sorted(left)}")


def check_recurrent_alone(graph: Graph, kernels: Iterable[Kernel]) -> None:
    for kernel in kernels:
        if len(kernel.nodes) > 1 and any(isinstance(graph[name].op, RecurrentCell) for name in kernel.nodes):
            raise InternalError(f"{kernel.name} mixes a recurrent cell with other nodes")


def check_stages_chain(stages: tuple[Stage, ...]) -> None:
    for index, stage in enumerate(stages):
        sent = [(node.operands[0], node.op.operand_channels[0]) for node in stage.graph.outputs if _handoff(node.op)]
        following = stages[index + 1].graph.inputs if index + 1 < len(stages) else []
        received = [(node.name, node.channels) for node in following if _handoff(node.op)]
        if sent != received:
            raise InternalError(f"stage {index} sends {sent}, the next receives {received}")


def _handoff(op: object) -> bool:
    return isinstance(op, Input | Output) and op.handoff


def check_placements_disjoint(stage: Stage) -> None:
    arena = stage.arena
    if arena is None:
        raise InternalError("a planned stage has no arena")
    rings = arena.rings
    held = {**rings, **{f"the state of {name}": place for name, place in arena.cells.items()}}
    spans = [(place.offset, place.offset + place.bytes, name) for name, place in held.items()]
    spans += [(p.position, p.position + POSITION_BYTES, f"{name} position") for name, p in rings.items()]
    spans.sort()
    for (_, end, name), (begin, _, other) in pairwise(spans):
        if begin < end:
            raise InternalError(f"{name} and {other} overlap in the arena")
    for place in (*arena.rows.values(), *arena.cells.values(), *arena.sums.values()):
        if place.base is Region.STATE and place.offset + place.bytes > arena.state_bytes:
            raise InternalError("a stream lies outside the state")
