"""The part of ``schedc explain`` about cores: balance, runners-up, picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schedc.artifact import write_files
from schedc.commands.console import count, percent, say, tell
from schedc.commands.tables import print_table
from schedc.files.outputs import check_output
from schedc.reports.balance import Balance
from schedc.reports.gantt import gantt_svg


def print_balance(balance: Balance) -> None:
    """A table of what each core does, and the cuts that nearly won."""
    rows = []
    for number, stage in enumerate(balance.stages):
        cycles = (stage.compute_cycles, stage.copy_cycles, stage.synchronisation_cycles, stage.cycles)
        busy = stage.cycles / balance.slowest_cycles
        kernels = f"{stage.begin} to {stage.end - 1}"
        rows.append([str(number), kernels, f"{stage.core_speed:g}", *(f"{c:,.1f}" for c in cycles), percent(busy)])
    columns = ["core", "kernels", ">speed", ">compute", ">handoff", ">sync", ">time", ">busy"]
    print_table(columns, rows)
    say()
    tell("Cycles per sample; time is of all three, in cycles of a core of speed 1.")
    latency = f"{count(balance.latency_samples, 'sample')} ({balance.latency_ms:.3g} ms)"
    tell(f"{balance.speed_up:.2f} times the throughput of one core is predicted, {latency} later.")
    others = [f"{_cuts(o.cuts)} at {o.cycles_per_sample:,.1f}" for o in balance.runners_up]
    tell(f"--split {_cuts(balance.cuts)} at {balance.slowest_cycles:,.1f}; next best: {', '.join(others) or 'none'}.")


def write_gantt(path: Path, balance: Balance, title: str, inputs: Sequence[Path] = ()) -> None:
    """The picture of a few blocks.  UserError if the file cannot be written, or is one of ``inputs``."""
    place = check_output(path, folder_is_made=True)
    write_files(place.parent, {place.name: gantt_svg(balance, title).encode()}, inputs)


def _cuts(cuts: tuple[int, ...]) -> str:
    return ",".join(map(str, cuts))
