"""``schedc batch``: a whole library of captures, with a progress bar and a table of what became of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schedc.cache.code_cache import default_cache
from schedc.commands.compile import check_folder
from schedc.commands.console import bytes_text, count, say, tell, warn
from schedc.commands.tables import print_table
from schedc.errors import UserError, one_line
from schedc.fleet.captures import find_captures
from schedc.fleet.library import ArchitectureRow, FleetSummary, rates_text, run_fleet
from schedc.fleet.library import Progress as OnProgress
from schedc.fleet.treatment import FleetOptions
from schedc.fleet.workers import DaskWorkers, InlineWorkers, LocalWorkers, Workers
from schedc.sound.files import SoundInfo, read_info

_MOST_REMARKS, _MOST_PROCESSES = 50, 1024
_MOST_SAMPLES = 2**27  # half a GiB; 46 minutes of a mono file at 48 kHz


@dataclass(frozen=True)
class BatchRequest:
    """What ``schedc batch`` was asked for.  ``processes`` 0: no further ones; ``render``: a WAV file to play."""

    library: str
    folder: Path
    options: FleetOptions
    render: Path | None
    processes: int | None
    scheduler: str | None


def batch(request: BatchRequest) -> int:
    """Treat the library; returns the exit code, 1 if any capture failed.  UserError for a wrong request."""
    check_folder(request.folder, "-o")
    default_cache().check()  # here, and not once for each worker
    wav = None if request.render is None else _checked_sound(request.render)
    library = find_captures(request.library)
    workers = _workers(request)
    begin = time.perf_counter()
    try:
        with _bar() as progress:
            summary = run_fleet(library, request.folder, request.options, wav, workers, progress)
    finally:
        workers.close()
    _summarise(request, summary, time.perf_counter() - begin)
    return 1 if summary.failures else 0


def _checked_sound(path: Path) -> SoundInfo:
    """What is to be played through each capture; every worker holds all of it."""
    info = read_info(path)
    if info.frames * info.channels > _MOST_SAMPLES:
        what = f"{one_line(str(path))} has {info.frames * info.channels:,} samples"
        raise UserError("--render", what, f"give a file of at most {_MOST_SAMPLES:,}, or use run")
    return info


def _workers(request: BatchRequest) -> Workers:
    if request.scheduler is not None:
        return DaskWorkers(request.scheduler)
    processes = (os.cpu_count() or 1) if request.processes is None else request.processes
    if not 0 <= processes <= _MOST_PROCESSES:
        raise UserError("--jobs", f"{processes} processes", f"give 0 (work in this process) to {_MOST_PROCESSES}")
    return LocalWorkers(processes) if processes else InlineWorkers()


@contextmanager
def _bar() -> Iterator[OnProgress]:
    """A bar per phase, on standard error if that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disable = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=disable) as progress:
        tasks = {phase: progress.add_task(phase, total=None) for phase in ("reading", "compiling", "packing")}
        yield lambda phase, done, total: progress.update(tasks[phase], completed=done, total=total)


def _summarise(request: BatchRequest, summary: FleetSummary, seconds: float) -> None:
    rows = [_row(row) for row in summary.rows.values()]
    if rows:
        print_table(["<code", "architecture", "", "rate", ">captures", ">blob bytes"], rows)
        say()
    verified, rendered = bool(request.options.verify_samples), request.render is not None
    did = ", ".join(["packed", *["verified"] * verified, *["rendered"] * rendered])
    what = f"{count(summary.packed, 'capture')} with {count(summary.compilations, 'compilation')}"
    tell(f"{did} {what} in {seconds:,.1f} s, into {one_line(str(request.folder))}")
    if summary.packed:
        rate = summary.packed / summary.treat_seconds
        megabytes = summary.capture_bytes / summary.treat_seconds / 1e6
        each = 1e3 * summary.pack_seconds / summary.packed
        amount = f"{megabytes:,.1f} MB/s of {bytes_text(summary.capture_bytes)}"
        tell(f"{rate:,.0f} captures/s, {amount}; a pack takes {each:.1f} ms")
    if summary.skipped:
        tell(f"{count(summary.skipped, 'capture')} done by an earlier run")
    if summary.replaced:
        tell(f"{count(summary.replaced, 'capture')} took the place of another that an earlier run packed by that name")
    warn(summary.remarks[:_MOST_REMARKS])
    if len(summary.remarks) > _MOST_REMARKS:
        warn([f"{len(summary.remarks) - _MOST_REMARKS:,} more of this kind are left out"])
    for file, reason in summary.failures:
        print(f"schedc: {one_line(file)}: {one_line(reason)}", file=sys.stderr)
    if summary.failures:
        tell(f"{count(len(summary.failures), 'capture')} failed")


def _row(row: ArchitectureRow) -> list[str]:
    origin = "compiled" if row.compiled else "was there"
    rates = rates_text(row.rates)
    return [row.name, row.architecture, origin, rates, f"{row.captures:,}", f"{row.blob_bytes:,}"]
