"""Predicted cycles per sample of A2-Lite by ring policy, mean and worst block: python examples/predicted_rings.py

The table in docs/schedules.md. See ``predicted_cycles.py`` for how such predictions are made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schedc.analyze import analyze_compilation
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.schedule import RingPolicy, ScheduleOverrides

CAPTURE = Path(__file__).resolve().parent / "captures" / "a2_lite.nam"


def main() -> None:
    """One line per policy and target."""
    graph = read_capture(CAPTURE).graph
    for policy in RingPolicy:
        for target in ("m33", "a8", "aarch64"):
            options = replace(make_options(target), schedule=ScheduleOverrides(rings=(("policy", policy),)))
            report = analyze_compilation(compile_graph(graph, options))
            print(f"{policy:8} {target:8} {report.mean:8,.0f} {report.worst:8,.0f}")


if __name__ == "__main__":
    main()
