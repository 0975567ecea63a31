"""eliminate-dead-terminals: nothing is computed that no output hears.

    the last layer's %r = conv(%p); %x = add(%x, %r), unread   -->   (gone)
    %s = conv : [2C](%c), only slice 0:C of it read            -->   %s = conv : [C](%c)
    slice a:b(%y = tanh(%z)), the only reader of %y            -->   %y = tanh(slice a:b(%z))

Rows of a convolution that nobody reads are dropped for every capture by a KeepRows recipe; slices
move up through element-wise ops so that unread channels are found at the convolution they come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schedc.ir.demand import demanded_range, live_nodes
from schedc.ir.graph import Graph, GraphBuilder, Node
from schedc.ir.ops import Activation, ActivationKind, Conv, Pointwise, Slice, Start
from schedc.ir.program import Program
from schedc.ir.recipes import KeepRows


@dataclass(frozen=True)
class EliminateDeadTerminals:
    name: str = "eliminate-dead-terminals"

    def __call__(self, program: Program) -> Program:
        graph = program.graph
        while True:
            slimmer = narrow(raise_slices(drop_dead(graph)))
            if slimmer == graph:
                return program.with_graph(graph)
            graph = slimmer


def drop_dead(graph: Graph) -> Graph:
    live = live_nodes(graph)
    return Graph((node for node in graph if node.name in live), graph.recipes)


def raise_slices(graph: Graph) -> Graph:
    """Swap a partial slice with the element-wise op it reads, when it is that op's only reader."""
    raised: dict[str, Node] = {}  # element-wise op -> the slice below it
    for node in graph:
        if isinstance(node.op, Slice) and node.op.out_channels < node.op.in_channels:
            source = graph[node.operands[0]]
            if _passes_slices(source) and len(graph.consumers(source.name)) == 1:
                raised[source.name] = node
    gone = {slice_node.name for slice_node in raised.values()}
    builder = GraphBuilder(graph.recipes)
    renamed: dict[str, str] = {}
    for node in graph:
        operands = tuple(renamed.get(name, name) for name in node.operands)
        below = raised.get(node.name)
        if below is None:
            if node.name not in gone:
                builder.add(node.name, node.op, *operands)
            continue
        assert isinstance(below.op, Slice) and isinstance(node.op, Pointwise)
        parts = [
            builder.add(f"{below.name}.of{index}", replace(below.op), operand) for index, operand in enumerate(operands)
        ]
        builder.add(node.name, replace(node.op, channels=below.op.out_channels), *parts)
        if isinstance(node.op, Activation) and node.op.kind is ActivationKind.PRELU:  # a slope per channel
            builder.recipes.append(KeepRows(node.name, below.op.begin, below.op.end))
        renamed[below.name] = node.name
    return builder.build()


def _passes_slices(node: Node) -> bool:
    return isinstance(node.op, Pointwise)


def narrow(graph: Graph) -> Graph:
    """Drop the unread leading and trailing rows of dense convolutions."""
    kept: dict[str, tuple[int, int]] = {}
    for node in graph:
        if isinstance(node.op, Conv) and node.op.groups == 1 and node.op.start is not Start.STREAM:
            begin, end = demanded_range(graph, node.name)
            if end - begin < node.channels:
                kept[node.name] = (begin, end)
    if not kept:
        return graph
    builder = GraphBuilder(graph.recipes)
    renamed: dict[str, str] = {}
    for node in graph:
        op, operands = node.op, tuple(renamed.get(name, name) for name in node.operands)
        if isinstance(op, Conv) and node.name in kept:
            begin, end = kept[node.name]
            op = replace(op, out_channels=end - begin)
            builder.recipes.append(KeepRows(node.name, begin, end))
        elif isinstance(op, Slice) and node.operands[0] in kept:
            begin, end = kept[node.operands[0]]
            op = Slice(end - begin, op.begin - begin, op.end - begin)
            if op.out_channels == op.in_channels:
                renamed[node.name] = operands[0]
                continue
        builder.add(node.name, op, *operands)
    return builder.build()
