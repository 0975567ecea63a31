"""The graph: a typed face over a networkx multi-digraph.

A node is an op with a name; an edge carries the operand index.  Graphs are immutable: a pass
builds a new one (:class:`GraphBuilder`).  Node order is a topological order, kept as inserted, so
that printing, hashing and code generation see the same sequence every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import networkx as nx

from schedc.errors import InternalError
from schedc.ir.ops import Input, LstmCell, Op, Output
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
        self.recipes: tuple[Recipe, ...] = tuple(recipes)
        for node in nodes:
            if node.name in self._graph:
                raise InternalError(f"two nodes are named {node.name}")
            self._graph.add_node(node.name, node=node)
            for index, operand in enumerate(node.operands):
                if operand not in self._graph:
                    raise InternalError(f"{node.name} reads {operand}, which is not defined before it")
                self._graph.add_edge(operand, node.name, operand=index)

    def __contains__(self, name: str) -> bool:
        return name in self._graph

    def __len__(self) -> int:
        return len(self._graph)

    def __getitem__(self, name: str) -> Node:
        node = self._graph.nodes[name]["node"]
        assert isinstance(node, Node)
        return node

    def __iter__(self) -> Iterator[Node]:
        """Nodes in topological order."""
        return (self[name] for name in self._graph.nodes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return list(self) == list(other) and self.recipes == other.recipes

    def __hash__(self) -> int:
        return hash((tuple(self), self.recipes))

    def consumers(self, name: str) -> list[Node]:
        """Nodes that read ``name``, in topological order, each once."""
        order = {node: index for index, node in enumerate(self._graph.nodes)}
        return [self[n] for n in sorted(set(self._graph.successors(name)), key=order.__getitem__)]

    def ancestors(self, name: str) -> set[str]:
        """Everything ``name`` depends on."""
        return set(nx.ancestors(self._graph, name))

    @property
    def inputs(self) -> list[Node]:
        return [node for node in self if isinstance(node.op, Input)]

    @property
    def outputs(self) -> list[Node]:
        return [node for node in self if isinstance(node.op, Output)]

    def digest(self) -> str:
        """SHA-256 (hex) of the structure: the architecture's identity, the same in every process."""
        text = "\n".join([*(repr(node) for node in self), *(repr(recipe) for recipe in self.recipes)])
        return hashlib.sha256(text.encode()).hexdigest()


def is_recurrent(graph: Graph) -> bool:
    """Whether silence has to be run, as through an LSTM, and does not settle at once, as in a convolution."""
    return any(isinstance(node.op, LstmCell) for node in graph)


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
