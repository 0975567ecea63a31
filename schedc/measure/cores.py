"""Measuring stages on threads: throughput of several threads over that of one, in one run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from schedc.errors import OptionError
from schedc.frontend.capture import Capture
from schedc.host.code import host_program
from schedc.host.processor import Processor
from schedc.options import Options

ROUNDS = 31
ROUND_FRAMES = 96_000


@dataclass(frozen=True)
class CoreTimes:
    """One block size on ``cores`` threads and on one, in the same run, turn and turn about.

    Medians of ``ROUNDS`` passes; ``speed_up`` is the ratio of the medians, ``best_speed_up`` that of the
    fastest passes, which other programs disturbed least.
    """

    block: int
    cores: int
    single_ns_per_sample: float
    ns_per_sample: float
    speed_up: float
    best_speed_up: float
    latency_samples: int
    latency_ms: float


def measure_cores(capture: Capture, options: Options) -> CoreTimes:
    """Time ``Processor.process`` over two seconds of noise.  OptionError for cores that cannot be."""
    block, cores = options.frames, options.cores
    if cores < 2:
        raise OptionError("cores", f"{cores} cores", "give 2 to 8 to compare with one")
    passes: dict[int, list[int]] = {1: [], cores: []}
    frames = ROUND_FRAMES // block * block
    one, several = _processor(capture, replace(options, cores=1)), _processor(capture, options)
    with one as single, several as threaded:
        x = np.random.default_rng(1).normal(0.0, 0.1, (threaded.in_channels, frames)).astype(np.float32)
        for _ in range(ROUNDS):
            for count, processor in ((1, single), (cores, threaded)):
                begin = time.perf_counter_ns()
                processor.process(x)
                passes[count].append(time.perf_counter_ns() - begin)
        latency = threaded.latency_samples
    middle = {count: float(np.median(found)) for count, found in passes.items()}
    return CoreTimes(
        block=block,
        cores=cores,
        single_ns_per_sample=middle[1] / frames,
        ns_per_sample=middle[cores] / frames,
        speed_up=middle[1] / middle[cores],
        best_speed_up=min(passes[1]) / min(passes[cores]),
        latency_samples=latency,
        latency_ms=1e3 * latency / capture.rate,
    )


def _processor(capture: Capture, options: Options) -> Processor:
    program = host_program(capture.graph, options)
    return Processor(program, program.pack(capture))
