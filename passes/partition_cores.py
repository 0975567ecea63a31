"""partition-cores: the chain of kernels cut into stages, one per core.

    k0 k1 k2 k3   -->   stage 0: k0 k1, send %x %head   |   stage 1: receive %x %head, k2 k3

Everything that crosses a cut travels in the handoff: residual, partial head sum, condition; what a
later stage wants passes through the stages between.  The cut minimises the slowest stage: its
kernels, what it copies, its share of the synchronisation, over its core's speed
(:mod:`schedc.passes.stage_costs`).  ``split`` forces it (numbers of the kernels that begin stages 1, 2, ...).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, pairwise

from schedc.errors import OptionError
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.kernel_work import kernel_work
from schedc.ir.ops import Input, Output
from schedc.ir.program import Kernel, Program, Stage
from schedc.passes.plan_arena import plan_stage
from schedc.passes.stage_costs import (
    Allowed,
    HandoffCost,
    KernelCycles,
    RankedCut,
    StageCosts,
    best_cuts,
)


@dataclass(frozen=True)
class PartitionCores:
    """``core_speeds``: one per core, relative; empty means equal cores.  ``kernel_cycles``: the
    prediction to balance by (default: multiply-accumulates).  ``bytes_per_core``: what the state of
    one stage and its handoffs, two blocks each, may take together.
    """

    cores: int = 1
    split: tuple[int, ...] = ()
    core_speeds: tuple[float, ...] = ()
    handoff: HandoffCost = field(default_factory=HandoffCost)
    kernel_cycles: KernelCycles | None = None
    bytes_per_core: float = math.inf
    name: str = "partition-cores"

    def __call__(self, program: Program) -> Program:
        """The program with stages; OptionError if there is no such cut, or none that fits."""
        count = len(program.kernels)
        check_count(self.cores, count)
        check_speeds(self.core_speeds, self.cores)
        if self.split:
            check_cuts(self.split, self.cores, count)
            cuts = self.split
        elif self.cores == 1:
            cuts = ()
        else:
            ranked = self.ranked(program)
            if not ranked:
                raise self._does_not_fit(program)
            cuts = ranked[0].cuts
        if not all(self._allowed(program)(a, b) for a, b in pairwise([0, *cuts, count])):
            raise self._does_not_fit(program)
        return replace(program, stages=cut_stages(program.graph, program.kernels, cuts))

    def costs(self, program: Program) -> StageCosts:
        """The costs of every possible stage of a scheduled program."""
        predict = self.kernel_cycles or _kernel_works
        return StageCosts(
            kernel_cycles=tuple(predict(program)),
            handoff_floats=(0, *crossing_floats(program.graph, program.kernels), 0),
            block=program.block,
            core_speeds=self.core_speeds or (1.0,) * self.cores,
            handoff=self.handoff,
        )

    def ranked(self, program: Program, count: int = 1) -> list[RankedCut]:
        """The best cuts that fit, best first: the chosen one and its runners-up."""
        return best_cuts(self.costs(program), count, self._allowed(program))

    def _allowed(self, program: Program) -> Allowed:
        if math.isinf(self.bytes_per_core):
            return lambda begin, end: True

        @cache
        def fits(begin: int, end: int) -> bool:
            return stage_bytes(program, begin, end) <= self.bytes_per_core

        return fits

    def _does_not_fit(self, program: Program) -> OptionError:
        count = len(program.kernels)
        cuts = self.split or best_cuts(self.costs(program))[0].cuts
        largest = max(stage_bytes(program, a, b) for a, b in pairwise([0, *cuts, count]))
        what = f"a stage needs {largest} bytes, a core has {self.bytes_per_core:.0f}"
        return OptionError("split" if self.split else "cores", what, "use more cores or a smaller block")


def _kernel_works(program: Program) -> list[float]:
    return [float(kernel_work(program.graph, kernel)) for kernel in program.kernels]


def stage_bytes(program: Program, begin: int, end: int) -> int:
    """What a core needs for kernels [begin, end): its state, and two blocks of each handoff."""
    kernels = program.kernels
    parts = [part for part in (kernels[:begin], kernels[begin:end], kernels[end:]) if part]
    arena = plan_stage(_stage(program.graph, parts, 1 if begin else 0), program)
    return arena.state_bytes + 2 * (arena.received_bytes + arena.handoff_bytes)


def check_count(cores: int, kernels: int) -> None:
    """Raise OptionError for more stages than kernels."""
    if cores > max(1, kernels):
        what = f"is a chain of {kernels} kernel(s)" if kernels else "only copies its input"
        problem = f"there is nothing to cut into {cores} stages: the model {what}"
        raise OptionError("cores", problem, f"use at most {max(1, kernels)}")


def check_speeds(speeds: Sequence[float], cores: int) -> None:
    """Raise OptionError unless there is a positive speed for each core, or none at all."""
    if not speeds:
        return
    if len(speeds) != cores:
        raise OptionError("core_speeds", f"{len(speeds)} speed(s) for {cores} core(s)", "give one per core")
    if not all(math.isfinite(speed) and speed > 0 for speed in speeds):
        raise OptionError("core_speeds", "a speed is a number above 0", "for example 1,0.8")


def check_cuts(cuts: Sequence[int], cores: int, kernels: int) -> None:
    """Raise OptionError for cuts that cannot be made, saying what could."""
    if len(cuts) != cores - 1:
        raise OptionError("split", f"{len(cuts)} cut(s) make {len(cuts) + 1} stages, not {cores}")
    edges = [0, *cuts, kernels]
    if any(a >= b for a, b in pairwise(edges)):
        raise OptionError("split", f"cuts must ascend and lie between 1 and {kernels - 1}")


def cut_stages(graph: Graph, kernels: Sequence[Kernel], cuts: Sequence[int]) -> tuple[Stage, ...]:
    """The stages for a list of cuts; each is a graph of its own whose ends may be handoffs."""
    edges = [0, *cuts, len(kernels)]
    parts = [tuple(kernels[a:b]) for a, b in pairwise(edges)]
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


def crossing_floats(graph: Graph, kernels: Sequence[Kernel]) -> list[int]:
    """Channels of all streams that cross each cut between two kernels, the cut after the first one first."""
    made = {name: number for number, kernel in enumerate(kernels) for name in kernel.nodes}
    begins = [0] * (len(kernels) + 1)  # channels that cross this cut and did not cross the one before, less the reverse
    for node in graph:
        first = made.get(node.name, -1) + 1
        last = max((made.get(reader.name, len(kernels)) for reader in graph.consumers(node.name)), default=0)
        if first <= last:
            begins[first] += node.channels
            begins[min(last + 1, len(kernels))] -= node.channels
    return list(accumulate(begins))[1 : len(kernels)]


def crossing(graph: Graph, parts: Sequence[tuple[Kernel, ...]], index: int) -> list[str]:
    """Streams made before stage ``index`` and read in it or later, in graph order."""
    later = {name for part in parts[index:] for kernel in part for name in kernel.nodes}
    later |= {node.name for node in graph.outputs}
    read = {operand for name in later for operand in graph[name].operands}
    return [node.name for node in graph if node.name in read - later]
