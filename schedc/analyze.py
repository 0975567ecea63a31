"""The static analyser, driven: emulate one call after another, time what ran, report.

``cycles_per_sample`` is the short form for people who tune the lowering; ``analyze_compilation`` the
whole report of a compilation; :mod:`schedc.commands.analyze` serves files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schedc.analysis.bounds import OutOfOrder
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.machine_code import (
    MIX_WORDS,
    CallCosts,
    call_costs,
    per_sample,
    static_stack_bytes,
)
from schedc.analysis.pipeline_a8 import DualIssueNeon
from schedc.analysis.pipeline_model import Pipeline, PipelineTable, SingleIssue, TraceTimer, visits
from schedc.backends.emulator import Machine
from schedc.backends.emulator_trace import TracingEmulator
from schedc.compiler import Compilation
from schedc.errors import InternalError, OptionError
from schedc.ir.weights import WeightTable
from schedc.targets.base import TARGET_NAMES, Target, load_target

MODELS: dict[str, Callable[[PipelineTable], Pipeline]] = {
    "single_issue": SingleIssue,
    "dual_issue_neon": DualIssueNeon,
    "out_of_order": OutOfOrder,
}
_MOST_CALLS = 80  # 40 ring periods' worth would be better and slower; see ``analyze_compilation``


def pipeline_for(target: Target, bus_blocked: bool | None = None) -> Pipeline:
    """The pipeline model of a target; OptionError if it has none."""
    table = target.pipeline
    if table is None or table.model not in MODELS:
        known = [name for name in TARGET_NAMES if load_target(name).pipeline is not None]
        remedy = f"use {', '.join(known)}" + (f", or state a pipeline in {target.file}" if target.file else "")
        raise OptionError("target", f"{target.name} has no pipeline model", remedy)
    if table.model == "single_issue":
        blocked = bool(table.options["bus_blocked"].value) if bus_blocked is None else bus_blocked
        return SingleIssue(table, blocked)
    return MODELS[table.model](table)


@dataclass(frozen=True)
class CodeReport:
    """Cycles and counts per sample of ``frames``-sample calls.

    ``calls``: costs of every call of the last ring period (``method`` says how many and why).
    """

    target: str
    frames: int
    calls: tuple[CallCosts, ...]
    method: str
    stack_bytes: int
    static_stack_bytes: int
    code_bytes: int

    @property
    def mean(self) -> float:
        return sum(call.cycles for call in self.calls) / len(self.calls) / self.frames

    @property
    def worst(self) -> float:
        return max(call.cycles for call in self.calls) / self.frames

    @property
    def best(self) -> float:
        return min(call.cycles for call in self.calls) / self.frames

    @property
    def typical(self) -> CallCosts:
        """The call with the median cycles, for breakdowns."""
        return sorted(self.calls, key=lambda call: call.cycles)[len(self.calls) // 2]


def cycles_per_sample(
    compilation: Compilation, block: int | None = None, *, bus_blocked: bool | None = None, calls: int = 2
) -> dict[str, float]:
    """Predicted cycles per sample by kernel, and ``total``: the last of ``calls`` calls after the start."""
    report = analyze_compilation(compilation, block=block, calls=calls, bus_blocked=bus_blocked)
    last = report.calls[-1]
    table = {part.name: round(part.costs.cycles / last.frames, 2) for part in last.parts}
    return {**table, "total": round(last.cycles / last.frames, 2)}


def zero_blob(compilation: Compilation) -> bytes:
    """A blob the code accepts, all weights zero: cycles do not depend on numbers."""
    graph = compilation.program.graph
    weights: WeightTable = {
        node.name: {name: np.zeros(shape, np.float32) for name, shape in node.op.parameters().items()}
        for node in graph
        if node.op.parameters()
    }
    return compilation.packing.pack(graph, weights, 0)


def ring_period(compilation: Compilation, frames: int) -> int:
    """Calls of ``frames`` samples after which every ring has been rewound at least once."""
    if compilation.program.rings is None:
        raise InternalError("a compilation has no ring schedule")
    rings = [ring for stage in compilation.program.stages if stage.arena for ring in stage.arena.rings.values()]
    room = [ring.row_frames - ring.history for ring in rings]
    return max((-(-frames_free // frames) for frames_free in room), default=1)


def analyze_compilation(
    compilation: Compilation,
    *,
    block: int | None = None,
    calls: int | None = None,
    bus_blocked: bool | None = None,
) -> CodeReport:
    """Emulate ``NAME_process`` and time it.

    Without ``calls`` it makes two ring periods of calls and reports the second: every ring is rewound at
    least once, in the phases they really meet in from a fresh state.  Rings whose periods differ meet in
    other phases later; ``worst`` is then the worst of the calls made, not a bound.
    """
    target = compilation.options.target
    frames = block or compilation.options.frames
    pipeline = pipeline_for(target, bus_blocked)
    code = MachineCode(compilation.code.elf)
    emulator = TracingEmulator(compilation.code.elf, Machine(target.emulator))
    arguments = _set_up(emulator, compilation, frames)
    period = ring_period(compilation, frames)
    warm, kept = (period, period) if calls is None else (0, calls)
    if warm + kept > _MOST_CALLS:
        warm, kept = 0, min(kept, _MOST_CALLS)
    timer = TraceTimer(pipeline, code)
    symbol = f"{compilation.name}_process"
    bounds = pipeline.bounds if isinstance(pipeline, OutOfOrder) else None
    names = [kernel.name for kernel in compilation.layout.kernels]
    found = []
    for number in range(warm + kept):
        if number < warm:
            emulator.call(symbol, *arguments)
            continue
        trace = visits(emulator.traced(symbol, *arguments))
        found.append(call_costs(code, trace, timer.run(trace), frames, names, bounds))
    method = (
        f"calls {warm + 1} to {warm + kept} of {frames} samples from the start; the longest ring period is {period}"
    )
    return CodeReport(
        target=target.name,
        frames=frames,
        calls=tuple(found),
        method=method,
        stack_bytes=emulator.stack_used_bytes,
        static_stack_bytes=static_stack_bytes(code, symbol),
        code_bytes=code.code_bytes,
    )


def _set_up(emulator: TracingEmulator, compilation: Compilation, frames: int) -> tuple[int, ...]:
    """Memory and a fresh state; returns the arguments of ``NAME_process``."""
    graph = compilation.program.graph
    inputs = sum(node.channels for node in graph.inputs)
    outputs = sum(node.op.operand_channels[0] for node in graph.outputs)
    blob = zero_blob(compilation)
    weights = emulator.alloc(len(blob))
    emulator.write(weights, blob)
    state = emulator.alloc(compilation.state_bytes)
    if emulator.call(f"{compilation.name}_init", state, weights):
        raise InternalError("the code refuses its own blob")
    source, target = emulator.alloc(4 * frames * inputs, 4), emulator.alloc(4 * frames * outputs, 4)
    return state, weights, source, target, frames


def report_data(report: CodeReport) -> dict[str, object]:
    """The report for programs; everything per sample."""
    call = report.typical
    total = call.costs
    return {
        "is_a_prediction": True,
        "target": report.target,
        "samples_per_call": report.frames,
        "method": report.method,
        "cycles_per_sample": {
            "mean": round(report.mean, 2),
            "best": round(report.best, 2),
            "worst": round(report.worst, 2),
        },
        "stack_bytes": report.stack_bytes,
        "static_stack_bytes": report.static_stack_bytes,
        "code_bytes": report.code_bytes,
        "instructions_per_sample": per_sample(total.mix, call.frames, MIX_WORDS),
        "stalls_per_sample": per_sample(total.stalls, call.frames),
        "kernels": [
            {
                "name": part.name,
                "function": part.function,
                "cycles_per_sample": round(part.costs.cycles / call.frames, 2),
                "stalls_per_sample": round(sum(part.costs.stalls.values()) / call.frames, 2),
                "bounds_per_sample": {word: round(value / call.frames, 2) for word, value in part.bounds.items()},
            }
            for part in call.parts
        ],
        "loops": [
            {
                "function": loop.function,
                "start": loop.start,
                "end": loop.end,
                "iterations": loop.iterations,
                "cycles_per_iteration": round(loop.costs.cycles / max(1, loop.iterations), 2),
                "loads_per_mac": round(loop.loads_per_mac, 4),
                "stack_accesses": loop.costs.stack_accesses,
                "scalar_arithmetic": loop.scalar_arithmetic,
            }
            for loop in call.loops
        ],
    }
