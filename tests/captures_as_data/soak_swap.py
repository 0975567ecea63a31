"""Swap captures every 10 ms from another thread while this one renders; every block must be explained.

    python soak_swap.py SECONDS

First in Python, at the audio rate (A2-Full).  Then the C header's protocol in a program of two threads (A2-Lite), whose
allocator and mutexes are counted on the audio side: that needs gcc.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from helpers.captures import EXAMPLES  # noqa: E402
from helpers.siblings import write_sibling  # noqa: E402
from test_hot_swap import explained  # noqa: E402
from test_swap_protocol import build_swapper  # noqa: E402

import schedc  # noqa: E402


def main(seconds: float) -> int:
    in_python(seconds)
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([*build_swapper(Path(folder)), str(seconds), "10"], check=False).returncode


def in_python(seconds: float) -> None:
    path = next(path for path in EXAMPLES if path.stem == "a2")
    pair = (path, write_sibling(path, Path(tempfile.mkdtemp()) / "other.nam", seed=1))
    p = schedc.load(pair[0])
    weights = [p.pack(path) for path in pair]
    done, times = threading.Event(), list[float]()

    def swap() -> None:
        while not done.wait(0.01):
            begin = time.perf_counter()
            p.set_weights(weights[(len(times) + 1) % 2])
            times.append(time.perf_counter() - begin)

    rng = np.random.default_rng(1)
    x, y = [], []
    thread = threading.Thread(target=swap)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        x.append(rng.normal(0, 0.1, p.block).astype(np.float32))
        y.append(p.process(x[-1]))
        time.sleep(p.block / 48000)
    done.set()
    thread.join()
    swaps = explained(np.concatenate(y), np.concatenate(x), pair, p.block)
    micro = 1e6 * np.array(times)
    print(
        f"{len(y)} blocks, {len(times)} calls of set_weights, {len(swaps)} heard, every block explained; "
        f"set_weights p50 {np.median(micro):.0f} us, p99 {np.percentile(micro, 99):.0f} us; {p.memory_bytes}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
