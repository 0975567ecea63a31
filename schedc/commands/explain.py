"""``schedc explain``: kernels, stages, memory and predicted load of a compilation, in tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schedc.artifact import write_files
from schedc.cache.compile_cache import compile_cached
from schedc.chains import chain_name, read_source
from schedc.commands.balance import print_balance, write_gantt
from schedc.commands.compile import contract_text, heading, latency_text, load_text
from schedc.commands.console import bytes_text, percent, print_table, say, warn
from schedc.compiler import Compilation, c_identifier
from schedc.options import Choices
from schedc.remarks import core_remarks
from schedc.reports.balance import balance_of
from schedc.reports.explain import fit, memory_by_stage, other_contracts, total_cycles
from schedc.reports.report import KernelFacts, kernel_facts, make_report
from schedc.schedule import VectorAxis
from schedc.schedule_file import decisions, schedule_text

_LEGEND = (
    "MACs, act     multiply-accumulates and activations per sample",
    "shape         kernels of one shape share their code (total: how many shapes)",
    "tile          vectors x lanes, in frames (an LSTM's in units)",
    "out           output channels accumulated together (an LSTM's: vectors of units)",
    "taps          written out, in a loop, sharing their samples, cut out of aligned vectors, or in parts side by side",
    "bound         what decides the prediction: mac, memory, issue, latency or overhead",
    "weights       bytes",
    "predicted     cycles per sample by the cost model, not measured",
    "runner-up     the next best vectors x lanes x out, and how much more it is predicted to take",
)
_CHANNELS = "channels      tiles of frames x lanes, with channels across the lanes"


def explain(
    models: Sequence[Path],
    choices: Choices,
    as_json: bool,
    gantt: Path | None = None,
    write_schedule: Path | None = None,
) -> None:
    """Compile and print why the result is as it is; draw it to ``gantt``; write its schedule file.

    UserError as for ``compile``.
    """
    options = choices.options
    capture = read_source(models, choices.reading)
    compilation = compile_cached(capture.graph, options, c_identifier(chain_name(models)))
    report = make_report(compilation, capture)
    if write_schedule is not None:
        folder = write_schedule.absolute().parent
        decided = decisions(compilation.program, options.schedule.boundaries)
        write_files(folder, {write_schedule.name: schedule_text(decided).encode()})
    warn([*capture.warnings, *core_remarks(options, "--cores")])
    if as_json:
        say(json.dumps(report, indent=2))
        return
    facts = kernel_facts(compilation)
    balance = balance_of(compilation.program, options, capture.rate)
    say(heading(report))
    say(f"machine    {options.target.full_name}")
    say()
    _kernels(facts)
    say()
    _stages(compilation, facts)
    say()
    print_balance(balance)
    _memory(compilation, report)
    say()
    say(f"latency    {latency_text(report)}")
    _contract(compilation, facts, report)
    say(f"predicted  {load_text(report)}")
    if gantt is not None:
        write_gantt(gantt, balance, heading(report))


def _kernels(facts: list[KernelFacts]) -> None:
    columns = ["kernel", ">stage", ">shape", ">MACs", ">act", ">tile", ">out", "taps", "bound", ">weights"]
    rows = [
        [
            fact.name,
            str(fact.stage),
            str(fact.shape),
            f"{fact.macs_per_sample:,}",
            f"{fact.activations_per_sample:,}",
            f"{fact.tile} {fact.axis}" if fact.axis == VectorAxis.CHANNELS else fact.tile,
            str(fact.output_block),
            fact.taps,
            fact.bound,
            f"{fact.weight_bytes:,}",
            f"{fact.estimated_cycles_per_sample:,.1f}",
            fact.runner_up,
        ]
        for fact in facts
    ]
    shapes = len({fact.shape for fact in facts})
    macs, activations = sum(f.macs_per_sample for f in facts), sum(f.activations_per_sample for f in facts)
    weights, cycles = sum(f.weight_bytes for f in facts), f"{total_cycles(facts):,.1f}"
    totals = [f"{macs:,}", f"{activations:,}", "", "", "", "", f"{weights:,}", cycles, ""]
    rows.append(["total", "", f"{shapes}", *totals])
    print_table([*columns, ">predicted", ">runner-up"], rows)
    say()
    across = any(fact.axis == VectorAxis.CHANNELS for fact in facts)
    for line in (*_LEGEND, _CHANNELS) if across else _LEGEND:
        say(line)


def _stages(compilation: Compilation, facts: list[KernelFacts]) -> None:
    total = total_cycles(facts)
    rows = []
    for number, memory in enumerate(memory_by_stage(compilation)):
        mine = [fact for fact in facts if fact.stage == number]
        cycles = total_cycles(mine)
        sizes = [memory.rings, memory.scratch, memory.other, memory.state, memory.handoff]
        share = percent(cycles / total) if total else "-"
        rows.append([str(number), str(len(mine)), f"{cycles:,.1f}", share, *(f"{size:,}" for size in sizes)])
    columns = ["stage", ">kernels", ">predicted", ">share"]
    print_table([*columns, ">rings", ">scratch", ">other", ">state", ">handoff"], rows)
    say()
    say("rings, scratch and other make up a stage's state (bytes); handoff goes to the next stage")


def _memory(compilation: Compilation, report: Any) -> None:
    sizes = report["bytes"]
    state, weights, code = (bytes_text(sizes[key]) for key in ("state", "weights", "code"))
    say(f"memory     state {state}, weights {weights}, code {code}")
    room = fit(compilation, sizes["code"])
    if room is None:
        return
    handoffs = ", two handoffs per cut" if sizes["handoffs"] else ""
    parts = f"{room.needed:,} (state{handoffs}) + {room.constant:,} (code, weights)"
    say(f"           {parts} of {bytes_text(room.available)} RAM: {room.verdict}")


def _contract(compilation: Compilation, facts: list[KernelFacts], report: Any) -> None:
    say(f"contract   {contract_text(report)}")
    now = total_cycles(facts)
    for other in other_contracts(compilation):
        change = other.cycles_per_sample / now - 1 if now else 0.0
        amount = f"{percent(abs(change))} {'fewer' if change < 0 else 'more'} cycles"
        say(f"           {other.option} is predicted to take {amount} (and gives other bits)")
