"""The machine-readable report of a compilation (``NAME.json``) and the facts behind ``explain``."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import cast

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from schedc.autoscheduler import runner_up
from schedc.backends.weights.packing_json import packing_to_json
from schedc.backends.weights.weight_blob import BoundKernel
from schedc.compiler import Compilation
from schedc.cost.features import kernel_features
from schedc.cost.model import Prices, kernel_bounds, predict_kernels
from schedc.frontend.capture import Capture
from schedc.ir.ops import Activation, Conv, RecurrentCell, macs
from schedc.ir.program import Kernel, Program
from schedc.loops.form import WORDS
from schedc.options import Options
from schedc.reports.balance import balance_of
from schedc.reports.schema import ContractReport, KernelReport, Report
from schedc.schedule import ScheduleOverrides
from schedc.version import VERSION


@dataclass(frozen=True)
class KernelFacts:
    """One kernel in numbers.  ``estimated_cycles_per_sample`` is a prediction, not a measurement."""

    name: str
    stage: int
    shape: int  # kernels with equal numbers share their code
    macs_per_sample: int
    activations_per_sample: int
    tile: str  # vectors x lanes
    axis: str  # what is across the lanes: "frames", "channels" or, of a recurrent cell, "units"
    output_block: int
    taps: str  # "unrolled", "looped", "shared", "aligned", "in parts" or "-"
    bound: str  # the named bound of the cost model that decides
    runner_up: str  # the next best tile, and what it would take more
    weight_bytes: int
    estimated_cycles_per_sample: float


def kernel_facts(compilation: Compilation) -> list[KernelFacts]:
    """The kernels in execution order."""
    program, options = compilation.program, compilation.options
    predictions = predict_kernels(program, options.target, options.contract)
    cycles = {kernel.name: cycles for kernel, cycles in zip(program.kernels, predictions, strict=True)}
    kernels = {kernel.name: kernel for kernel in program.kernels}
    prices = Prices(options.target, options.contract, program.block)
    shapes: dict[object, int] = {}
    others: dict[int, str] = {}
    result = []
    for bound in compilation.layout.kernels:
        kernel = kernels[bound.name]
        number = shapes.setdefault(bound.shape, len(shapes))
        if number not in others:
            others[number] = _runner_up(program, kernel, prices)
        result.append(_facts(compilation, bound, kernel, number, others[number], cycles[kernel.name]))
    return result


def _facts(
    compilation: Compilation, bound: BoundKernel, kernel: Kernel, shape: int, other: str, cycles: float
) -> KernelFacts:
    graph = compilation.program.graph
    ops = [graph[name].op for name in kernel.nodes]
    schedule = bound.shape.schedule
    recurrent = any(isinstance(op, RecurrentCell) for op in ops)
    return KernelFacts(
        name=bound.name,
        stage=bound.stage,
        shape=shape,
        macs_per_sample=sum(macs(op) for op in ops),
        activations_per_sample=sum(_activations(op) for op in ops),
        tile=f"{1 if recurrent else schedule.tile_vectors}x{schedule.lanes}",
        axis="units" if recurrent else schedule.axis.value,
        output_block=schedule.output_block,
        taps=_taps(bound),
        bound=_deciding_bound(compilation, bound, kernel),
        runner_up=other,
        weight_bytes=bound.shape.segment_bytes,
        estimated_cycles_per_sample=round(cycles, 1),
    )


def schedule_source(options: Options) -> str:
    """Who decided: the cost model, a schedule file (perhaps in part), or a measurement on this machine."""
    if options.tuned:
        return "tuned on this machine"
    return "cost model" if options.schedule == ScheduleOverrides() else "schedule file"


def _runner_up(program: Program, kernel: Kernel, prices: Prices) -> str:
    other = runner_up(program, kernel, prices)
    if other is None:
        return "-"
    tile = f"{other.schedule.tile_vectors}x{other.schedule.lanes}x{other.schedule.output_block}"
    mine = program.schedules[kernel.name]
    if other.schedule.axis is not mine.axis:
        tile += f" {other.schedule.axis}"
    return f"{tile} {100 * other.loses_by:+.1f} %"


def _activations(op: object) -> int:
    if isinstance(op, Activation):
        return op.channels
    return op.activations if isinstance(op, RecurrentCell) else 0


def _taps(bound: BoundKernel) -> str:
    """The form of a kernel's taps; the most special one of several."""
    steps = [step for step in bound.shape.steps if isinstance(step.op, Conv) and step.op.kernel_size > 1]
    words = {step.form.word for step in steps if step.form}
    return next((word for word in WORDS if word in words), "-")


def _deciding_bound(compilation: Compilation, bound: BoundKernel, kernel: Kernel) -> str:
    options = compilation.options
    features = kernel_features(compilation.program.graph, kernel, bound.shape.schedule, options.contract)
    return kernel_bounds(features, options.target, options.contract, options.frames).deciding()


def loaded_bytes(elf: bytes) -> int:
    """What an object takes in the target's memory: its allocatable sections (code and constants)."""
    sections = ELFFile(io.BytesIO(elf)).iter_sections()
    return sum(int(section["sh_size"]) for section in sections if section["sh_flags"] & SH_FLAGS.SHF_ALLOC)


def _unless(shared: bool, value: float) -> float:
    """Null in the report of a library's code, which :class:`Report` leaves out of account."""
    return cast(float, None if shared else value)


def make_report(compilation: Compilation, capture: Capture, shared: bool = False) -> Report:
    """JSON-ready; the same input gives the same report.

    ``shared``: for any capture of the architecture, so what depends on the rate is null, and nothing is warned of.
    """
    options, program = compilation.options, compilation.program
    facts = kernel_facts(compilation)
    arenas = [stage.arena for stage in program.stages if stage.arena]
    balance = balance_of(program, options, capture.rate)
    clock = options.target.fact("clock_hz")
    return {
        "schedc": VERSION,
        "name": compilation.name,
        "captures": [] if shared else [{"file": file.path.name, "sha256": file.sha256} for file in capture.files],
        "architecture": capture.architecture,
        "graph_digest": program.graph.digest(),
        "layout_digest": compilation.layout.digest.hex(),
        "target": options.target.name,
        "target_full_name": options.target.full_name,
        "object_format": options.object_format.value,
        "object_file": compilation.name + options.object_format.ending,
        "visibility": options.visibility.value,
        "contract": cast(ContractReport, asdict(options.contract)),
        "fp_mode": options.fp_mode.value,
        "sample_rate_hz": _unless(shared, capture.rate),
        "max_block_frames": options.frames,
        "cores": options.cores,
        "schedule": schedule_source(options),
        "latency_samples": 0,
        "pipeline_latency_samples": (options.cores - 1) * options.frames,
        "bytes": {
            "code": loaded_bytes(compilation.code.elf),
            "object": len(compilation.object_file),
            "weights": compilation.layout.total_bytes,
            "state": compilation.state_bytes,
            "stage_states": [arena.state_bytes for arena in arenas],
            "handoffs": [arena.handoff_bytes for arena in arenas[:-1]],
        },
        "macs_per_sample": sum(f.macs_per_sample for f in facts),
        "estimate": {
            "is_a_prediction": True,
            "cycles_per_sample": round(balance.single_core_cycles, 1),
            "cycles_per_sample_of_stages": [round(stage.cycles, 1) for stage in balance.stages],
            "load_of_slowest_core": _unless(shared, round(balance.slowest_cycles * capture.rate / clock, 4)),
            "clock_hz": clock,
        },
        "balance": {
            "split": list(balance.cuts),
            "core_speeds": [stage.core_speed for stage in balance.stages],
            "speed_up": round(balance.speed_up, 3),
            "pipeline_latency_ms": _unless(shared, round(balance.latency_ms, 4)),
            "runners_up": [
                {"split": list(cut.cuts), "cycles_per_sample": round(cut.cycles_per_sample, 1)}
                for cut in balance.runners_up
            ],
        },
        "kernels": [cast(KernelReport, asdict(f)) for f in facts],
        "slim": capture.reading.slim,
        "core_0_5_5_layer1x1_post_film": capture.reading.build.core_0_5_5_layer1x1_post_film,
        "packing": packing_to_json(compilation.packing),
        "warnings": [] if shared else list(capture.warnings),
    }
