"""A machine with a compilation's code in it, and a driver that sends blocks of samples through the code.

The machine is this one or the emulator.  The driver gives the code its memory, calls ``NAME_process``, or the stages
one after the other, and looks whether a call wrote where it must not.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schedc.backends.emulator.emulator import Emulator
from schedc.backends.float_mode import FpMode, Mode, lost_mode, mode_of
from schedc.backends.llvm.foreign_caller import ForeignCaller
from schedc.backends.llvm.module import stage_symbol
from schedc.backends.this_machine import can_run_here
from schedc.compiler import Compilation
from schedc.errors import InternalError
from schedc.host.code import load_compilation
from schedc.host.loaded_code import CodeMemory, once_per_target
from schedc.ir.elements import FLOAT32
from schedc.ir.weights import FloatArray
from schedc.options import Options
from schedc.targets.base import Target
from schedc.targets.instruction_sets import Machine

_PAINT = b"\xff"  # as floats: NaN
_MARGIN = 256  # bytes
_MARGIN_PAINT = 0xA5


class Memory(Protocol):
    """A machine with an object loaded.

    ``float_words``: the caller's floating-point registers, see :meth:`schedc.backends.float_mode.Mode.words`.
    """

    float_words: Sequence[int]

    def alloc(self, size: int, align: int = 64) -> int: ...
    def write(self, address: int, data: bytes) -> None: ...
    def read(self, address: int, size: int) -> bytes: ...
    def call(self, symbol: str, *arguments: int) -> int: ...


class HostMachine:
    """This machine with code for ``target``; every allocation has painted margins that are checked after each call."""

    def __init__(self, code: CodeMemory, target: Target) -> None:
        self._code, self._caller = code, _foreign_caller(target)
        self._mode = target.instruction_set.mode_register
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


@once_per_target
def _foreign_caller(target: Target) -> ForeignCaller:
    return ForeignCaller(target)


def machine_for(compilation: Compilation) -> Memory:
    """This machine, if it runs the code (:func:`can_run_here`), or else the emulator, which the target must have."""
    target = compilation.options.target
    if can_run_here(target):
        return HostMachine(load_compilation(compilation), target)
    return Emulator(compilation.code.elf, Machine(target.emulator))


def caller_modes(options: Options) -> tuple[Mode, ...]:
    """The modes that callers may have set and the code must not mind."""
    if options.fp_mode is FpMode.CALLER:
        return (mode_of(options.contract),)
    return Mode(), Mode(flush=True), Mode(towards_zero=True)


@dataclass(frozen=True)
class Route:
    """Functions called one after the other for each block; each has its state, between them are handoffs."""

    what: str
    functions: tuple[str, ...]
    inits: tuple[str, ...]
    state_bytes: tuple[int, ...]
    handoff_bytes: tuple[int, ...] = ()


def routes(compilation: Compilation) -> list[Route]:
    """``NAME_process``, and if there are several the stages one after the other."""
    name = compilation.name
    found = [Route("process", (f"{name}_process",), (f"{name}_init",), (compilation.state_bytes,))]
    arenas = [stage.arena for stage in compilation.program.stages if stage.arena]
    if len(arenas) > 1:
        numbers = range(len(arenas))
        functions = tuple(stage_symbol(name, number, len(arenas)) for number in numbers)
        inits = tuple(f"{name}_stage{number}_init" for number in numbers)
        handoffs = tuple(arena.handoff_bytes for arena in arenas[:-1])
        found.append(Route("stages", functions, inits, tuple(arena.state_bytes for arena in arenas), handoffs))
    return found


class Driver:
    """A route in a machine: weights, states and buffers for ``frames`` samples, and blocks through it.

    ``modes``: the floating-point modes of the caller, a new one with each block that is played, by turns.  Samples are
    at multiples of their size, all else at multiples of 64.
    """

    def __init__(
        self,
        machine: Memory,
        compilation: Compilation,
        blob: bytes,
        route: Route,
        frames: int | None = None,
        modes: Sequence[Mode] = (),
    ) -> None:
        self.machine, self.route, options = machine, route, compilation.options
        graph = compilation.program.graph
        self.in_channels, self.out_channels = graph.in_channels, graph.out_channels
        self.frame_bytes = FLOAT32.bytes * max(self.in_channels, self.out_channels)
        self.buffer_bytes = self.frame_bytes * (frames or options.frames)
        self.weights = machine.alloc(len(blob))
        machine.write(self.weights, blob)
        self.states = [machine.alloc(size) for size in route.state_bytes]
        self.handoffs = [machine.alloc(size) for size in route.handoff_bytes]
        self.source, self.target = (machine.alloc(self.buffer_bytes, FLOAT32.bytes) for _ in range(2))
        register = options.target.instruction_set.mode_register
        self.modes = itertools.cycle([mode.words(register) for mode in modes or caller_modes(options)])
        for address, size in zip(self.states, route.state_bytes, strict=True):
            machine.write(address, _PAINT * size)  # init must not rely on zeros
        self.reset()

    def reset(self) -> None:
        """Back to where the blob starts."""
        for function, state in zip(self.route.inits, self.states, strict=True):
            code = self.machine.call(function, state, self.weights)
            if code:
                raise InternalError(f"{function} refused its own weights with code {code}")

    def calls(self, frames: int, in_place: bool = False) -> list[tuple[str, tuple[int, ...]]]:
        """The functions and their arguments that take ``frames`` samples from ``source`` to ``target``."""
        ends = [self.source, *self.handoffs, self.source if in_place else self.target]
        return [
            (function, (state, self.weights, source, target, frames))
            for function, state, (source, target) in zip(self.route.functions, self.states, pairwise(ends), strict=True)
        ]

    def call(self, frames: int, in_place: bool = False) -> None:
        """Make them."""
        for function, arguments in self.calls(frames, in_place):
            self.machine.call(function, *arguments)

    def play(self, x: FloatArray, in_place: bool = False) -> FloatArray:
        """One block [in_channels, n] to [out_channels, n]; InternalError if a call wrote where it must not."""
        n = x.shape[1]
        given = np.ascontiguousarray(x, FLOAT32.dtype).tobytes().ljust(self.buffer_bytes, _PAINT)
        self.machine.write(self.target, _PAINT * self.buffer_bytes)
        self.machine.write(self.source, given)
        for address, size in zip(self.handoffs, self.route.handoff_bytes, strict=True):
            self.machine.write(address, _PAINT * size)
        self.machine.float_words = next(self.modes)
        self.call(n, in_place)
        found = self.machine.read(self.source if in_place else self.target, self.buffer_bytes)
        used = n * (self.frame_bytes if in_place else FLOAT32.bytes * self.out_channels)
        if found[used:].strip(_PAINT):
            raise InternalError(f"{self.route.what} wrote past the {n} frames of the output")
        if not in_place and self.machine.read(self.source, self.buffer_bytes) != given:
            raise InternalError(f"{self.route.what} wrote into its input")
        samples = np.frombuffer(found, FLOAT32.dtype, self.out_channels * n)
        return samples.reshape(self.out_channels, n).astype(np.float32)
