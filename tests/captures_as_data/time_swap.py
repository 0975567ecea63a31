"""How long a swap and an init of A2-Full take on this machine.

    python time_swap.py

Three ways: one after the other (everything is in the caches), after 64 MiB of other memory (nothing is), and after
10 ms of sleep, which on a virtual machine also costs what waking up does.  Microseconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.captures import EXAMPLES

import schedc
from schedc.host.job_table import aligned_bytes

TURNS = 200
_other = np.zeros(64 << 20, np.uint8)


def evict() -> None:
    _other[::64] += 1


BEFORE: dict[str, Callable[[], None]] = {"warm": lambda: None, "evicted": evict, "slept": lambda: time.sleep(0.01)}


def main() -> None:
    path = next(path for path in EXAMPLES if path.stem == "a2")
    p = schedc.load(path)
    weights = [p.pack(path) for _ in range(2)]
    code = p._program.code
    state = aligned_bytes(code.shape.state_bytes)
    address, source = state.ctypes.data, weights[0].address
    x = np.zeros(p.block, np.float32)
    actions: dict[str, Callable[[int], object]] = {
        "nothing": lambda turn: None,
        "init": lambda turn: code.init(address, source),
        "set_weights": lambda turn: p.set_weights(weights[turn % 2]),
    }
    for name, action in actions.items():
        for way, before in BEFORE.items():
            times = []
            for turn in range(TURNS):
                p.process(x)
                before()
                begin = time.perf_counter()
                action(turn)
                times.append(1e6 * (time.perf_counter() - begin))
            low, high = np.percentile(times, [50, 99])
            print(f"{name:12} {way:8} p50 {low:6.1f}  p99 {high:6.1f}")


if __name__ == "__main__":
    main()
