"""``schedc explain --details``: every kernel, every stage's memory, and what the words mean."""

from __future__ import annotations

from schedc.commands.console import percent, say, tell
from schedc.commands.tables import print_table
from schedc.compiler import Compilation
from schedc.reports.explain import memory_by_stage, total_cycles
from schedc.reports.report import KernelFacts
from schedc.schedule import VectorAxis

_LEGEND = (
    ("MACs, act", "multiply-accumulates and activations per sample"),
    ("shape", "kernels of one shape share their code"),
    (
        "tile",
        "vectors x lanes x outputs: frames of a tile, and output channels accumulated together (of an LSTM units)",
    ),
    ("taps", "written out, in a loop, sharing their samples, cut out of aligned vectors, or in parts side by side"),
    ("bound", "what decides the prediction: mac, memory, issue, latency or overhead"),
    ("weights", "bytes"),
    ("cycles", "per sample, by the cost model"),
    ("runner-up", "the next best tile, and how much more it is predicted to take"),
    ("rings", "with scratch and other a stage's state (bytes); handoff goes to the next stage"),
)
_CHANNELS = ("channels", "tiles of frames x lanes, with channels across the lanes")


def print_details(compilation: Compilation, facts: list[KernelFacts]) -> None:
    """The tables, then the words."""
    say()
    _kernels(facts)
    say()
    _stages(compilation, facts)
    say()
    across = any(fact.axis == VectorAxis.CHANNELS for fact in facts)
    for word, meaning in (*_LEGEND, _CHANNELS) if across else _LEGEND:
        tell(meaning, word)


def _kernels(facts: list[KernelFacts]) -> None:
    rows = [
        [
            fact.name,
            str(fact.stage),
            str(fact.shape),
            f"{fact.macs_per_sample:,}",
            f"{fact.activations_per_sample:,}",
            _tile(fact),
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
    rows.append(["total", "", str(shapes), f"{macs:,}", f"{activations:,}", "", "", "", f"{weights:,}", cycles, ""])
    columns = ["<kernel", ">stage", ">shape", ">MACs", ">act", ">tile", "taps", "bound", ">weights", ">cycles"]
    print_table([*columns, ">runner-up"], rows)


def _tile(fact: KernelFacts) -> str:
    tile = f"{fact.tile}x{fact.output_block}"
    return f"{tile} {fact.axis}" if fact.axis == VectorAxis.CHANNELS else tile


def _stages(compilation: Compilation, facts: list[KernelFacts]) -> None:
    total = total_cycles(facts)
    rows = []
    for number, memory in enumerate(memory_by_stage(compilation)):
        mine = [fact for fact in facts if fact.stage == number]
        cycles = total_cycles(mine)
        sizes = [memory.rings, memory.scratch, memory.other, memory.state, memory.handoff]
        share = percent(cycles / total) if total else "-"
        rows.append([str(number), str(len(mine)), f"{cycles:,.1f}", share, *(f"{size:,}" for size in sizes)])
    columns = ["stage", ">kernels", ">cycles", ">share", ">rings", ">scratch", ">other", ">state", ">handoff"]
    print_table(columns, rows)
