"""The core graph: the canonical one, on which the numeric contract is defined."""

from __future__ import annotations

from schedc.ir.graph import Graph
from schedc.ir.program import Program
from schedc.ir.weights import WeightTable, apply_recipes, check_weights
from schedc.passes.base import Pass
from schedc.passes.canonicalize import Canonicalize
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals
from schedc.passes.fold_constants import FoldConstants
from schedc.passes.run import run_passes


def core_passes() -> list[Pass]:
    """From the graph as built to the one the numeric contract is defined on."""
    return [Canonicalize(), FoldConstants(), EliminateDeadTerminals()]


def core_graph(graph: Graph) -> Graph:
    """The canonical graph, which the float32 interpreter defines the bits on."""
    return run_passes(Program(graph, block=1), core_passes()).graph


def core_weights(graph: Graph, weights: WeightTable) -> WeightTable:
    """A capture's weights after the recipes of ``graph``, for the nodes that are left."""
    table = apply_recipes(graph.recipes, weights)
    kept = {node.name for node in graph}
    result = {node: parameters for node, parameters in table.items() if node in kept}
    check_weights(graph, result)
    return result
