"""A compilation's stages on real threads, for any cut; stages can be replaced, to stall or fail them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from schedc.compiler import Compilation
from schedc.host.code import load_compilation
from schedc.host.job_table import FloatArray
from schedc.host.stage_threads import StageThreads
from schedc.host.voice import Voice
from schedc.host.weights import Weights

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
STAGE_TYPE = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER, _POINTER, _INT)
# Given the number of a stage; called before it works on a block.
Before = Callable[[int], None]
_replaced: list[object] = []  # functions that code still calls


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> bool:
    """Let others work until ``condition`` holds; False if it still does not after so long that it never will."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


def load_threads(compilation: Compilation, blob: bytes, before: Before | None = None) -> StageThreads:
    """The threads with the stages' states initialised; to be closed."""
    code = load_compilation(compilation)
    if before:
        replaced = [_preceded(address, k, before) for k, address in enumerate(code.stages)]
        code.stages = [int(ctypes.cast(cast(int, stage), _POINTER).value or 0) for stage in replaced]
        _replaced.extend(replaced)
    threads = Voice(code, Weights(blob, None)).threads
    assert threads is not None
    return threads


def _preceded(address: int, stage: int, before: Before) -> Callable[..., None]:
    """The stage function with ``before(stage)`` in front of it, as a C function."""
    function = STAGE_TYPE(address)

    def call(state: int, weights: int, source: int, target: int, n: int) -> None:
        before(stage)
        function(state, weights, source, target, n)

    return STAGE_TYPE(call)


def process_in_calls(threads: StageThreads, x: FloatArray, calls: Sequence[int]) -> FloatArray:
    """``x`` [channels, n] in calls of ``calls`` samples, the lag taken off and made up for at the end."""
    assert sum(calls) == x.shape[1]
    padded = np.concatenate([x, np.zeros((len(x), threads.latency_samples), np.float32)], axis=1)
    parts, begin = [], 0
    for n in [*calls, threads.latency_samples]:
        parts.append(threads.process(np.ascontiguousarray(padded[:, begin : begin + n])))
        assert parts[-1].shape[1] == n
        begin += n
    y = np.concatenate(parts, axis=1)
    assert not y[:, : threads.latency_samples].any()
    return y[:, threads.latency_samples :]
