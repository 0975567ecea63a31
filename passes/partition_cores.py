"""partition-cores: a contiguous cut of the kernel chain into stages, one per core.

    k0 k1 k2 k3   -->   stage 0: k0 k1, send %x %head   |   stage 1: receive %x %head, k2 k3

Everything that crosses a cut travels in the handoff: residual, partial head sum, condition; what a
later stage wants passes through the stages between.  The cut minimises the slowest stage by a
static cost; ``split`` forces it (numbers of the kernels that begin stages 1, 2, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from schedc.errors import UserError
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import Activation, Input, Output, macs
from schedc.ir.program import Kernel, Program, Stage

# Static cost of an activation, in multiply-accumulates: a division and an exponential, or a select.
_COSTLY = {"tanh": 24, "sigmoid": 20, "silu": 21, "fasttanh": 14, "softsign": 8}


@dataclass(frozen=True)
class PartitionCores:
    cores: int = 1
    split: tuple[int, ...] = ()
    name: str = "partition-cores"

    def __call__(self, program: Program) -> Program:
        cuts = self.split or balanced_cuts([kernel_cost(program.graph, k) for k in program.kernels], self.cores)
        check_cuts(cuts, self.cores, len(program.kernels))
        return replace(program, stages=cut_stages(program.graph, program.kernels, cuts))


def kernel_cost(graph: Graph, kernel: Kernel) -> int:
    """Static work of a kernel per sample, in multiply-accumulates."""
    total = 0
    for name in kernel.nodes:
        node = graph[name]
        total += macs(node.op)
        total += node.channels * (_COSTLY.get(node.op.kind, 3) if isinstance(node.op, Activation) else 1)
    return total


def check_cuts(cuts: Sequence[int], cores: int, kernels: int) -> None:
    """Raise UserError for a cut that cannot be made, saying what could."""
    if kernels < cores:
        raise UserError(
            "--cores",
            f"there is nothing to cut into {cores} stages: the model is a chain of {kernels} kernel(s)",
            f"use at most {kernels}",
        )
    if len(cuts) != cores - 1:
        raise UserError("--split", f"{len(cuts)} cut(s) make {len(cuts) + 1} stages, not {cores}")
    bounds = [0, *cuts, kernels]
    if any(a >= b for a, b in pairwise(bounds)):
        raise UserError("--split", f"cuts must ascend and lie between 1 and {kernels - 1}")


def balanced_cuts(costs: Sequence[int], cores: int) -> tuple[int, ...]:
    """First kernels of stages 1.. so that the costliest stage is as cheap as can be (dynamic programming)."""
    count = len(costs)
    if count < cores:
        return ()
    prefix = [0]
    for cost in costs:
        prefix.append(prefix[-1] + cost)
    # best[end] = (cost of the slowest stage, cuts) for the first ``end`` kernels
    best: dict[int, tuple[int, tuple[int, ...]]] = {end: (prefix[end], ()) for end in range(1, count + 1)}
    for stage in range(1, cores):
        best = {
            end: min(
                (max(best[cut][0], prefix[end] - prefix[cut]), (*best[cut][1], cut)) for cut in range(stage, end)
            )
            for end in range(stage + 1, count + 1)
        }
    return best[count][1]


def cut_stages(graph: Graph, kernels: Sequence[Kernel], cuts: Sequence[int]) -> tuple[Stage, ...]:
    """The stages for a list of cuts; each is a graph of its own whose ends may be handoffs."""
    bounds = [0, *cuts, len(kernels)]
    parts = [tuple(kernels[a:b]) for a, b in pairwise(bounds)]
    return tuple(_stage(graph, parts, index) for index in range(len(parts)))


def _stage(graph: Graph, parts: Sequence[tuple[Kernel, ...]], index: int) -> Stage:
    builder = GraphBuilder()
    if index == 0:
        for node in graph.inputs:
            builder.add(node.name, node.op)
    else:
        for name in crossing(graph, parts, index):
            builder.add(name, Input(graph[name].channels, handoff=True))
    for kernel in parts[index]:
        for name in kernel.nodes:
            builder.add(name, graph[name].op, *graph[name].operands)
    if index == len(parts) - 1:
        for node in graph.outputs:
            builder.add(node.name, node.op, *node.operands)
    else:
        for name in crossing(graph, parts, index + 1):
            builder.add(f"send.{name}", Output(graph[name].channels, handoff=True), name)
    return Stage(builder.build(), parts[index])


def crossing(graph: Graph, parts: Sequence[tuple[Kernel, ...]], index: int) -> list[str]:
    """Streams made before stage ``index`` and read in it or later, in graph order."""
    later = {name for part in parts[index:] for kernel in part for name in kernel.nodes}
    later |= {node.name for node in graph.outputs}
    read = {operand for name in later for operand in graph[name].operands}
    return [node.name for node in graph if node.name in read - later]
