"""``schedc explain``: is it fast enough, does it fit, what would change that, and where does the time go?"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedc.artifact import write_files
from schedc.cache.compile_cache import compile_cached
from schedc.commands.balance import print_balance, write_gantt
from schedc.commands.compile import contract_text, heading, latency_text
from schedc.commands.console import bytes_text, clock_text, count, percent, say, shown_name, tell, warn
from schedc.commands.explain_details import print_details
from schedc.commands.progress import working
from schedc.commands.tables import print_table
from schedc.compiler import Compilation
from schedc.files.identifiers import c_identifier
from schedc.files.outputs import check_output, check_separate
from schedc.frontend.capture import Capture
from schedc.frontend.chains import chain_name, read_source
from schedc.options import Choices
from schedc.remarks import core_remarks
from schedc.reports.balance import Balance, balance_of
from schedc.reports.changes import Change, changes
from schedc.reports.explain import Fit, facts_by_shape, fit, other_contracts, total_cycles
from schedc.reports.report import KernelFacts, kernel_facts, make_report
from schedc.schedule_file import decisions, schedule_text

_MOST_CHANGES, _MOST_GAINS, _MOST_SHAPES = 5, 3, 12


@dataclass(frozen=True)
class ExplainRequest:
    """What ``schedc explain`` was asked for.  ``details``: every kernel, stage and word."""

    models: Sequence[Path]
    choices: Choices
    as_json: bool = False
    details: bool = False
    gantt: Path | None = None
    write_schedule: Path | None = None

    @property
    def inputs(self) -> list[Path]:
        return [*self.models, *self.choices.files]


def explain(request: ExplainRequest) -> None:
    """Compile and print why the result is as it is; draw it; write its schedule file.  UserError as for ``compile``."""
    options = request.choices.options
    outputs = [path for path in (request.gantt, request.write_schedule) if path is not None]
    check_separate(outputs, request.inputs)
    for path in outputs:
        check_output(path, folder_is_made=True)
    capture = read_source(request.models, request.choices.reading)
    with working("compiling"):
        compilation = compile_cached(capture.graph, options, c_identifier(chain_name(request.models)))
        report = make_report(compilation, capture)
    if request.write_schedule is not None:
        place = check_output(request.write_schedule, folder_is_made=True)
        decided = decisions(compilation.program, options.schedule.boundaries)
        write_files(place.parent, {place.name: schedule_text(decided).encode()}, request.inputs)
    warn([*capture.warnings, *core_remarks(options, "--cores")])
    balance = balance_of(compilation.program, options, capture.rate)
    if request.gantt is not None:
        write_gantt(request.gantt, balance, heading(report), request.inputs)
    if request.as_json:
        say(json.dumps(report, indent=2))
        return
    facts = kernel_facts(compilation)
    print_verdict(compilation, capture, balance, report)
    say()
    _shapes(facts)
    if len(balance.stages) > 1:
        say()
        print_balance(balance)
    if request.details:
        print_details(compilation, facts)
    else:
        say()
        say("--details adds every kernel, each stage's memory and what the words mean.")
    if request.gantt is not None:
        what = f"a few blocks on {count(len(balance.stages), 'core')}, by the prediction"
        say(f"{shown_name(request.gantt, 30)}: {what}")


def print_verdict(compilation: Compilation, capture: Capture, balance: Balance, report: Any) -> None:
    """Fast enough or not, fits or not, by how much, and what would change it."""
    clock = report["estimate"]["clock_hz"]
    room = clock / capture.rate  # cycles per sample
    memory = fit(compilation, report["bytes"]["code"])
    tell(heading(report))
    tell(verdict(balance.slowest_cycles / room, memory))
    say()
    tell(compilation.options.target.full_name, "machine")
    which = " on the busiest core" if len(balance.stages) > 1 else ""
    speed = f"{clock_text(clock)} and {capture.rate / 1000:g} kHz"
    needs = f"{balance.slowest_cycles:,.0f} of {room:,.0f} cycles/sample{which}"
    tell(f"{percent(balance.slowest_cycles / room)}, {needs}, at {speed}", "load")
    _memory(report, memory)
    tell(latency_text(report), "latency")
    _contract(compilation, balance, report)
    tell(report["schedule"], "schedule")
    with working("comparing"):
        found = changes(compilation, capture, room)
    _changes(found, balance, room, clock)


def verdict(load: float, memory: Fit | None) -> str:
    """One line: ``load`` is the share of the slowest core's time, predicted."""
    if load >= 1:
        speed = f"Too slow by {percent(load - 1)}" if load < 2 else f"Too slow, {load:,.3g} times over"
    else:
        speed = f"In real time, {1 / load:,.3g} times over" if load else "In real time"
    fits = "" if memory is None else f"; {memory.verdict}"
    return f"{speed}{fits} (predicted, not measured)."


def _memory(report: Any, memory: Fit | None) -> None:
    sizes = report["bytes"]
    state, weights, code = (bytes_text(sizes[key]) for key in ("state", "weights", "code"))
    tell(f"state {state}, weights {weights}, code {code}", "memory")
    if memory is not None:
        handoffs = ", two handoffs per cut" if sizes["handoffs"] else ""
        parts = f"{memory.needed:,} (state{handoffs}) + {memory.constant:,} (code, weights)"
        missing = memory.needed - memory.available
        tell(f"{parts} of {bytes_text(memory.available)} RAM{f': {missing:,} too many' if missing > 0 else ''}", " ")


def _contract(compilation: Compilation, balance: Balance, report: Any) -> None:
    tell(contract_text(report), "contract")
    now = balance.single_core_cycles
    for other in other_contracts(compilation):
        change = other.cycles_per_sample / now - 1 if now else 0.0
        amount = f"{percent(abs(change))} {'fewer' if change < 0 else 'more'} cycles"
        tell(f"{other.option} is predicted to take {amount} (other bits)", " ")


def _changes(found: list[Change], balance: Balance, room: float, clock: float) -> None:
    load = balance.slowest_cycles / room
    if load < 1 and not found:
        return
    say()
    if load >= 1:
        tell(f"A clock of {clock_text(_rounded_up(clock * load))} would do.  What else would help (predicted):")
    else:
        say("What would make it faster (predicted):")
    rows = [
        [
            one.option,
            f"{one.cycles_per_sample:,.0f}",
            percent(one.cycles_per_sample / room),
            f"{one.latency_samples:,}",
            "other" if one.other_bits else "same",
        ]
        for one in found[: _MOST_CHANGES if load >= 1 else _MOST_GAINS]
    ]
    if rows:
        print_table(["change", ">cycles/sample", ">load", ">latency", "bits"], rows)
    if load >= 1 and not any(one.cycles_per_sample <= room for one in found):
        say("None of these is enough." if rows else "Nothing that schedc knows of.")


def _rounded_up(number: float) -> float:
    """To three digits."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 2)
    return math.ceil(number / unit) * unit


def _shapes(facts: list[KernelFacts]) -> None:
    """A line for all kernels that share their code."""
    shapes, total = facts_by_shape(facts), total_cycles(facts)
    rows = [
        [
            one.first.name,
            str(one.kernels),
            f"{one.macs_per_sample:,}",
            f"{one.activations_per_sample:,}",
            f"{one.first.tile}x{one.first.output_block}",
            one.first.taps,
            one.first.bound,
            f"{one.estimated_cycles_per_sample:,.1f}",
            percent(one.estimated_cycles_per_sample / total) if total else "-",
        ]
        for one in shapes[:_MOST_SHAPES]
    ]
    macs, activations = sum(f.macs_per_sample for f in facts), sum(f.activations_per_sample for f in facts)
    rows.append(["total", str(len(facts)), f"{macs:,}", f"{activations:,}", "", "", "", f"{total:,.1f}", ""])
    print_table(["<first of a shape", ">kernels", ">MACs", ">act", ">tile", "taps", "bound", ">cycles", ">share"], rows)
    if len(shapes) > _MOST_SHAPES:
        say(f"{count(len(shapes) - _MOST_SHAPES, 'more shape')} in the total")
