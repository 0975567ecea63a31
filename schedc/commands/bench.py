"""``schedc bench``: measured time per sample and per call, against the machine's peak and the prediction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from schedc.backends.llvm.peak import NativeLoops
from schedc.backends.this_machine import can_run_here
from schedc.commands.console import count, micro_text, percent, say, tell, warn
from schedc.commands.progress import after, working
from schedc.commands.tables import print_table
from schedc.errors import OptionError
from schedc.frontend.capture import Capture
from schedc.frontend.chains import read_source, shown_name
from schedc.measure.bench import BlockTimes, measure_block
from schedc.measure.cores import CoreTimes, measure_cores
from schedc.options import Choices, Options, check_options, host_target
from schedc.version import VERSION


@dataclass(frozen=True)
class BenchRequest:
    """``choices``: for one core and a block; ``cores``: also on as many threads, which only code for ``host`` does."""

    models: Sequence[Path]
    blocks: Sequence[int]
    choices: Choices
    as_json: bool = False
    cores: int | None = None

    def options(self) -> list[Options]:
        """For each block size, checked; OptionError for a target that this machine cannot run."""
        found = [replace(self.choices.options, block=block) for block in self.blocks]
        for one in found:
            check_options(self.threaded(one))
            if not can_run_here(one.target):
                raise OptionError(
                    "target", f"this machine cannot run {one.target.name} code", "measure on one that can"
                )
        return found

    def threaded(self, options: Options) -> Options:
        """The same on as many threads."""
        return replace(options, cores=1 if self.cores is None else self.cores)


def bench(request: BenchRequest) -> None:
    """Measure each block size and print.  UserError as for ``run``."""
    options, cores = request.options(), request.cores
    if cores is not None and options[0].target != host_target():
        raise OptionError("cores", "threads run code for this machine only", "leave --target out")
    target = options[0].target
    capture = read_source(request.models, request.choices.reading)
    warn(capture.warnings)
    with working("measuring", len(options) * (1 if cores is None else 2)) as step:
        loops = NativeLoops(target)
        before = loops.peak_macs_per_ns()
        times = [after(step, measure_block(loops, capture, one)) for one in options]
        peak = max(before, loops.peak_macs_per_ns())
        threaded = [request.threaded(one) for one in options] if cores is not None else []
        threads = [after(step, measure_cores(capture, one)) for one in threaded]
    if request.as_json:
        found = {**_as_json(capture, target.name, peak, times), "threads": [asdict(one) for one in threads]}
        say(json.dumps(found, indent=2))
        return
    macs = times[0].macs_per_sample
    work = f"{capture.architecture}, {count(macs, 'MAC')} per sample"
    tell(f"{shown_name(request.models)}: {work}, {target.full_name}, 1 core")
    tell(f"{peak:,.1f} MAC/ns (measured: fused multiply-adds in registers)", "peak")
    say()
    columns = [">block", ">ns/sample", ">fastest", ">predicted", ">of peak", ">speed"]
    rows = [_row(capture, peak, one) for one in times]
    print_table([*columns, ">p50", ">p99", ">max"], rows)
    say()
    tell(
        "Measured on one core: nanoseconds per sample are the median of repeated passes, predicted the cost model's; "
        f"speed: times faster than the model's {capture.rate / 1000:g} kHz. p50 to max: microseconds a call; the "
        "largest holds what the system did in between."
    )
    if threads:
        say()
        _print_threads(threads)


def _print_threads(threads: list[CoreTimes]) -> None:
    rows = [
        [
            str(one.block),
            str(one.cores),
            f"{one.single_ns_per_sample:,.1f}",
            f"{one.ns_per_sample:,.1f}",
            f"{one.speed_up:.2f}x",
            f"{one.best_speed_up:.2f}x",
            f"{one.latency_samples:,}",
            f"{one.latency_ms:.3g}",
        ]
        for one in threads
    ]
    print_table([">block", ">threads", ">1: ns/sample", ">all", ">speed-up", ">best", ">latency", ">ms"], rows)
    say()
    tell("Stages on threads against one thread, turn and turn about: medians, and the fastest pass of each (best).")


def of_peak(one: BlockTimes, peak: float) -> float:
    """Multiply-accumulates per nanosecond reached, as a share of the peak."""
    return one.macs_per_sample / (one.ns_per_sample * peak)


def _row(capture: Capture, peak: float, one: BlockTimes) -> list[str]:
    factor = 1e9 / (one.ns_per_sample * capture.rate)
    return [
        str(one.block),
        f"{one.ns_per_sample:,.1f}",
        f"{one.fastest_ns_per_sample:,.1f}",
        f"{one.predicted_ns_per_sample:,.1f}",
        percent(of_peak(one, peak)),
        f"{factor:,.0f}x" if factor >= 10 else f"{factor:.2g}x",
        *map(micro_text, (one.call_p50_ns, one.call_p99_ns, one.call_max_ns)),
    ]


def _as_json(capture: Capture, target: str, peak: float, times: list[BlockTimes]) -> dict[str, object]:
    rows = [{**asdict(one), "share_of_peak": of_peak(one, peak)} for one in times]
    return {
        "schedc": VERSION,
        "model": str(capture.path),
        "architecture": capture.architecture,
        "target": target,
        "peak_macs_per_ns": peak,
        "blocks": rows,
    }
