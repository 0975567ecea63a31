"""A graph as JSON and back, for entries of the code cache."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

from schedc.ir.graph import Graph, Node
from schedc.ir.ops import ActivationKind, Elementwise, Op, Start
from schedc.ir.recipes import FoldBatchNorm, KeepRows, Recipe

_OPS: dict[str, type[Op]] = {op.__name__: op for op in get_args(Op)}
_RECIPES: dict[str, type[Recipe]] = {recipe.__name__: recipe for recipe in (FoldBatchNorm, KeepRows)}
_ENUMS: dict[tuple[str, str], type[ActivationKind | Elementwise | Start]] = {
    ("Activation", "kind"): ActivationKind,
    ("Combine", "kind"): Elementwise,
    ("Conv", "start"): Start,
}


def graph_to_json(graph: Graph) -> dict[str, Any]:
    return {
        "nodes": [[node.name, type(node.op).__name__, asdict(node.op), list(node.operands)] for node in graph],
        "recipes": [[type(recipe).__name__, asdict(recipe)] for recipe in graph.recipes],
    }


def graph_from_json(data: dict[str, Any]) -> Graph:
    """The reverse; KeyError or TypeError for anything else."""
    nodes = (Node(name, _op(kind, fields), tuple(operands)) for name, kind, fields, operands in data["nodes"])
    return Graph(nodes, (_RECIPES[kind](**fields) for kind, fields in data["recipes"]))


def _op(kind: str, fields: dict[str, Any]) -> Op:
    typed: dict[str, Any] = {
        key: _ENUMS[kind, key](value) if (kind, key) in _ENUMS else value for key, value in fields.items()
    }
    return _OPS[kind](**typed)
