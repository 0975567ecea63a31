"""``schedc bench --realtime``: blocks at the audio rate, response times and missed deadlines."""

from __future__ import annotations

import json
from dataclasses import asdict

from schedc.commands.bench import BenchRequest
from schedc.commands.console import micro_text, say, tell, warn
from schedc.commands.progress import after, working
from schedc.commands.tables import print_table
from schedc.errors import UserError
from schedc.frontend.chains import read_source, shown_name
from schedc.measure.realtime import RealtimeRun, measure_realtime


def bench_realtime(request: BenchRequest, seconds: float) -> None:
    """Measure each block size twice, as an ordinary thread and with real-time means, and print."""
    if not 0 < seconds <= 3600:
        raise UserError("--seconds", f"{seconds:g} seconds", "give more than 0, at most 3600")
    options = request.options()
    capture = read_source(request.models, request.choices.reading)
    warn(capture.warnings)
    means = (False, True)
    with working("measuring", len(options) * len(means)) as step:
        runs = [after(step, measure_realtime(capture, one, seconds, given)) for one in options for given in means]
    if request.as_json:
        found = {"model": str(capture.path), "rate_hz": capture.rate, "runs": [asdict(run) for run in runs]}
        say(json.dumps(found, indent=2))
        return
    rate = f"{capture.rate / 1000:g} kHz"
    tell(f"{shown_name(request.models)}: {capture.architecture} at {rate}, {seconds:g} s for each line")
    say()
    columns = [">block", "thread", ">work", ">p50", ">p99", ">p99.9", ">max", ">missed", ">of"]
    print_table(columns, [_row(run) for run in runs])
    say()
    tell(
        "Microseconds. work: the median of a block's; p50 to max: of the response, from when a block was due to when "
        "it was done; missed: not done before the next one was due; of: blocks."
    )
    refused = sorted({text for run in runs for text in run.refused})
    if refused:
        tell(f"The system refused {' and '.join(refused)}: see limits.conf (rtprio, memlock) or run as root.")


def _row(run: RealtimeRun) -> list[str]:
    thread = ", ".join(run.means).replace("locked memory", "locked") or "ordinary"
    times = (run.work_p50, run.response_p50, run.response_p99, run.response_p999, run.response_max)
    return [str(run.block), thread, *map(micro_text, times), f"{run.missed:,}", f"{run.blocks:,}"]
