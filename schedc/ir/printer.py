"""The deterministic text form of a program, for dumps, goldens and people; :mod:`schedc.ir.dot` draws it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Activation, Combine, Conv, Input, Op, Output, RecurrentCell, Slice, macs
from schedc.ir.program import Arena, Kernel, Placement, Program, Region, Stage
from schedc.schedule import KernelSchedule, RingSchedule, Shared


def describe_op(op: Op) -> str:
    """An op in one short line, without its widths."""
    match op:
        case Conv():
            extras = [f"k{op.kernel_size}"] if op.kernel_size > 1 else []
            extras += [f"d{op.dilation}"] if op.kernel_size > 1 else []
            extras += [f"groups {op.groups}"] if op.groups > 1 else []
            extras.append(f"from {op.start}")
            return "conv " + " ".join(extras)
        case Activation():
            return str(op.kind)
        case Combine():
            return str(op.kind)
        case Slice():
            return f"slice {op.begin}:{op.end}"
        case RecurrentCell():
            return op.word
        case Input() | Output():
            word = type(op).__name__.lower()
            return f"handoff {word}" if op.handoff else word
        case _:
            return type(op).__name__.lower()


def describe_node(node: Node) -> str:
    operands = ", ".join(f"%{name}" for name in node.operands)
    work = f"  ; {macs(node.op)} mac" if macs(node.op) else ""
    return f"%{node.name} : [{node.channels}] = {describe_op(node.op)}({operands}){work}"


def print_graph(graph: Graph) -> str:
    """One node a line, in topological order, then the recipes."""
    lines = [describe_node(node) for node in graph]
    lines += [f"recipe {recipe}" for recipe in graph.recipes]
    return "\n".join(lines) + "\n"


def print_program(program: Program, before: Program | None = None) -> str:
    """The whole state of a compilation: level, graph or kernels, schedules, memory map; and what is no longer as it
    was ``before``.
    """
    lines = [f"program level={program.level.name.lower()} block={program.block}", *_changes(program, before)]
    if program.stages:
        lines += ["", *_rings(program)]
        for index, stage in enumerate(program.stages):
            lines += ["", f"stage {index}: {describe_stage(stage, program)}", *_stage(stage, program)]
    elif program.kernels:
        lines += ["", *_rings(program), *_terminals(program.graph), *_kernels(program.graph, program.kernels, program)]
        lines += [f"recipe {recipe}" for recipe in program.graph.recipes]
    else:
        lines += ["", print_graph(program.graph).rstrip()]
    return "\n".join(lines) + "\n"


def changed_nodes(program: Program, before: Program | None) -> list[str]:
    """Nodes that are new, or are not what they were, in order."""
    if before is None:
        return []
    return [n.name for n in program.graph if n.name not in before.graph or before.graph[n.name] != n]


def _changes(program: Program, before: Program | None) -> Iterator[str]:
    if before is None:
        return
    changed = changed_nodes(program, before)
    gone = [node.name for node in before.graph if node.name not in program.graph]
    new = [name for name in changed if name not in before.graph]
    for word, names in (("changed", [name for name in changed if name not in new]), ("new", new), ("gone", gone)):
        if names:
            yield from textwrap.wrap(
                f"{word} {', '.join(f'%{name}' for name in names)}",
                116,
                subsequent_indent=" " * 8,
                break_long_words=False,
            )


def describe_schedule(schedule: KernelSchedule, short: bool = False) -> str:
    """What was decided about a kernel; ``short``: the tile, and what is special."""
    tile = f"{schedule.tile_vectors}x{schedule.lanes}"
    words = [f"{tile}x{schedule.output_block}"] if short else [f"tile={tile} block={schedule.output_block}"]
    if not short and schedule.pointwise_block != schedule.output_block:
        words.append(f"1x1={schedule.pointwise_block}")
    words += ["of channels"] * schedule.across_channels
    words += [f"taps {schedule.taps.word}"] if schedule.taps.word else []
    if isinstance(schedule.taps, Shared):
        words += [f"{schedule.taps.weight_vectors} vectors a weight"] * (schedule.taps.weight_vectors > 1)
        words += ["the rest aligned"] * schedule.taps.align_rest
    if not short:
        words += [f"weights={schedule.weight_route}", *["interleaved"] * schedule.interleave]
        words += [f"unroll<={schedule.unroll_macs}", f"registers={schedule.register_values}"]
    return " ".join(words)


def describe_rings(rings: RingSchedule) -> str:
    """The policy of all rings."""
    coloured = ", rows coloured" if rings.colour else ""
    blocks = f"at most {rings.most_blocks} blocks of {rings.block_frames} frames"
    return f"rings {rings.policy}, {blocks}, copied by {rings.copy_frames}{coloured}"


def describe_stage(stage: Stage, program: Program) -> str:
    """What a stage is and has."""
    work = sum(macs(stage.graph[name].op) for kernel in stage.kernels for name in kernel.nodes)
    words = [f"{len(stage.kernels)} kernel{'s' * (len(stage.kernels) != 1)}, {work:,} mac"]
    sent = sum(node.op.operand_channels[0] for node in stage.graph.outputs if node.name.startswith("send."))
    if stage.arena:
        rings = sum(place.bytes for place in stage.arena.rings.values() if place.base is Region.STATE)
        words.append(f"state {stage.arena.state_bytes:,} bytes ({rings:,} in rings)")
    if sent:
        words.append(f"hands on {sent} floats a frame, {FLOAT32.bytes * sent * program.block:,} bytes a block")
    return ", ".join(words)


def describe_place(place: Placement) -> str:
    """Where a stream is kept, and how much of its past."""
    rows = f"{place.channels}x{place.row_frames}" + (" interleaved" if place.is_interleaved else "")
    kind = "row"
    if place.is_ring:
        kind = f"{'mirrored' if place.mirror_distance else 'rewound'} ring of {place.history} past"
    return f"{kind} {rows} at {place.offset:#x}, {place.bytes:,} bytes"


def _terminals(graph: Graph) -> Iterator[str]:
    for node in [*graph.inputs, *graph.outputs]:
        yield f"  {describe_node(node)}"


def _kernels(graph: Graph, kernels: Iterable[Kernel], program: Program) -> Iterator[str]:
    for kernel in kernels:
        schedule = program.schedules.get(kernel.name)
        chosen = f" {describe_schedule(schedule)}" if schedule else ""
        yield f"  kernel {kernel.name}{chosen}"
        for name in kernel.nodes:
            yield f"    {describe_node(graph[name])}"


def _rings(program: Program) -> list[str]:
    return [f"  {describe_rings(program.rings)}"] if program.rings else []


def _stage(stage: Stage, program: Program) -> Iterator[str]:
    yield from _terminals(stage.graph)
    yield from _kernels(stage.graph, stage.kernels, program)
    if stage.arena:
        yield from (f"  {line}" for line in print_arena(stage.graph, stage.arena))


def kept_by(cell: Node) -> str:
    """What a recurrent cell keeps, in words."""
    return cell.op.kept if isinstance(cell.op, RecurrentCell) else ""


def print_arena(graph: Graph, arena: Arena) -> Iterator[str]:
    """The memory map, one line a placement, by offset."""
    yield f"state {arena.state_bytes} bytes, handoff {arena.handoff_bytes} bytes"
    rows = [(place.base, place.offset, f"%{name}", place) for name, place in arena.rows.items()]
    rows += [(place.base, place.offset, f"%{name}", place) for name, place in arena.sent.items()]
    rows += [(place.base, place.offset, f"sums of %{name}", place) for name, place in arena.sums.items()]
    for base, offset, name, place in sorted(rows, key=lambda row: row[:3]):
        ring = f" history={place.history} position@{place.position_offset}" if place.is_ring else ""
        form = " interleaved" if place.is_interleaved else ""
        yield f"{base}+{offset:#08x} {place.channels}x{place.row_frames} frames{form}{ring} {name}"
    for name, place in arena.cells.items():
        yield f"state+{place.offset:#08x} {kept_by(graph[name])} of %{name}"
    yield f"state+{arena.scratch_offset:#08x} tile scratch, {arena.scratch_bytes} bytes"
