"""Driving a capture at the audio rate on this machine, with and without the system's real-time means."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from schedc.backends.llvm.paced import PacedLoop
from schedc.cache.compile_cache import compile_cached
from schedc.errors import UnsupportedError
from schedc.frontend.capture import Capture
from schedc.measure.bench import Loaded
from schedc.options import Options

_PRIORITY = 50  # in the middle: above every ordinary thread, below the kernel's own
_LEAD_NS = 20_000_000  # until the first block
_CHUNK_SECONDS = 0.5  # per call of machine code, so that an interrupt from the keyboard is heard
_MCL_CURRENT_AND_FUTURE = 3


@dataclass(frozen=True)
class RealtimeRun:
    """One run.  Nanoseconds: ``work`` from wake-up to return, ``response`` from when the block was due to return.

    A block misses its deadline when it is not done before the next one is due.  ``means``: what the
    system granted; ``refused``: what it did not, in words.
    """

    block: int
    period_ns: float
    blocks: int
    work_p50: float
    response_p50: float
    response_p99: float
    response_p999: float
    response_max: float
    missed: int
    means: tuple[str, ...]
    refused: tuple[str, ...]


def measure_realtime(capture: Capture, options: Options, seconds: float, privileged: bool) -> RealtimeRun:
    """Play ``seconds`` of noise in blocks of ``options.frames``, each at its time, for a target that runs here.

    ``privileged``: ask the system for SCHED_FIFO and locked memory.  UnsupportedError but on Linux.
    """
    if sys.platform != "linux":
        raise UnsupportedError("--realtime", f"needs Linux, this is {sys.platform}", "run it there")
    block = options.frames
    loaded = Loaded(compile_cached(capture.graph, options), capture)
    loop = PacedLoop(options.target)
    period = 1e9 * block / capture.rate
    count = max(1, round(1e9 * seconds / period))
    chunk = max(1, min(loaded.blocks, round(1e9 * _CHUNK_SECONDS / period)))
    with _means(privileged) as (granted, refused):
        due = time.monotonic_ns() + _LEAD_NS + np.round(np.arange(count) * period).astype(np.int64)
        parts = [loop.run(*loaded.arguments, due[first : first + chunk]) for first in range(0, count, chunk)]
    woken, done = (np.concatenate(times) for times in zip(*parts, strict=True))
    response = (done - due).astype(np.float64)
    return RealtimeRun(
        block=block,
        period_ns=period,
        blocks=count,
        work_p50=float(np.median(done - woken)),
        response_p50=float(np.median(response)),
        response_p99=float(np.percentile(response, 99)),
        response_p999=float(np.percentile(response, 99.9)),
        response_max=float(response.max()),
        missed=int((response > period).sum()),
        means=tuple(granted),
        refused=tuple(refused),
    )


@contextmanager
def _means(wanted: bool) -> Iterator[tuple[list[str], list[str]]]:
    """Real-time scheduling and locked memory for the calling thread, as far as the system allows."""
    granted: list[str] = []
    refused: list[str] = []
    if not wanted:
        yield granted, refused
        return
    library = ctypes.CDLL(None, use_errno=True)
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        if library.mlockall(_MCL_CURRENT_AND_FUTURE) == 0:
            granted.append("locked memory")
        else:
            refused.append(f"locked memory ({os.strerror(ctypes.get_errno())})")
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
            granted.append(f"SCHED_FIFO {_PRIORITY}")
        except OSError as error:
            refused.append(f"SCHED_FIFO ({error.strerror})")
        yield granted, refused
    finally:
        os.sched_setscheduler(0, policy, parameters)
        library.munlockall()
