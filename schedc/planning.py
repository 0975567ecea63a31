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
from schedc.backends.object_format import ObjectFormat, convention_of, format_named
from schedc.backends.packing import PackingList, packing_list
from schedc.backends.weight_blob import BlobLayout, plan_blob
from schedc.cost.model import predict_alone, predict_kernel
from schedc.errors import InternalError, UserError
from schedc.frontend.build_graph import BuildOptions, build_graph
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import ContainerModel, NamFile
from schedc.frontend.nam_file import read_nam_file
from schedc.frontend.slimming import select_model
from schedc.ir.contract import Contract, Math
from schedc.ir.graph import Graph
from schedc.ir.program import Program
from schedc.ir.weights import WeightTable, apply_recipes, check_weights
from schedc.passes.base import Pass
from schedc.passes.canonicalize import Canonicalize
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals
from schedc.passes.fold_constants import FoldConstants
from schedc.passes.fuse_layers import FuseLayers
from schedc.passes.partition_cores import PartitionCores
from schedc.passes.plan_arena import PlanArena
from schedc.passes.select_kernels import SelectKernels
from schedc.pipeline import Observer, PipelineLog, run_passes
from schedc.schedule import ScheduleOverrides
from schedc.schedule_file import read_schedule
from schedc.targets.base import Target, load_target
from schedc.targets.host import quick_host_target

ModelPath = str | os.PathLike[str]
MAX_BLOCK = 8192
MAX_CORES = 8


@dataclass(frozen=True)
class Capture:
    """A capture, read: its graph as built, its weights, and how silence is reached."""

    path: Path
    graph: Graph
    weights: WeightTable
    prewarm_samples: int
    sample_rate: float | None  # Hz, None if the file does not say
    architecture: str
    warnings: tuple[str, ...]
    slim: float | None = None  # as asked for
    build: BuildOptions = field(default_factory=BuildOptions)

    @property
    def rate(self) -> float:
        """Hz; a file that does not say means 48 kHz."""
        return self.sample_rate or 48000.0


@dataclass(frozen=True)
class Options:
    """What a compilation may be told.  ``block`` None takes the target's default."""

    target: Target
    cores: int = 1
    block: int | None = None
    contract: Contract = field(default_factory=Contract)
    split: tuple[int, ...] = ()
    core_speeds: tuple[float, ...] = ()  # relative, one per core; empty: equal cores
    schedule: ScheduleOverrides = field(default_factory=ScheduleOverrides)  # what a schedule file forces
    tuned: bool = False  # the schedule was measured here, not asked for
    object_format: ObjectFormat = ObjectFormat.ELF

    @property
    def frames(self) -> int:
        return self.block or self.target.block


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


def read_capture(path: ModelPath, slim: float | None = None, build_options: BuildOptions | None = None) -> Capture:
    """Read and check a ``.nam`` file; ``slim`` chooses a size (NAM_FORMAT section 3)."""
    return capture_of(read_nam_file(path), slim, build_options)


def capture_of(file: NamFile, slim: float | None = None, build_options: BuildOptions | None = None) -> Capture:
    """The capture in a file that was read."""
    document = select_model(file, slim)
    if isinstance(document.model, ContainerModel):
        raise InternalError("choosing a size left a container")
    build = build_options or BuildOptions()
    graph, weights = build_graph(document.model, build)
    check_weights(graph, weights)
    return Capture(
        path=file.path,
        graph=graph,
        weights=weights,
        prewarm_samples=prewarm_samples(document),
        sample_rate=document.sample_rate or file.document.sample_rate,
        architecture=document.architecture,
        warnings=file.warnings,
        slim=slim,
        build=build,
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
    predict = predict_alone if options.cores > 1 else predict_kernel
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


def check_options(options: Options) -> None:
    """Raise UserError for what no target can do, or this one cannot."""
    target, contract = options.target, options.contract
    if not 1 <= options.frames <= MAX_BLOCK:
        raise UserError("--block", f"{options.frames} frames", f"give 1 to {MAX_BLOCK}")
    if not 1 <= options.cores <= MAX_CORES:
        raise UserError("--cores", f"{options.cores} cores", f"give 1 to {MAX_CORES}")
    if contract.mac not in target.mac:
        raise UserError(
            "--mac", f"{target.name} cannot do {contract.mac} multiply-accumulates", f"use {' or '.join(target.mac)}"
        )
    if contract.subnormals not in target.subnormals:
        raise UserError("contract", f"{target.name} cannot {contract.subnormals} subnormals")
    convention_of(target, options.object_format)


def make_options(
    target: str = "host",
    cores: int = 1,
    block: int | None = None,
    mac: str | None = None,
    split: Sequence[int] = (),
    core_speeds: Sequence[float] = (),
    schedule: ModelPath | None = None,
    math: str = "exact",
    object_format: str = "elf",
) -> Options:
    """Options from names; ``mac`` None takes the target's default, no ``core_speeds`` mean equal cores.

    ``schedule``: a schedule file (:mod:`schedc.schedule_file`).
    """
    description = _known_target(_host_target() if target == "host" else target)
    if mac not in (None, "fused", "unfused"):
        raise UserError("--mac", f"{mac!r} is not a kind of multiply-accumulate", "use fused or unfused")
    chosen = mac or description.mac[0]
    contract = Contract(
        mac="fused" if chosen == "fused" else "unfused",
        subnormals="flush" if description.subnormals[0] == "flush" else "keep",
        math=math_named(math),
    )
    forced = ScheduleOverrides() if schedule is None else read_schedule(schedule)
    container = format_named(object_format)
    return Options(
        description, cores, block, contract, tuple(split), tuple(core_speeds), forced, object_format=container
    )


def math_named(name: str) -> Math:
    """Raises UserError for another name than "exact" and "fast"."""
    if name not in ("exact", "fast"):
        raise UserError("--math", f"{name!r} is not a kind of tanh and sigmoid", "use exact or fast")
    return "fast" if name == "fast" else "exact"


@functools.cache
def _known_target(name: str) -> Target:
    """Descriptions are read once."""
    return load_target(name)


@functools.cache
def _host_target() -> str:
    """The description that fits this machine; only an unusual one needs LLVM to tell."""
    quick = quick_host_target()
    if quick:
        return quick
    from schedc.backends.llvm.target_machine import host_target_name

    return host_target_name()
