"""The weight table: a capture's numbers, keyed by node and parameter name.

A table is ``{node: {parameter: float32 array}}`` with the shapes that the node's op states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from schedc.errors import InternalError
from schedc.ir.graph import Graph
from schedc.ir.recipes import FoldBatchNorm, KeepRows, Recipe

FloatArray = npt.NDArray[np.float32]
WeightTable = Mapping[str, Mapping[str, FloatArray]]


def check_weights(graph: Graph, weights: WeightTable) -> None:
    """Raise InternalError unless ``weights`` has exactly what the graph's ops ask for."""
    for node in graph:
        table = weights.get(node.name, {})
        wanted = dict(node.op.parameters())
        found = {name: array.shape for name, array in table.items()}
        if found != wanted:
            raise InternalError(f"weights of {node.name}: needs {wanted}, found {found}")


def apply_recipes(recipes: Iterable[Recipe], weights: WeightTable) -> WeightTable:
    """Run the folds that passes recorded, in order; the result fits the folded graph."""
    table = {node: dict(parameters) for node, parameters in weights.items()}
    for recipe in recipes:
        match recipe:
            case FoldBatchNorm(conv, batch_norm):
                table[conv] = _fold_batch_norm(table[conv], table.pop(batch_norm))
            case KeepRows(node, begin, end):
                table[node] = {name: array[begin:end] for name, array in table[node].items()}
    return table


def _fold_batch_norm(conv: Mapping[str, FloatArray], norm: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """In float64, rounded once: the folded weights are as near as float32 allows."""
    wide = {name: array.astype(np.float64) for name, array in norm.items()}
    scale = wide["gamma"] / np.sqrt(wide["variance"] + wide["epsilon"])
    bias = conv["bias"].astype(np.float64) if "bias" in conv else np.zeros_like(scale)
    return {
        "weight": (conv["weight"] * scale[:, None, None]).astype(np.float32),
        "bias": (scale * bias + wide["beta"] - scale * wide["mean"]).astype(np.float32),
    }
