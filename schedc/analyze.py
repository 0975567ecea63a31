"""The static analyser, driven: emulate one call after another, time what ran, report.

``cycles_per_sample`` is the short form for people who tune the lowering; ``analyze_compilation`` the
whole report of a compilation; :mod:`schedc.commands.analyze` serves files.
"""

from __future__ import annotations

import numpy as np

from schedc.analysis.disassembly import MachineCode
from schedc.analysis.machine_code import call_costs, static_stack_bytes
from schedc.analysis.models import pipeline_for
from schedc.analysis.out_of_order import OutOfOrder
from schedc.analysis.report import CodeReport
from schedc.analysis.timing import TraceTimer, visits
from schedc.backends.emulator.trace import TracingEmulator
from schedc.compiler import Compilation
from schedc.errors import InternalError
from schedc.host.start_state import silent_rows
from schedc.ir.weights import WeightTable
from schedc.machines import Driver, routes
from schedc.targets.instruction_sets import Machine

_MOST_CALLS = 80  # 40 ring periods' worth would be better and slower; see ``analyze_compilation``


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
    packing = compilation.packing
    return packing.fill(graph, weights, silent_rows(graph, weights, packing.contract, 0))


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
    driver = Driver(emulator, compilation, zero_blob(compilation), routes(compilation)[0], frames)
    ((symbol, arguments),) = driver.calls(frames)
    period = ring_period(compilation, frames)
    warm, kept = (period, period) if calls is None else (0, calls)
    if warm + kept > _MOST_CALLS:
        warm, kept = 0, min(kept, _MOST_CALLS)
    timer = TraceTimer(pipeline, code)
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
