"""Measuring schedules of one capture on this machine, beside what the cost model predicts of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from schedc.autoscheduler import WholeSchedule, whole_schedules
from schedc.backends.llvm.peak import NativeLoops
from schedc.compiler import compile_graph
from schedc.frontend.capture import Capture
from schedc.measure.bench import Loaded
from schedc.measure.labels import Label, labels
from schedc.options import Options
from schedc.planning import plan_graph
from schedc.schedule import ScheduleOverrides
from schedc.schedule_file import decisions

ROUNDS = 3
PASSES = 15  # of each schedule in each round
PASS_NS = 700_000
# A schedule must be this much faster than the cost model's own choice: less is noise.
LEAST_GAIN = 0.01


@dataclass(frozen=True)
class ScheduleTime:
    """Nanoseconds per sample of one schedule of the whole model, one core.

    ``measured_ns`` is the lower quartile of its passes, taken turn and turn about with the other schedules.
    """

    label: Label
    predicted_ns: float
    measured_ns: float
    overrides: ScheduleOverrides


def candidates(capture: Capture, options: Options) -> list[WholeSchedule]:
    """Everything worth measuring for ``options`` without forced schedules, the cost model's choice first."""
    program = plan_graph(capture.graph, options).program
    found = whole_schedules(program, options.target, options.contract)
    own = next(entry for entry in found if entry.program is program)
    return [own, *(entry for entry in found if entry is not own)]


def measure_schedules(
    loops: NativeLoops,
    capture: Capture,
    options: Options,
    wholes: Sequence[WholeSchedule],
    step: Callable[[], None] = lambda: None,
) -> list[ScheduleTime]:
    """Compile each schedule and time it, several rounds over all of them; in the order given.

    ``step`` is called :func:`steps` times in between.
    """
    forced = [decisions(whole.program, options.schedule.boundaries) for whole in wholes]
    loaded = []
    for overrides in forced:
        loaded.append(Loaded(compile_graph(capture.graph, replace(options, schedule=overrides)), capture))
        step()
    counts = [_count(loops, one) for one in loaded]
    passes: list[list[float]] = [[] for _ in loaded]
    for _ in range(ROUNDS):
        for one, count, found in zip(loaded, counts, passes, strict=True):
            frames = count * one.frames
            found += [loops.repeat(*one.arguments, count) / frames for _ in range(PASSES)]
            step()
    to_ns = 1e9 / options.target.fact("clock_hz")
    return [
        ScheduleTime(label, to_ns * whole.cycles_per_sample, float(np.percentile(found, 25)), one)
        for label, whole, found, one in zip(labels(wholes), wholes, passes, forced, strict=True)
    ]


def steps(schedules: int) -> int:
    """How many steps measuring so many schedules takes."""
    return schedules * (1 + ROUNDS)


def fastest(times: Sequence[ScheduleTime]) -> ScheduleTime:
    """The fastest; the first, which is the cost model's choice, unless another is clearly faster."""
    best = min(times, key=lambda time: time.measured_ns)
    return best if best.measured_ns < (1 - LEAST_GAIN) * times[0].measured_ns else times[0]


def _count(loops: NativeLoops, loaded: Loaded) -> int:
    """Calls per pass; the first rounds warm the caches up."""
    spent = min(loops.repeat(*loaded.arguments, loaded.blocks) for _ in range(3))
    return max(1, min(loaded.blocks, round(PASS_NS * loaded.blocks / max(1, spent))))
