"""Where a stream's values are inside a kernel, as far as costs depend on it."""

from __future__ import annotations

from collections.abc import Container

from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Input, Output, RecurrentCell, Slice, history
from schedc.schedule import KernelSchedule


def leaves(graph: Graph, node: Node, inside: Container[str]) -> bool:
    """Whether a node's value is stored for others: another kernel, an output, a later block."""
    readers = graph.consumers(node.name)
    return any(r.name not in inside or isinstance(r.op, Output) or history(r.op) for r in readers)


def is_wide(node: Node, schedule: KernelSchedule) -> bool:
    """Whether a value goes through memory inside its kernel (a view is read where its source is)."""
    return not isinstance(node.op, Slice) and not schedule.holds(node.channels)


def stays_interleaved(graph: Graph, node: Node) -> bool:
    """Whether a stream could be, as far as that does not depend on other kernels' schedules."""
    ends = [reader.op for reader in graph.consumers(node.name)] + [node.op]
    return node.channels > 1 and not any(isinstance(op, Input | Output | RecurrentCell) for op in ends)
