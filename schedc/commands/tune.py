"""``schedc bench --tune``: measure the cost model's best schedules, keep the fastest for later compilations."""

from __future__ import annotations

import json
from dataclasses import dataclass

from schedc.backends.llvm.peak import NativeLoops
from schedc.cache.tuned import keep_tuned
from schedc.commands.bench import BenchRequest
from schedc.commands.console import count, say, tell, warn
from schedc.commands.progress import working
from schedc.commands.tables import print_table
from schedc.frontend.capture import Capture
from schedc.frontend.chains import read_source, shown_name
from schedc.measure.schedules import LEAST_GAIN, ScheduleTime, candidates, fastest, measure_schedules, steps
from schedc.options import Options

MOST_SCHEDULES = 12


@dataclass(frozen=True)
class Tuning:
    """What was measured at one block size, and what was made of it."""

    block: int
    times: list[ScheduleTime]
    chosen: ScheduleTime
    kept: bool


def tune(request: BenchRequest) -> None:
    """Measure and keep for each block size, and print.  UserError as for ``run``."""
    options = request.options()
    capture = read_source(request.models, request.choices.reading)
    warn(capture.warnings)
    loops = NativeLoops(options[0].target)
    tunings = [_tune_block(loops, capture, one) for one in options]
    if request.as_json:
        say(json.dumps([_as_json(tuning) for tuning in tunings], indent=2))
        return
    tell(f"{shown_name(request.models)}: {capture.architecture}, {options[0].target.full_name}, 1 core")
    for tuning in tunings:
        say()
        _print(tuning)


def _tune_block(loops: NativeLoops, capture: Capture, options: Options) -> Tuning:
    wholes = candidates(capture, options)[:MOST_SCHEDULES]
    with working(f"block {options.frames}", steps(len(wholes))) as step:
        times = measure_schedules(loops, capture, options, wholes, step)
    chosen = fastest(times)
    return Tuning(options.frames, times, chosen, keep_tuned(capture.graph, options, chosen.overrides))


def _print(tuning: Tuning) -> None:
    mark = "<- kept" if tuning.kept else "<- fastest"
    rows = [
        [
            time.label.tiles,
            time.label.rings,
            f"{time.predicted_ns:,.1f}",
            f"{time.measured_ns:,.1f}",
            mark * (time is tuning.chosen),
        ]
        for time in tuning.times
    ]
    say(f"block {tuning.block}: {count(len(rows), 'schedule')}, the cost model's choice first")
    print_table(["~tiles", "rings", ">predicted", ">measured", ""], rows)
    if tuning.kept:
        say()
        tell(
            "Nanoseconds per sample. compile, load and run use the one kept from now on for blocks of "
            f"{tuning.block} (schedc cache clear forgets it)."
        )
    else:
        say("It cannot be kept: the cache is off or cannot be written.")
    if tuning.chosen is tuning.times[0]:
        say(f"No other is faster by more than {100 * LEAST_GAIN:.0f} %.")


def _as_json(tuning: Tuning) -> dict[str, object]:
    rows = [
        {"schedule": str(time.label), "predicted_ns": time.predicted_ns, "measured_ns": time.measured_ns}
        for time in tuning.times
    ]
    return {"block": tuning.block, "schedules": rows, "chosen": str(tuning.chosen.label), "kept": tuning.kept}
