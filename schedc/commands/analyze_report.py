"""The report of ``schedc analyze``, to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from schedc.analysis.machine_code import MIX_WORDS, per_sample
from schedc.analysis.out_of_order import BOUNDS
from schedc.analysis.report import CodeReport
from schedc.commands.console import bytes_text, count, say, tell
from schedc.commands.tables import print_table

_MOST_LOOPS = 6


def print_report(report: CodeReport) -> None:
    """Cycles, where they go by kind of instruction, by kernel, and in the loops that take most of them."""
    call = report.typical
    total = call.costs
    tell(f"{report.target}, {count(report.frames, 'sample')} per call; predicted from the instructions, not measured")
    say()
    tell(f"mean {report.mean:,.0f}, best {report.best:,.0f}, worst {report.worst:,.0f} a sample", "cycles")
    tell(report.method, "method")
    tell(f"{bytes_text(report.stack_bytes)} used, {report.static_stack_bytes:,} static", "stack")
    tell(bytes_text(report.code_bytes), "code")
    tell(_words(total.mix, call.frames, MIX_WORDS), "executed")
    tell(_words(total.issue, call.frames, MIX_WORDS), "issue")
    tell(_words(total.stalls, call.frames), "stalls")
    say()
    tell("A sample takes so many instructions (executed), cycles to issue them, and cycles of waiting (stalls).")
    say()
    _kernels(report)
    say()
    _loops(report)


def _kernels(report: CodeReport) -> None:
    call = report.typical
    named = any(part.name != part.function for part in call.parts)
    bounded = any(part.bounds for part in call.parts)
    rows = []
    for part in call.parts:
        stalls = [float(sum(part.costs.stalls.values()))]
        found = [part.bounds.get(word, 0.0) for word in BOUNDS] if bounded else stalls
        cycles = [f"{value / call.frames:,.1f}" for value in (part.costs.cycles, *found)]
        rows.append([part.name, *[part.function] * named, *cycles])
    last = [f">{word}" for word in BOUNDS] if bounded else [">stalls"]
    print_table(["<kernel", *["<function"] * named, ">cycles", *last], rows)


def _loops(report: CodeReport) -> None:
    found = sorted(report.typical.loops, key=lambda loop: -loop.costs.cycles)[:_MOST_LOOPS]
    rows = [
        [
            f"{loop.start:#x}-{loop.end:#x}",
            loop.function,
            f"{loop.iterations:,}",
            f"{loop.costs.cycles / loop.iterations:,.1f}",
            f"{loop.loads_per_mac:.3f}",
            f"{loop.costs.stack_accesses / loop.iterations:.1f}",
            f"{loop.scalar_arithmetic / loop.iterations:.1f}",
        ]
        for loop in found
    ]
    columns = ["loop", "<function", ">rounds", ">cycles/round", ">loads/mac", ">stack", ">scalar"]
    print_table(columns, rows)


def _words(counter: Counter[str], frames: int, order: Sequence[str] = ()) -> str:
    return ", ".join(f"{word} {value:,.1f}" for word, value in per_sample(counter, frames, order).items()) or "none"
