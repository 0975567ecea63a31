"""Predicted cycles per sample of example captures on the emulated targets: python examples/predicted_cycles.py [MATH]

MATH: exact (the default) or fast.

Compiles, emulates two periods of the rings and times the instructions that really ran with the target's
pipeline table (``schedc targets NAME``). These are predictions of a model, not measurements of a chip.
"""

from __future__ import annotations

import sys
from pathlib import Path

from schedc.analyze import analyze_compilation
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.options import make_options

CAPTURES = Path(__file__).resolve().parent / "captures"


def main() -> None:
    """One line per capture, target and contract: mean, worst block, stack."""
    math = sys.argv[1] if len(sys.argv) > 1 else "exact"
    for name in ("a2_lite", "a2", "a1_nano", "lstm_1x16"):
        graph = read_capture(CAPTURES / f"{name}.nam").graph
        for target, mac in (("m33", "fused"), ("m33", "unfused"), ("a8", None), ("aarch64", None)):
            report = analyze_compilation(compile_graph(graph, make_options(target, mac=mac, math=math)))
            contract = mac or "default"
            print(
                f"{name:8} {target:8} {contract:8} mean {report.mean:8,.0f}  worst block {report.worst:8,.0f} "
                f"cycles/sample  stack {report.stack_bytes} bytes"
            )


if __name__ == "__main__":
    main()
