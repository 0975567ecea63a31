"""fuse-layers: nodes that can share a loop over frames: a kernel.

    conv, mixin, activation, head sum, 1x1, residual   -->   kernel "array0.layer3"

A kernel starts at each convolution with history and at each recurrent cell; everything without state
joins the kernel of its latest operand, so a layer's values stay in registers from the convolution
to the residual.  What only a later kernel needs (a rechannel, a FiLM's scales) sinks into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Input, Output, RecurrentCell, Slice, history
from schedc.ir.program import Kernel, Level, Program
from schedc.schedule import ScheduleOverrides


@dataclass(frozen=True)
class FuseLayers:
    """``overrides``: at which nodes a schedule file wants kernels to begin."""

    overrides: ScheduleOverrides = field(default_factory=ScheduleOverrides)
    name: str = "fuse-layers"

    def __call__(self, program: Program) -> Program:
        self.overrides.check_boundaries([node.name for node in program.graph])
        kernels = fuse_layers(program.graph, frozenset(self.overrides.boundaries))
        return replace(program, kernels=kernels, level=Level.FUSED)


def fuse_layers(graph: Graph, boundaries: frozenset[str] = frozenset()) -> tuple[Kernel, ...]:
    """The kernels of a graph, in execution order; each of ``boundaries`` begins one."""
    number = _sink(graph, _earliest(graph, boundaries))
    groups: dict[int, list[str]] = {}
    for node in graph:
        if node.name in number:
            groups.setdefault(number[node.name], []).append(node.name)
    kernels: dict[str, Kernel] = {}
    for key in sorted(groups):
        place, leader = _names([graph[name] for name in groups[key]])
        name = leader if place in kernels else place
        while name in kernels:
            name += "'"
        kernels[name] = Kernel(name, tuple(groups[key]))
    return tuple(kernels.values())


def _earliest(graph: Graph, boundaries: frozenset[str]) -> dict[str, int]:
    """Kernel numbers, each node as early as it can be; a number with a recurrent cell has nothing else."""
    number: dict[str, int] = {}
    after: dict[str, int] = {}  # first kernel that may read the stream
    recurrent: set[int] = set()
    latest = -1
    for node in graph:
        if isinstance(node.op, Output):
            continue
        if isinstance(node.op, Input):
            after[node.name] = 0
            continue
        ready = max((after[name] for name in node.operands), default=0)
        if isinstance(node.op, RecurrentCell) or history(node.op) > 0 or node.name in boundaries:
            ready = max(latest, ready - 1) + 1
        while ready in recurrent:
            ready += 1
        number[node.name], latest = ready, max(latest, ready)
        after[node.name] = ready + isinstance(node.op, RecurrentCell)
        if isinstance(node.op, RecurrentCell):
            recurrent.add(ready)
    return number


def _sink(graph: Graph, number: Mapping[str, int]) -> dict[str, int]:
    """Move nodes down to the kernel of their first reader where that carries less between kernels.

    What crosses then is the node's operands instead of its result; operands that something reads
    there or later anyway cost nothing.  A slice is free and always moves.
    """
    result = dict(number)
    recurrent = {number[node.name] for node in graph if isinstance(node.op, RecurrentCell)}
    for node in reversed(list(graph)):
        readers = graph.consumers(node.name)
        if node.name not in result or isinstance(node.op, RecurrentCell) or not readers:
            continue
        if any(isinstance(reader.op, Output) for reader in readers):
            continue
        first = min(result[reader.name] for reader in readers)
        if first == result[node.name] or first in recurrent:
            continue
        carried = sum(
            graph[operand].channels
            for operand in set(node.operands)
            if not _is_read_from(graph, result, operand, first, node.name)
        )
        if isinstance(node.op, Slice) or carried < node.channels:
            result[node.name] = first
    return result


def _is_read_from(graph: Graph, number: Mapping[str, int], name: str, kernel: int, besides: str) -> bool:
    """Whether something other than ``besides`` reads the stream ``name`` in a ``kernel`` or a later one."""
    readers = (reader.name for reader in reversed(graph.consumers(name)) if reader.name != besides)
    return any(number[reader] >= kernel for reader in readers if reader in number)


def _names(nodes: list[Node]) -> tuple[str, str]:
    """A kernel is called after the node that started it, if possible without the last part of its name."""
    leader = next((node for node in nodes if history(node.op) or isinstance(node.op, RecurrentCell)), nodes[-1])
    place, _, last = leader.name.rpartition(".")
    return (place if place and last == "conv" else leader.name), leader.name
