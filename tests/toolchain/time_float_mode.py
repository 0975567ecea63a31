"""What it costs that entry functions set the floating-point mode: --fp-mode own beside caller.

    python tests/toolchain/time_float_mode.py

Measured on this machine, in turns: medians of nanoseconds per call.  Predicted for the others: cycles per call, by the
static analyser.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.captures import EXAMPLES
from helpers.linear_capture import linear_text

from schedc.analyze import analyze_compilation
from schedc.backends.float_mode import FpMode
from schedc.backends.llvm.peak import NativeLoops
from schedc.cache.compile_cache import compile_cached
from schedc.compiler import Compilation
from schedc.frontend.capture import Capture, read_capture
from schedc.measure.bench import Loaded
from schedc.options import make_options

PASSES, PASS_NS = 401, 500_000
NAMES = ("a2_lite", "a1_nano", "lstm_1x16")


def captures() -> list[tuple[str, Capture]]:
    found = [(path.stem, read_capture(path)) for path in EXAMPLES if path.stem in NAMES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "linear.nam"
        path.write_text(linear_text(3), encoding="utf-8")
        return [("3-tap Linear", read_capture(path)), *found]


def both(capture: Capture, target: str, block: int) -> list[Compilation]:
    options = make_options(target, block=block)
    return [compile_cached(capture.graph, replace(options, fp_mode=mode)) for mode in (FpMode.CALLER, FpMode.OWN)]


def measured(loops: NativeLoops, capture: Capture, block: int) -> list[float]:
    """Nanoseconds a call: caller, own, and the median of what own took more in neighbouring passes."""
    loaded = [Loaded(compilation, capture) for compilation in both(capture, "host", block)]
    count = max(1, min(loaded[0].blocks, PASS_NS * 100 // loops.repeat(*loaded[0].arguments, 100)))
    passes = [[loops.repeat(*one.arguments, count) / count for one in loaded] for _ in range(PASSES)]
    caller, own = np.array(passes[PASSES // 10 :]).T
    return [float(np.median(caller)), float(np.median(own)), float(np.median(own - caller))]


def predicted(capture: Capture, target: str, block: int) -> list[float]:
    caller, own = (analyze_compilation(one, calls=4).mean * block for one in both(capture, target, block))
    return [caller, own, own - caller]


def main() -> None:
    loops = NativeLoops(make_options("host").target)
    for name, capture in captures():
        for block in (1, 64):
            rows = [("here, ns", measured(loops, capture, block))]
            rows += [(f"{target}, cycles", predicted(capture, target, block)) for target in ("m33", "a8", "aarch64")]
            for where, (caller, own, more) in rows:
                figures = f"caller {caller:10.1f}  own {own:10.1f}  {more:+7.1f} {100 * more / caller:5.2f} %"
                print(f"{name:12} block {block:2}  {where:15} {figures}")


if __name__ == "__main__":
    main()
