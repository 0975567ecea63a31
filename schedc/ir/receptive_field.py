"""How long one sample of input is heard."""

from __future__ import annotations

from schedc.ir.graph import Graph
from schedc.ir.ops import RecurrentCell, history


def receptive_field(graph: Graph) -> int | None:
    """Samples of output, at most, that one sample of input has a part in; None: a recurrent cell never forgets it."""
    past: dict[str, int | None] = {}
    for node in graph:
        before = [past[operand] for operand in node.operands]
        known = [samples for samples in before if samples is not None]
        forgets = len(known) == len(before) and not isinstance(node.op, RecurrentCell)
        past[node.name] = max(known, default=1) + history(node.op) if forgets else None
    heard = [past[node.name] for node in graph.outputs]
    known = [samples for samples in heard if samples is not None]
    return max(known) if len(known) == len(heard) else None
