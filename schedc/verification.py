"""Machine code against the float32 interpreter, bit for bit.

The code runs on this machine (JIT) or in the emulator, fed by a deterministic signal in calls of many
sizes: through ``NAME_process``, and for several cores through the stage functions one after the other.
Code that sets the floating-point mode itself is called in several modes by turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schedc.backends.emulator.emulator import Emulator
from schedc.compiler import Compilation
from schedc.errors import InternalError
from schedc.frontend.capture import Capture
from schedc.host.start_state import pack_from_silence, silent_interpreter
from schedc.ir.weights import FloatArray
from schedc.machines import Driver, Memory, Route, machine_for, routes
from schedc.targets.instruction_sets import Machine

_COUNTED_SAMPLES = 512


@dataclass(frozen=True)
class Run:
    """One way through the code.  ``fault`` is empty when every bit was right."""

    what: str
    calls: int
    fault: str


@dataclass(frozen=True)
class Verification:
    """What was compared and found.

    ``signal`` [inputs, n] and ``wanted`` [outputs, n]: what went in, and the interpreter's answer.
    ``stack_bytes``, ``instructions_per_sample``: in the emulator only.
    """

    signal: FloatArray
    wanted: FloatArray
    largest_call: int
    emulated: bool
    runs: tuple[Run, ...]
    stack_bytes: int | None
    instructions_per_sample: float | None

    @property
    def passed(self) -> bool:
        return not any(run.fault for run in self.runs)


def probe_signal(channels: int, samples: int, nonfinite: bool = False) -> FloatArray:
    """[channels, samples]: silence, impulses, noise from -60 to +12 dB and among the subnormals, silence.

    ``nonfinite``: here and there NaN or infinity.
    """
    rng = np.random.default_rng(20240601)
    x = rng.uniform(-1.0, 1.0, (channels, samples))
    levels = [0.0, 0.0, 1e-3, 0.1, 1.0, 4.0, 1e-39, 0.3, 0.0]
    edges = np.linspace(0, samples, len(levels) + 1).astype(int)
    for level, begin, end in zip(levels, edges, edges[1:], strict=False):
        x[:, begin:end] *= level
    for sign, at in enumerate(range(edges[1], edges[2], 97)):
        x[:, at] = -1.0 if sign % 2 else 1.0
    if nonfinite:
        for turn, value in enumerate((np.nan, np.inf, -np.inf)):
            x[:, turn * 71 :: 213] = value
    return x.astype(np.float32)


def call_sizes(samples: int, most: int) -> Iterator[int]:
    """Frames per call, adding up to ``samples``: the largest, 1, 2, odd and middling ones in turn."""
    cycle = (most, 1, 2, 3, most, most - 1, 7, most // 2 + 1, most, most // 3 | 1)
    turn = 0
    while samples > 0:
        n = min(max(1, min(cycle[turn % len(cycle)], most)), samples)
        yield n
        samples -= n
        turn += 1


def verify_compilation(compilation: Compilation, capture: Capture, samples: int) -> Verification:
    """Run the code and compare, over ``samples`` samples.

    The target must be one that this machine runs (:func:`can_run_here`) or that has an emulator.
    """
    graph, machine = compilation.program.graph, machine_for(compilation)
    door = compilation.options.contract.nonfinite == "zero"
    x = probe_signal(graph.in_channels, samples, nonfinite=door)
    wanted = interpret(compilation, capture, x)
    blob = pack_from_silence(compilation.packing, graph, capture)
    runs = tuple(_compare(machine, compilation, blob, route, x, wanted) for route in routes(compilation))
    emulated = isinstance(machine, Emulator)
    healthy = emulated and not any(run.fault for run in runs)
    return Verification(
        signal=x,
        wanted=wanted,
        largest_call=max(call_sizes(x.shape[1], compilation.options.frames)),
        emulated=emulated,
        runs=runs,
        stack_bytes=machine.stack_used_bytes if isinstance(machine, Emulator) else None,
        instructions_per_sample=count_instructions(compilation, blob, x) if healthy else None,
    )


def interpret(compilation: Compilation, capture: Capture, x: FloatArray) -> FloatArray:
    """The bits that the code must give, [outputs, n]."""
    return silent_interpreter(capture, compilation.options.contract).process(x)


def _compare(
    machine: Memory, compilation: Compilation, blob: bytes, route: Route, x: FloatArray, wanted: FloatArray
) -> Run:
    sizes = list(call_sizes(x.shape[1], compilation.options.frames))
    single = len(route.functions) == 1
    what = "process" if single else f"{len(route.functions)} stages, chained by handoffs"
    found = np.zeros_like(wanted)
    begin = calls = 0
    try:
        driver = Driver(machine, compilation, blob, route)
        for calls, n in enumerate(sizes, start=1):
            found[:, begin : begin + n] = driver.play(x[:, begin : begin + n], in_place=single and calls % 2 == 0)
            begin += n
        driver.reset()
        again = driver.play(x[:, : sizes[0]])
    except InternalError as error:
        return Run(what, calls, f"in the call for samples {begin} to {begin + sizes[calls - 1] - 1}: {error}")
    fault = difference(found, wanted, sizes)
    if not fault and difference(again, wanted[:, : sizes[0]], sizes):
        fault = "after a second init the first block comes out differently"
    return Run(what, calls, fault)


def same_bits(found: FloatArray, wanted: FloatArray) -> npt.NDArray[np.bool_]:
    """Where bits are equal; any NaN equals any other."""
    same: npt.NDArray[np.bool_] = found.view(np.uint32) == wanted.view(np.uint32)
    return same | (np.isnan(found) & np.isnan(wanted))


def difference(found: FloatArray, wanted: FloatArray, sizes: list[int]) -> str:
    """The first difference in bits, in words; empty if there is none."""
    same = same_bits(found, wanted)
    if same.all():
        return ""
    sample = int(np.argmax(~same.all(axis=0)))
    channel = int(np.argmax(~same[:, sample]))
    call = int(np.searchsorted(np.cumsum(sizes), sample, side="right"))
    got, want = found[channel, sample], wanted[channel, sample]
    return (
        f"{np.count_nonzero(~same):,} of {same.size:,} values differ, first at sample {sample:,}, channel {channel} "
        f"(in a call of {sizes[call]}): code {got!s} ({got.view(np.uint32):#010x}), "
        f"interpreter {want!s} ({want.view(np.uint32):#010x})"
    )


def count_instructions(compilation: Compilation, blob: bytes, x: FloatArray) -> float:
    """Instructions executed per sample in the emulator, over full blocks of the signal's start."""
    block = min(compilation.options.frames, int(x.shape[1]))
    emulator = Emulator(compilation.code.elf, Machine(compilation.options.target.emulator), count_instructions=True)
    driver = Driver(emulator, compilation, blob, routes(compilation)[0])
    emulator.reset_counts()
    blocks = max(1, min(_COUNTED_SAMPLES, int(x.shape[1])) // block)
    for index in range(blocks):
        driver.play(x[:, index * block : (index + 1) * block])
    executed: int = sum(emulator.instruction_counts.values())
    return executed / (blocks * block)
