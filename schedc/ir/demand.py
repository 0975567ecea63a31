"""Demand: which channels of each stream does anything that matters read?"""

from __future__ import annotations

from schedc.ir.graph import Graph
from schedc.ir.ops import Output, Slice


def live_nodes(graph: Graph) -> set[str]:
    """Names of the nodes from which an output can be reached; inputs count as live."""
    live = {node.name for node in graph.inputs}
    for output in graph.outputs:
        live |= graph.ancestors(output.name) | {output.name}
    return live


def demanded_range(graph: Graph, name: str) -> tuple[int, int]:
    """The smallest channel range [begin, end) of a stream that covers all its readers."""
    begin, end = graph[name].channels, 0
    for consumer in graph.consumers(name):
        if isinstance(consumer.op, Slice):
            begin, end = min(begin, consumer.op.begin), max(end, consumer.op.end)
        elif isinstance(consumer.op, Output) or name in consumer.operands:
            return 0, graph[name].channels
    return begin, end
