"""An architecture in words: one line per node, with every attribute that makes it this architecture.

Reports carry these lines, so that a capture can be compared with code that was compiled elsewhere,
and by another version: attributes at their default are left out, so a later version that adds
one still writes the same lines for what exists today.

    array0.layer0.conv = conv(in_channels=3, out_channels=3, kernel_size=6) input.rechannel
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from itertools import zip_longest

from schedc.ir.graph import Graph
from schedc.ir.ops import Op

Architecture = tuple[str, ...]


def describe_architecture(graph: Graph) -> Architecture:
    """The lines of a graph: its nodes in order, then its recipes."""
    nodes = [f"{node.name} = {_op(node.op)} {' '.join(node.operands)}".rstrip() for node in graph]
    return (*nodes, *(f"recipe {recipe}" for recipe in graph.recipes))


def _op(op: Op) -> str:
    stated = [item for item in fields(op) if getattr(op, item.name) != _default(item)]
    return f"{type(op).__name__.lower()}({', '.join(f'{f.name}={getattr(op, f.name)}' for f in stated)})"


def _default(item: Field[object]) -> object:
    return None if item.default is MISSING else item.default


def first_difference(compiled: Sequence[str], offered: Sequence[str]) -> str:
    """Where a capture's architecture first differs from the compiled one, in words; "" if nowhere."""
    for ours, theirs in zip_longest(compiled, offered):
        if ours == theirs:
            continue
        if theirs is None:
            return f"it ends before {ours}"
        if ours is None:
            return f"it goes on with {theirs}"
        return f"it has {theirs}, the code has {ours}"
    return ""
