"""Stages on threads over many frames in calls of random sizes, every bit compared with one core.

python tests/cores/soak.py [FRAMES] [CORES] [CAPTURE]        default: 10 000 000 frames, 2 cores, A2-Lite
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import schedc

CAPTURE = Path(__file__).parents[2] / "examples" / "captures" / "a2_lite.nam"


def soak(capture: Path, frames: int, cores: int, block: int = 64, seed: int = 0) -> str:
    """Run it; AssertionError at the first wrong bit.  Returns a line about what was done."""
    rng = np.random.default_rng(seed)
    single, done, calls, begin = schedc.load(capture, block=block), 0, 0, time.perf_counter()
    with schedc.load(capture, block=block, cores=cores) as threaded:
        late = np.zeros(threaded.latency_samples, np.float32)  # of the single core, still to come
        while done < frames:
            # Mostly around a block, now and then a long stretch.
            n = int(rng.integers(1, 5 * block)) if rng.random() < 0.95 else int(rng.integers(1, 50_000))
            x = rng.normal(0.0, 0.3, min(n, frames - done)).astype(np.float32)
            wanted = np.concatenate([late, single.process(x)])
            found = threaded.process(x)
            late = wanted[len(x) :]
            if found.tobytes() != wanted[: len(x)].tobytes():
                wrong = int(np.argmax(found.view(np.uint32) != wanted[: len(x)].view(np.uint32)))
                raise AssertionError(f"sample {done + wrong} is {found[wrong]!r}, wanted {wanted[wrong]!r}")
            done, calls = done + len(x), calls + 1
        waits = ", ".join(
            f"stage {k}: {w.starved} starved {w.blocked} blocked" for k, w in enumerate(threaded.pipeline_waits)
        )
    seconds = time.perf_counter() - begin
    return f"{done} frames in {calls} calls on {cores} cores, every bit right, {seconds:.0f} s; {waits}"


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print(
        soak(
            Path(arguments[2]) if len(arguments) > 2 else CAPTURE,
            int(arguments[0]) if arguments else 10_000_000,
            int(arguments[1]) if len(arguments) > 1 else 2,
        )
    )
