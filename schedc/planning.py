"""From a capture to a plan, without LLVM: reading, passes, the blob's layout.

:mod:`schedc.compiler` tells the whole story; what needs no machine code (packing a capture for code
that exists, the interpreter, plans to look at) imports this module and never loads llvmlite.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from schedc.analysis.stage_costs import HandoffCost
from schedc.autoscheduler import cheapest
from schedc.backends.packing import PackingList, packing_list
from schedc.backends.weight_blob import BlobLayout, plan_blob
from schedc.cost.model import predict_alone, predict_kernels
from schedc.errors import InternalError
from schedc.frontend.build_graph import build_graph
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import ContainerModel, NamFile
from schedc.frontend.nam_file import read_nam_file
from schedc.frontend.slimming import select_model
from schedc.frontend.wording import one_line
from schedc.ir.graph import Graph
from schedc.ir.program import Program
from schedc.ir.weights import WeightTable, apply_recipes, check_weights
from schedc.options import Options, Reading, check_options
from schedc.passes.base import Pass
from schedc.passes.canonicalize import Canonicalize
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals
from schedc.passes.fold_constants import FoldConstants
from schedc.passes.fuse_layers import FuseLayers
from schedc.passes.partition_cores import PartitionCores
from schedc.passes.plan_arena import PlanArena
from schedc.passes.select_kernels import SelectKernels
from schedc.pipeline import Observer, PipelineLog, run_passes

ModelPath = str | os.PathLike[str]
DEFAULT_RATE = 48000.0  # Hz, of a capture that does not say


@dataclass(frozen=True)
class CaptureFile:
    """A file that was read, and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Capture:
    """A capture, read: its graph as built, its weights, and how silence is reached."""

    path: Path
    graph: Graph
    weights: WeightTable
    prewarm_samples: int  # of silence before the first sample; 0: it starts from zero
    sample_rate: float | None  # Hz, None if the file does not say
    architecture: str
    file_warnings: tuple[str, ...]
    reading: Reading = field(default_factory=Reading)
    files: tuple[CaptureFile, ...] = ()  # of a chain several

    @property
    def rate(self) -> float:
        """Hz; a file that does not say means 48 kHz."""
        return self.sample_rate or DEFAULT_RATE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know, a line each."""
        if self.sample_rate is not None:
            return self.file_warnings
        unstated = f"{one_line(str(self.path))}: does not state its sample rate; {DEFAULT_RATE:.0f} Hz is taken"
        return (*self.file_warnings, unstated)


@dataclass(frozen=True)
class Plan:
    """Every decision about a program, before any code: kernels, stages, memory, the blob's layout."""

    options: Options
    program: Program
    layout: BlobLayout
    log: PipelineLog

    @cached_property
    def packing(self) -> PackingList:
        """How a capture's weights get into the blob."""
        return packing_list(self.program, self.layout, self.options.contract)


def read_capture(path: ModelPath, reading: Reading | None = None) -> Capture:
    """Read and check a capture's file; ``reading`` chooses a size (NAM_FORMAT section 3)."""
    return capture_of(read_nam_file(path), reading)


def capture_of(file: NamFile, reading: Reading | None = None) -> Capture:
    """The capture in a file that was read."""
    reading = reading or Reading()
    document = select_model(file, reading.slim)
    if isinstance(document.model, ContainerModel):
        raise InternalError("choosing a size left a container")
    graph, weights = build_graph(document.model, reading.build)
    check_weights(graph, weights)
    return Capture(
        path=file.path,
        graph=graph,
        weights=weights,
        prewarm_samples=prewarm_samples(document) if reading.prewarm else 0,
        sample_rate=document.sample_rate or file.document.sample_rate,
        architecture=document.architecture,
        file_warnings=file.warnings,
        reading=reading,
        files=(CaptureFile(file.path, file.sha256),),
    )


def core_passes() -> list[Pass]:
    """From the graph as built to the one the numeric contract is defined on."""
    return [Canonicalize(), FoldConstants(), EliminateDeadTerminals()]


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


def plan_graph(graph: Graph, options: Options, observers: Sequence[Observer] = ()) -> Plan:
    """Graph to plan.  Deterministic: equal graphs and options give equal plans."""
    check_options(options)
    log = PipelineLog()
    passes = [*core_passes(), *planning_passes(options)]
    program = run_passes(Program(graph, block=options.frames), passes, observers, log)
    return Plan(options, program, plan_blob(program, options.contract), log)
