"""Machine code against the float32 interpreter, bit for bit.

The code runs on this machine (JIT) or in the emulator, fed by a deterministic signal in calls of many
sizes: through ``NAME_process``, and for several cores through the stage functions one after the other.
Memory that a call must not touch is painted before and looked at after it.  Code that sets the floating-point
mode itself is called in several modes by turns.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schedc.backends.emulator.emulator import Emulator, Machine
from schedc.backends.float_mode import FpMode, Mode, lost_mode, mode_of, mode_register
from schedc.backends.llvm.foreign_caller import ForeignCaller
from schedc.backends.llvm.module import stage_symbol
from schedc.backends.this_machine import can_run_here
from schedc.compiler import Compilation
from schedc.errors import InternalError
from schedc.frontend.capture import Capture
from schedc.host.code import load_compilation
from schedc.host.start_state import pack_from_silence, silent_interpreter
from schedc.options import Options

FloatArray = npt.NDArray[np.float32]
_PAINT = 0xFF  # as floats: NaN
_COUNTED_SAMPLES = 512
_MARGIN = 256
_MARGIN_PAINT = 0xA5


class Memory(Protocol):
    """A machine with an object loaded: the emulator, or this one.

    ``float_words``: the caller's floating-point registers, see :meth:`schedc.backends.float_mode.Mode.words`.
    """

    float_words: Sequence[int]

    def alloc(self, size: int, align: int = 64) -> int: ...
    def write(self, address: int, data: bytes) -> None: ...
    def read(self, address: int, size: int) -> bytes: ...
    def call(self, symbol: str, *arguments: int) -> int: ...


class HostMachine:
    """Runs an object by the JIT; every allocation has painted margins that are checked after each call."""

    def __init__(self, compilation: Compilation) -> None:
        self._code = load_compilation(compilation)
        self._caller = ForeignCaller(compilation.options.target)
        self._mode = mode_register(compilation.options.target)
        self.float_words: Sequence[int] = Mode().words(self._mode)
        self._held: list[tuple[npt.NDArray[np.uint8], int, int]] = []

    def alloc(self, size: int, align: int = 64) -> int:
        """The address of ``size`` zeroed bytes."""
        memory = np.full(size + 2 * _MARGIN + align, _MARGIN_PAINT, np.uint8)
        begin = _MARGIN + -(memory.ctypes.data + _MARGIN) % align
        memory[begin : begin + size] = 0
        self._held.append((memory, begin, size))
        return int(memory.ctypes.data) + begin

    def write(self, address: int, data: bytes) -> None:
        """Copy ``data`` to an allocation."""
        ctypes.memmove(address, data, len(data))

    def read(self, address: int, size: int) -> bytes:
        """Copy ``size`` bytes out of an allocation."""
        return ctypes.string_at(address, size)

    def call(self, symbol: str, *arguments: int) -> int:
        """Call an init or a processing function; InternalError if it wrote beside an allocation or lost the mode."""
        before = self.float_words
        result, self.float_words = self._caller.call(self._code.address(symbol), arguments, before)
        lost = lost_mode(self._mode, before[0], self.float_words[0])
        if lost:
            raise InternalError(f"{symbol} {lost}")
        for memory, begin, size in self._held:
            if (memory[:begin] != _MARGIN_PAINT).any() or (memory[begin + size :] != _MARGIN_PAINT).any():
                raise InternalError(f"{symbol} wrote beside an allocation of {size} bytes")
        return result


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


def caller_modes(options: Options) -> tuple[Mode, ...]:
    """The modes that callers may have set and the code must not mind."""
    if options.fp_mode is FpMode.CALLER:
        return (mode_of(options.contract),)
    return Mode(), Mode(flush=True), Mode(towards_zero=True)


def call_sizes(samples: int, most: int) -> Iterator[int]:
    """Frames per call, adding up to ``samples``: the largest, 1, 2, odd and middling ones in turn."""
    cycle = (most, 1, 2, 3, most, most - 1, 7, most // 2 + 1, most, most // 3 | 1)
    turn = 0
    while samples > 0:
        n = min(max(1, min(cycle[turn % len(cycle)], most)), samples)
        yield n
        samples -= n
        turn += 1


@dataclass(frozen=True)
class _Route:
    """Functions called one after the other for each block; each has its state, between them are handoffs."""

    what: str
    functions: tuple[str, ...]
    inits: tuple[str, ...]
    state_bytes: tuple[int, ...]
    handoff_bytes: tuple[int, ...] = ()


def _routes(compilation: Compilation) -> list[_Route]:
    name = compilation.name
    routes = [_Route("process", (f"{name}_process",), (f"{name}_init",), (compilation.state_bytes,))]
    arenas = [stage.arena for stage in compilation.program.stages if stage.arena]
    if len(arenas) > 1:
        numbers = range(len(arenas))
        functions = tuple(stage_symbol(name, number, len(arenas)) for number in numbers)
        inits = tuple(f"{name}_stage{number}_init" for number in numbers)
        handoffs = tuple(arena.handoff_bytes for arena in arenas[:-1])
        routes.append(_Route("stages", functions, inits, tuple(arena.state_bytes for arena in arenas), handoffs))
    return routes


class _Driver:
    """A route in a machine: memory, weights, and blocks through it."""

    def __init__(self, machine: Memory, compilation: Compilation, blob: bytes, route: _Route) -> None:
        self.machine, self.route = machine, route
        graph, self.block = compilation.program.graph, compilation.options.frames
        self.inputs = sum(node.channels for node in graph.inputs)
        self.outputs = sum(node.op.operand_channels[0] for node in graph.outputs)
        self.floats = max(self.inputs, self.outputs) * self.block
        self.weights = machine.alloc(len(blob))
        machine.write(self.weights, blob)
        self.states = [machine.alloc(size) for size in route.state_bytes]
        self.handoffs = [machine.alloc(size) for size in route.handoff_bytes]
        self.source, self.target = machine.alloc(4 * self.floats), machine.alloc(4 * self.floats)
        register = mode_register(compilation.options.target)
        self.modes = itertools.cycle([mode.words(register) for mode in caller_modes(compilation.options)])
        for address, size in zip(self.states, route.state_bytes, strict=True):
            machine.write(address, bytes([_PAINT]) * size)
        self.init()

    def init(self) -> None:
        for function, state in zip(self.route.inits, self.states, strict=True):
            code = self.machine.call(function, state, self.weights)
            if code:
                raise InternalError(f"{function} refused its own weights with code {code}")

    def process(self, x: FloatArray, in_place: bool = False) -> FloatArray:
        """One block [inputs, n] to [outputs, n]; InternalError if a call wrote where it must not."""
        n = x.shape[1]
        paint = bytes([_PAINT])
        given = np.ascontiguousarray(x, "<f4").tobytes().ljust(4 * self.floats, paint)
        target = self.source if in_place else self.target
        self.machine.write(self.target, paint * 4 * self.floats)
        self.machine.write(self.source, given)
        for address, size in zip(self.handoffs, self.route.handoff_bytes, strict=True):
            self.machine.write(address, paint * size)
        self.machine.float_words = next(self.modes)
        ends = [self.source, *self.handoffs, target]
        for number, function in enumerate(self.route.functions):
            self.machine.call(function, self.states[number], self.weights, ends[number], ends[number + 1], n)
        found = self.machine.read(target, 4 * self.floats)
        used = 4 * n * (max(self.inputs, self.outputs) if in_place else self.outputs)
        if found[used:].strip(paint):
            raise InternalError(f"{self.route.what} wrote past the {n} frames of the output")
        if not in_place and self.machine.read(self.source, 4 * self.floats) != given:
            raise InternalError(f"{self.route.what} wrote into its input")
        return np.frombuffer(found, "<f4", self.outputs * n).reshape(self.outputs, n).astype(np.float32)


def verify_compilation(compilation: Compilation, capture: Capture, samples: int) -> Verification:
    """Run the code and compare, over ``samples`` samples.

    The target must be one that this machine runs (:func:`can_run_here`) or that has an emulator.
    """
    target, graph = compilation.options.target, compilation.program.graph
    here = can_run_here(target)
    machine: Memory = HostMachine(compilation) if here else Emulator(compilation.code.elf, Machine(target.emulator))
    door = compilation.options.contract.nonfinite == "zero"
    x = probe_signal(sum(node.channels for node in graph.inputs), samples, nonfinite=door)
    wanted = interpret(compilation, capture, x)
    blob = pack_from_silence(compilation.packing, graph, capture)
    runs = tuple(_compare(machine, compilation, blob, route, x, wanted) for route in _routes(compilation))
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
    machine: Memory, compilation: Compilation, blob: bytes, route: _Route, x: FloatArray, wanted: FloatArray
) -> Run:
    sizes = list(call_sizes(x.shape[1], compilation.options.frames))
    single = len(route.functions) == 1
    what = "process" if single else f"{len(route.functions)} stages, chained by handoffs"
    found = np.zeros_like(wanted)
    begin = calls = 0
    try:
        driver = _Driver(machine, compilation, blob, route)
        for calls, n in enumerate(sizes, start=1):
            found[:, begin : begin + n] = driver.process(x[:, begin : begin + n], in_place=single and calls % 2 == 0)
            begin += n
        driver.init()
        again = driver.process(x[:, : sizes[0]])
    except InternalError as error:
        return Run(what, calls, f"in the call for samples {begin} to {begin + sizes[calls - 1] - 1}: {error}")
    fault = difference(found, wanted, sizes)
    if not fault and difference(again, wanted[:, : sizes[0]], sizes):
        fault = "after a second init the first block comes out differently"
    return Run(what, calls, fault)


def difference(found: FloatArray, wanted: FloatArray, sizes: list[int]) -> str:
    """The first difference in bits (any two NaN are equal), in words; empty if there is none."""
    same = (found.view(np.uint32) == wanted.view(np.uint32)) | (np.isnan(found) & np.isnan(wanted))
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
    driver = _Driver(emulator, compilation, blob, _routes(compilation)[0])
    emulator.reset_counts()
    blocks = max(1, min(_COUNTED_SAMPLES, int(x.shape[1])) // block)
    for index in range(blocks):
        driver.process(x[:, index * block : (index + 1) * block])
    executed: int = sum(emulator.instruction_counts.values())
    return executed / (blocks * block)
