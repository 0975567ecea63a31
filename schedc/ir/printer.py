"""Deterministic text and Graphviz forms of a program, for dumps, goldens and people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Activation, Combine, Conv, Input, LstmCell, Op, Output, Slice, macs
from schedc.ir.program import Arena, Kernel, Program, Stage


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
        case LstmCell():
            return "lstm"
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


def print_program(program: Program) -> str:
    """The whole state of a compilation: level, graph or kernels, schedules, memory map."""
    lines = [f"program level={program.level.name.lower()} block={program.block}"]
    if program.stages:
        for index, stage in enumerate(program.stages):
            lines += ["", f"stage {index}", *_stage(stage, program)]
    elif program.kernels:
        lines += ["", *_terminals(program.graph), *_kernels(program.graph, program.kernels, program)]
        lines += [f"recipe {recipe}" for recipe in program.graph.recipes]
    else:
        lines += ["", print_graph(program.graph).rstrip()]
    return "\n".join(lines) + "\n"


def _terminals(graph: Graph) -> Iterator[str]:
    for node in [*graph.inputs, *graph.outputs]:
        yield f"  {describe_node(node)}"


def _kernels(graph: Graph, kernels: Iterable[Kernel], program: Program) -> Iterator[str]:
    for kernel in kernels:
        schedule = program.schedules.get(kernel.name)
        chosen = ""
        if schedule:
            chosen = f" tile={schedule.tile_vectors}x{schedule.lanes} block={schedule.output_block}"
            chosen += " of channels" if schedule.across_channels else ""
            chosen += " taps aligned" if schedule.align_taps else ""
            chosen += f" taps in {schedule.tap_parts} parts" if schedule.tap_parts > 1 else ""
        yield f"  kernel {kernel.name}{chosen}"
        for name in kernel.nodes:
            yield f"    {describe_node(graph[name])}"


def _stage(stage: Stage, program: Program) -> Iterator[str]:
    yield from _terminals(stage.graph)
    yield from _kernels(stage.graph, stage.kernels, program)
    if stage.arena:
        yield from (f"  {line}" for line in print_arena(stage.arena))


def print_arena(arena: Arena) -> Iterator[str]:
    """The memory map, one line a placement, by offset."""
    yield f"state {arena.state_bytes} bytes, handoff {arena.handoff_bytes} bytes"
    rows = [(place.base, place.offset, f"%{name}", place) for name, place in arena.rows.items()]
    rows += [(place.base, place.offset, f"%{name}", place) for name, place in arena.sent.items()]
    rows += [(place.base, place.offset, f"sums of %{name}", place) for name, place in arena.sums.items()]
    for base, offset, name, place in sorted(rows, key=lambda row: row[:3]):
        ring = f" history={place.history} position@{place.position_offset}" if place.is_ring else ""
        form = " interleaved" if place.is_interleaved else ""
        yield f"{base}+{offset:#08x} {place.channels}x{place.row_frames} frames{form}{ring} {name}"
    for name, place in arena.lstm.items():
        yield f"state+{place.offset:#08x} h and c of %{name}"
    yield f"state+{arena.scratch_offset:#08x} tile scratch, {arena.scratch_bytes} bytes"


def print_dot(graph: Graph, kernels: Iterable[Kernel] = ()) -> str:
    """Graphviz: streams as edges labelled with their width, kernels as clusters."""
    lines = ["digraph program {", "  node [shape=box, fontname=monospace];"]
    for index, kernel in enumerate(kernels):
        lines.append(f"  subgraph cluster_{index} {{ label={_quote(kernel.name)};")
        lines += [f"    {_quote(name)};" for name in kernel.nodes]
        lines.append("  }")
    for node in graph:
        lines.append(f"  {_quote(node.name)} [label={_quote(node.name + chr(10) + describe_op(node.op))}];")
        for operand in node.operands:
            width = graph[operand].channels
            lines.append(f"  {_quote(operand)} -> {_quote(node.name)} [label={_quote(str(width))}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quote(text: str) -> str:
    return '"' + text.replace('"', '\\"').replace("\n", "\\n") + '"'
