"""The graph: a typed face over a networkx multi-digraph.

A node is an op with a name, an edge carries an operand's index.  Graphs are immutable: a pass
builds a new one (:class:`GraphBuilder`).  Node order is a topological order, kept as inserted, so
that printing, hashing and code generation see the same sequence every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from schedc.errors import InternalError
from schedc.ir.ops import Input, Op, Output, RecurrentCell
from schedc.ir.recipes import Recipe


@dataclass(frozen=True)
class Node:
    """An op and the names of the nodes whose streams it reads."""

    name: str
    op: Op
    operands: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Width of the stream this node makes."""
        return self.op.out_channels


class Graph:
    """An immutable network of sample streams.

    ``recipes`` say how to derive folded weights from the capture's own (the pack step runs them).
    Two graphs are equal when nodes, operands, order and recipes are.
    """

    def __init__(self, nodes: Iterable[Node], recipes: Iterable[Recipe] = ()) -> None:
        self._graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self._nodes: dict[str, Node] = {}
        self.recipes: tuple[Recipe, ...] = tuple(recipes)
        for node in nodes:
            if node.name in self._nodes:
                raise InternalError(f"two nodes are named {node.name}")
            for operand in node.operands:
                if operand not in self._nodes:
                    raise InternalError(f"{node.name} reads {operand}, which is not defined before it")
            self._nodes[node.name] = node
            self._graph.add_node(node.name)
            for index, operand in enumerate(node.operands):
                self._graph.add_edge(operand, node.name, operand=index)

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __iter__(self) -> Iterator[Node]:
        """Nodes in topological order."""
        return iter(self._nodes.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return list(self) == list(other) and self.recipes == other.recipes

    def __hash__(self) -> int:
        return hash((tuple(self), self.recipes))

    def consumers(self, name: str) -> Sequence[Node]:
        """Nodes that read ``name``, in topological order, each once."""
        return self._readers[name]

    @cached_property
    def _readers(self) -> Mapping[str, Sequence[Node]]:
        """By stream.  Edges come in the order of the nodes that read, which is topological."""
        return {name: tuple(self[reader] for reader in self._graph.successors(name)) for name in self._nodes}

    def ancestors(self, name: str) -> set[str]:
        """Everything ``name`` depends on."""
        return set(nx.ancestors(self._graph, name))

    @cached_property
    def inputs(self) -> Sequence[Node]:
        return tuple(node for node in self if isinstance(node.op, Input))

    @cached_property
    def outputs(self) -> Sequence[Node]:
        return tuple(node for node in self if isinstance(node.op, Output))

    @property
    def in_channels(self) -> int:
        """Width of what goes in: rows of samples."""
        return sum(node.channels for node in self.inputs)

    @property
    def out_channels(self) -> int:
        """Width of what comes out."""
        return sum(node.op.operand_channels[0] for node in self.outputs)

    def digest(self) -> str:
        """SHA-256 (hex) of the structure: the architecture's identity, the same in every process."""
        text = "\n".join([*(repr(node) for node in self), *(repr(recipe) for recipe in self.recipes)])
        return hashlib.sha256(text.encode()).hexdigest()


def is_recurrent(graph: Graph) -> bool:
    """Whether silence has to be run, as through a recurrent cell, and does not settle at once, as in a convolution."""
    return any(isinstance(node.op, RecurrentCell) for node in graph)


def after_cells(graph: Graph) -> set[str]:
    """The recurrent cells and all that depends on them: what silence does not settle in."""
    found: set[str] = set()
    for node in graph:
        if isinstance(node.op, RecurrentCell) or not found.isdisjoint(node.operands):
            found.add(node.name)
    return found


class GraphBuilder:
    """Collects nodes in topological order."""

    def __init__(self, recipes: Iterable[Recipe] = ()) -> None:
        self.nodes: dict[str, Node] = {}
        self.recipes: list[Recipe] = list(recipes)

    def add(self, name: str, op: Op, *operands: str) -> str:
        """Append a node; returns its name."""
        if name in self.nodes:
            raise InternalError(f"two nodes are named {name}")
        self.nodes[name] = Node(name, op, operands)
        return name

    def build(self) -> Graph:
        return Graph(self.nodes.values(), self.recipes)
