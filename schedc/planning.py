"""From a graph to a plan, without LLVM: the passes in their order, and the blob's layout.

:mod:`schedc.compiler` tells the whole story; what needs no machine code (packing a capture for code that exists, plans
to look at) imports this module and never loads llvmlite.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from schedc.autoscheduler import cheapest
from schedc.backends.weights.packing import PackingList, packing_list
from schedc.backends.weights.weight_blob import BlobLayout, plan_blob
from schedc.cost.model import predict_alone, predict_kernels
from schedc.ir.graph import Graph
from schedc.ir.program import Program
from schedc.options import Options, check_options
from schedc.passes.base import Pass
from schedc.passes.core import core_passes
from schedc.passes.fuse_layers import FuseLayers
from schedc.passes.partition_cores import PartitionCores
from schedc.passes.plan_arena import PlanArena
from schedc.passes.run import Observer, PassLog, run_passes
from schedc.passes.select_kernels import SelectKernels
from schedc.passes.stage_costs import HandoffCost


@dataclass(frozen=True)
class Plan:
    """Every decision about a program, before any code: kernels, stages, memory, the blob's layout."""

    options: Options
    program: Program
    layout: BlobLayout
    log: PassLog

    @cached_property
    def packing(self) -> PackingList:
        """How a capture's weights get into the blob."""
        return packing_list(self.program, self.layout, self.options.contract)


def planning_passes(options: Options) -> list[Pass]:
    """From the core graph to a place for every byte."""
    return [
        FuseLayers(options.schedule),
        SelectKernels(options.target, cheapest(options.target, options.contract), options.schedule),
        partition_pass(options),
        PlanArena(),
    ]


def partition_pass(options: Options) -> PartitionCores:
    """How the options' target cuts a program.  A cut may separate kernels that would share a loop: each is priced
    as if it had one of its own.
    """
    target, facts = options.target, options.target.facts
    predict = predict_alone if options.cores > 1 else predict_kernels
    return PartitionCores(
        cores=options.cores,
        split=options.split,
        core_speeds=options.core_speeds,
        handoff=HandoffCost(target.fact("handoff_cycles_per_float"), target.fact("synchronisation_cycles")),
        kernel_cycles=functools.partial(predict, target=target, contract=options.contract),
        bytes_per_core=facts["bytes_per_core"].value if "bytes_per_core" in facts else math.inf,
    )


def plan_graph(graph: Graph, options: Options, observers: Sequence[Observer] = ()) -> Plan:
    """Graph to plan.  Deterministic: equal graphs and options give equal plans."""
    check_options(options)
    log = PassLog()
    passes = [*core_passes(), *planning_passes(options)]
    program = run_passes(Program(graph, block=options.frames), passes, observers, log)
    return Plan(options, program, plan_blob(program, options.contract), log)
