"""Measuring compiled captures on this machine: time per sample, per block, and against the FMA peak."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.peak import NativeLoops
from schedc.cache.compile_cache import compile_cached
from schedc.compiler import Compilation
from schedc.errors import InternalError
from schedc.frontend.capture import Capture
from schedc.host.code import load_compilation
from schedc.host.job_table import aligned_bytes
from schedc.host.start_state import pack_from_silence
from schedc.ir.elements import FLOAT32
from schedc.options import Options
from schedc.reports.report import kernel_facts

WARM_UP_NS = 200_000_000
# Passes are shorter than a scheduler's time slice: on a busy machine most of them are then undisturbed.
PASSES = 301
PASS_NS = 1_000_000
TIMED_NS = 300_000_000


@dataclass(frozen=True)
class BlockTimes:
    """One block size.  ``ns_per_sample`` is the median of repeated passes, ``fastest`` the best of them;
    ``predicted`` the cost model's, at the clock in the target description.  The percentiles are of the
    time of one call, in nanoseconds, over ``calls`` calls; the largest holds what the operating system
    did in between.
    """

    block: int
    ns_per_sample: float
    fastest_ns_per_sample: float
    predicted_ns_per_sample: float
    call_p50_ns: float
    call_p99_ns: float
    call_max_ns: float
    calls: int
    macs_per_sample: int


class Loaded:
    """A compilation with a capture's weights and a second of noise, ready to be timed."""

    def __init__(self, compilation: Compilation, capture: Capture) -> None:
        self.code = load_compilation(compilation)
        self.frames = compilation.options.frames
        graph = compilation.program.graph
        # From zero: silence through an LSTM takes long, and noise comes next.
        blob = pack_from_silence(compilation.packing, graph, replace(capture, prewarm_samples=0))
        self.weights, self.state = aligned_bytes(len(blob)), aligned_bytes(compilation.state_bytes)
        self.weights[:] = np.frombuffer(blob, np.uint8)
        self.blocks = max(1, 48000 // self.frames)
        self.x = noise(self.blocks * graph.in_channels * self.frames)
        self.y = aligned_bytes(FLOAT32.bytes * graph.out_channels * self.frames)
        self.stride = FLOAT32.bytes * graph.in_channels * self.frames
        if self.code.init(self.state.ctypes.data, self.weights.ctypes.data):
            raise InternalError("init refused its own weights")

    @property
    def arguments(self) -> tuple[int, int, int, int, int, int, int]:
        """Of ``NativeLoops.repeat``, but for the count."""
        buffers = (self.state, self.weights, self.x, self.y)
        state, weights, x, y = (int(buffer.ctypes.data) for buffer in buffers)
        return self.code.process_address, state, weights, x, y, self.frames, self.stride


def noise(samples: int) -> npt.NDArray[np.float32]:
    """Noise of RMS 0.1, the same every time."""
    return np.random.default_rng(1).normal(0.0, 0.1, samples).astype(np.float32)


def measure_block(loops: NativeLoops, capture: Capture, options: Options) -> BlockTimes:
    """Compile with blocks of ``options.frames`` samples, for a target that runs here, and time it."""
    compilation, block = compile_cached(capture.graph, options), options.frames
    loaded = Loaded(compilation, capture)
    round_ns = _warm_up(loops, loaded)
    count = max(1, min(loaded.blocks, round(PASS_NS * loaded.blocks / round_ns)))
    passes = [loops.repeat(*loaded.arguments, count) / (count * block) for _ in range(PASSES)]
    rounds = max(1, round(TIMED_NS / round_ns))
    calls = np.concatenate([loops.repeat_timed(*loaded.arguments, loaded.blocks) for _ in range(rounds)])
    facts = kernel_facts(compilation)
    cycles = sum(fact.estimated_cycles_per_sample for fact in facts)
    return BlockTimes(
        block=block,
        ns_per_sample=float(np.median(passes)),
        fastest_ns_per_sample=min(passes),
        predicted_ns_per_sample=1e9 * cycles / compilation.options.target.fact("clock_hz"),
        call_p50_ns=float(np.percentile(calls, 50)),
        call_p99_ns=float(np.percentile(calls, 99)),
        call_max_ns=float(calls.max()),
        calls=len(calls),
        macs_per_sample=sum(fact.macs_per_sample for fact in facts),
    )


def _warm_up(loops: NativeLoops, loaded: Loaded) -> int:
    """Run until the clocks have settled; nanoseconds of the fastest round over the noise."""
    spent, fastest = 0, 1 << 62
    while spent < WARM_UP_NS:
        last = max(1, loops.repeat(*loaded.arguments, loaded.blocks))
        spent, fastest = spent + last, min(fastest, last)
    return fastest
