"""Graphviz forms of a program: an overview that fits a screen, and each kernel by itself.

The overview has a node for each kernel, or before there are any for each layer, with what has been decided about it so
far: its ops, its schedule, its stage, its memory.  What a pass changed is coloured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Input, Output, macs
from schedc.ir.printer import (
    changed_nodes,
    describe_op,
    describe_place,
    describe_rings,
    describe_schedule,
    describe_stage,
    kept_by,
)
from schedc.ir.program import Arena, Kernel, Level, Program, Region

_LAYER = re.compile(r".*?\b(?:layer|block)\d+")
_WIDELY_READ = 3  # readers from which a stream is named where it is read, instead of drawn to all of them
_FOLDED, _CHANGED = "#eef3fb", "#ffe9b3"
_HEAD = (
    '  graph [fontname="monospace", fontsize=10, labeljust=l, ranksep=0.13, nodesep=0.2, compound=true];',
    '  node [shape=box, fontname="monospace", fontsize=9, height=0.2, margin="0.06,0.02", '
    f'style=filled, fillcolor="{_FOLDED}"];',
    '  edge [fontname="monospace", fontsize=8, arrowsize=0.5];',
)


def print_overview(program: Program, before: Program | None = None) -> str:
    """One node a kernel or layer; stages as clusters with what they hand on."""
    groups = _groups(program)
    home = {name: group for group, names in groups.items() for name in names}
    changed = set(changed_nodes(program, before))
    lines = ["digraph program {", *_HEAD, f"  label={_quote(_title(program, changed))};"]
    drawn = {group: f"  {line}" for group, line in _nodes(program, groups, home, changed)}
    for number, stage in enumerate(program.stages if len(program.stages) > 1 else ()):
        label = f"stage {number}: {describe_stage(stage, program)}"
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quote(label)};"]
        lines += [f"  {drawn.pop(kernel.name)}" for kernel in stage.kernels]
        lines.append("  }")
    lines += drawn.values()
    lines += _edges(program, home)
    return "\n".join([*lines, *_handoffs(program), "}"]) + "\n"


def _title(program: Program, changed: set[str]) -> str:
    words = [f"{program.level.name.lower()}, blocks of up to {program.block} frames"]
    words += [f"{len(changed)} nodes changed"] if changed else []
    words += [describe_rings(program.rings)] if program.rings else []
    if len(program.stages) == 1:
        words.append(describe_stage(program.stages[0], program))
    return ", ".join(words)


def _groups(program: Program) -> dict[str, tuple[str, ...]]:
    """What is drawn as one: a kernel's nodes, a layer's, or a terminal by itself."""
    if program.kernels:
        kernels = {kernel.name: kernel.nodes for kernel in program.kernels}
        inside = {name for nodes in kernels.values() for name in nodes}
        alone = {node.name: (node.name,) for node in program.graph if node.name not in inside}
        return {**kernels, **alone}
    groups: dict[str, tuple[str, ...]] = {}
    for node in program.graph:
        layer = _LAYER.match(node.name)
        key = layer[0] if layer else node.name
        groups[key] = (*groups.get(key, ()), node.name)
    return groups


def _nodes(
    program: Program, groups: Mapping[str, tuple[str, ...]], home: Mapping[str, str], changed: set[str]
) -> Iterator[tuple[str, str]]:
    graph, places = program.graph, _places(program)
    for group, names in groups.items():
        ops = [graph[name] for name in names]
        terminal = all(isinstance(node.op, Input | Output) for node in ops)
        made = [str(graph[name].channels) for name in names if _readers(graph, name, home)]
        words = [f"{group} [{' + '.join(made)}]" if made else group]
        if not terminal:
            read = _named_sources(graph, names, home)
            words += [
                _summary(ops),
                *([f"reads {', '.join(read)}"] if read else []),
                f"{sum(macs(n.op) for n in ops)} mac",
            ]
        if group in program.schedules:
            words.append(describe_schedule(program.schedules[group], short=True))
        words += [text for name in names for text in places.get(name, ())]
        style = "shape=oval, " if terminal else ""
        colour = f', fillcolor="{_CHANGED}"' if changed & set(names) else ""
        yield group, f"{_quote(group)} [{style}label={_quote('   '.join(words))}{colour}];"


def _summary(nodes: Sequence[Node]) -> str:
    """The ops in order, runs of equal ones counted."""
    runs = [(text, len(list(same))) for text, same in groupby(_short(node) for node in nodes)]
    return ", ".join(f"{number} {text}" if number > 1 else text for text, number in runs)


def _short(node: Node) -> str:
    return describe_op(node.op).partition(" from ")[0]


def _readers(graph: Graph, name: str, home: Mapping[str, str]) -> list[str]:
    """Other groups that read a stream, in order."""
    return list(dict.fromkeys(home[node.name] for node in graph.consumers(name) if home[node.name] != home[name]))


def _named_sources(graph: Graph, names: Iterable[str], home: Mapping[str, str]) -> list[str]:
    """Streams that these nodes read and that are not drawn to them."""
    mine = set(names)
    read = dict.fromkeys(operand for name in names for operand in graph[name].operands if operand not in mine)
    group = home[next(iter(mine))]
    return [name for name in read if _is_widely_read(graph, name, home) and _readers(graph, name, home)[0] != group]


def _is_widely_read(graph: Graph, name: str, home: Mapping[str, str]) -> bool:
    return len(_readers(graph, name, home)) >= _WIDELY_READ


def _edges(program: Program, home: Mapping[str, str]) -> Iterator[str]:
    """Which groups read which; what crosses from stage to stage is told of once, by the handoff."""
    graph = program.graph
    stage_of = _stage_of(program)
    drawn: dict[tuple[str, str], None] = {}
    for node in graph:
        readers = _readers(graph, node.name, home)
        for reader in readers[:1] if len(readers) >= _WIDELY_READ else readers:
            drawn[home[node.name], reader] = None
    for source, target in drawn:
        if stage_of.get(source) == stage_of.get(target):
            yield f"  {_quote(source)} -> {_quote(target)};"


def _handoffs(program: Program) -> Iterator[str]:
    for number, (first, second) in enumerate(zip(program.stages, program.stages[1:], strict=False)):
        streams = [node for node in second.graph.inputs if isinstance(node.op, Input) and node.op.handoff]
        floats = " + ".join(str(node.channels) for node in streams)
        size = FLOAT32.bytes * program.block * sum(node.channels for node in streams)
        if first.arena:
            size = first.arena.handoff_bytes
        title = f"handoff of {floats} floats a frame, {size:,} bytes a block:"
        label = _lines(title, *(node.name for node in streams))
        ours, last, next_ = f"handoff {number}", first.kernels[-1].name, second.kernels[0].name
        yield f"  {_quote(ours)} [shape=note, label={label}];"  # an edge's label would take a rank of each edge
        yield f"  {_quote(last)} -> {_quote(ours)} [ltail=cluster_{number}, penwidth=2, arrowhead=none];"
        yield f"  {_quote(ours)} -> {_quote(next_)} [lhead=cluster_{number + 1}, penwidth=2];"


def _stage_of(program: Program) -> dict[str, int]:
    """The stage of each kernel and terminal."""
    stages = {kernel.name: number for number, stage in enumerate(program.stages) for kernel in stage.kernels}
    if program.stages:
        stages |= dict.fromkeys((node.name for node in program.graph.inputs), 0)
        stages |= dict.fromkeys((node.name for node in program.graph.outputs), len(program.stages) - 1)
    return stages


def _places(program: Program) -> dict[str, list[str]]:
    """Where streams are kept, by node; in the stage that makes them, or in one that takes them over."""
    found: dict[str, list[str]] = {}
    for number, stage in enumerate(program.stages):
        made = {name for kernel in stage.kernels for name in kernel.nodes}
        for name, text in _kept(stage.graph, stage.arena) if stage.arena else ():
            own = name in made or (number == 0 and name in stage.graph)
            found.setdefault(name, []).append(text if own else f"stage {number}: {text}")
    return found


def _kept(graph: Graph, arena: Arena) -> Iterator[tuple[str, str]]:
    for name, place in arena.rows.items():
        if place.base is Region.STATE:
            yield name, describe_place(place)
    for name, place in arena.sums.items():
        yield name, f"sums: {describe_place(place)}"
    for name, place in arena.cells.items():
        yield name, f"{kept_by(graph[name])} at {place.offset:#x}"


def print_kernel_view(program: Program, kernel: Kernel) -> str:
    """One kernel: its nodes, what it reads and who reads it, its schedule, its memory."""
    graph, mine, places = program.graph, set(kernel.nodes), _places(program)
    title = [f"kernel {kernel.name}"]
    if kernel.name in program.schedules:
        title.append(describe_schedule(program.schedules[kernel.name]))
    title += [f"stage {k}" for k, stage in enumerate(program.stages) if kernel in stage.kernels and program.stages[1:]]
    lines = ["digraph kernel {", *_HEAD, f"  label={_lines(*title)};"]
    for name in kernel.nodes:
        node = graph[name]
        short = name.removeprefix(f"{kernel.name}.")
        label = _lines(f"{short} [{node.channels}]", describe_op(node.op), *places.get(name, ()))
        lines.append(f"  {_quote(name)} [label={label}];")
    for name in kernel.nodes:
        for operand in graph[name].operands:
            if operand not in mine:
                lines.append(f"  {_elsewhere(program, operand, places.get(operand, ()))}")
            lines.append(f"  {_quote(operand)} -> {_quote(name)} [label={_quote(str(graph[operand].channels))}];")
        for reader in graph.consumers(name):
            if reader.name not in mine:
                lines.append(f"  {_elsewhere(program, reader.name, ())}")
                lines.append(f"  {_quote(name)} -> {_quote(reader.name)} [style=dashed];")
    return "\n".join([*dict.fromkeys(lines), "}"]) + "\n"


def _elsewhere(program: Program, name: str, places: Sequence[str]) -> str:
    """A node of another kernel."""
    homes = [f"in {kernel.name}" for kernel in program.kernels if name in kernel.nodes]
    label = _lines(f"{name} [{program.graph[name].channels}]", *homes, *places)
    return f"{_quote(name)} [style=dashed, label={label}];"


def dot_files(stem: str, program: Program, before: Program | None) -> dict[str, str]:
    """File name -> text: the overview, and once there are kernels the view of each."""
    files = {f"{stem}.dot": print_overview(program, before)}
    if program.level >= Level.FUSED:
        files |= {f"kernel-{_file_name(k.name)}.dot": print_kernel_view(program, k) for k in program.kernels}
    return files


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _lines(*lines: str) -> str:
    """A label of lines, each flush left."""
    return _quote("".join(f"{line}\n" for line in lines))


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.replace("\n", "\\l")
