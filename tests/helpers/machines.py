"""Compiled code on its machine: this one through the JIT, the others in the emulator."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schedc.backends.emulator.emulator import Emulator, Machine
from schedc.backends.float_mode import Mode, lost_mode, mode_register
from schedc.backends.llvm.foreign_caller import ForeignCaller
from schedc.backends.llvm.module import state_layout
from schedc.backends.llvm.target_machine import execution_engine
from schedc.backends.this_machine import can_run_here
from schedc.compiler import Compilation
from schedc.ir.weights import FloatArray
from schedc.targets.base import load_target
from schedc.verification import caller_modes

FOREIGN = ("m33", "a8", "aarch64")


def native_targets() -> tuple[str, ...]:
    """The x86 targets that this machine's processor can run."""
    return tuple(name for name in ("avx2", "avx512") if can_run_here(load_target(name)))


TARGETS = (*native_targets(), *FOREIGN)


class Memory(Protocol):
    """A machine with an object: allocate, copy, call.  ``float_words``: the caller's floating-point registers."""

    float_words: Sequence[int]

    def alloc(self, size: int, align: int = 64) -> int: ...
    def write(self, address: int, data: bytes) -> None: ...
    def read(self, address: int, size: int) -> bytes: ...
    def call(self, symbol: str, *arguments: int) -> int: ...


class Native:
    """This machine, with the emulator's interface; painted margins around every allocation."""

    _MARGIN = 256

    def __init__(self, compilation: Compilation) -> None:
        target = compilation.options.target
        self._caller, self._mode = ForeignCaller(target), mode_register(target)
        self.float_words: Sequence[int] = Mode().words(self._mode)
        self._engine = execution_engine(target, objects=[compilation.code.elf])
        self._blocks: dict[int, tuple[npt.NDArray[np.uint8], int, int]] = {}

    def alloc(self, size: int, align: int = 64) -> int:
        memory = np.full(size + 2 * self._MARGIN + align, 0xA5, np.uint8)
        begin = self._MARGIN + -(memory.ctypes.data + self._MARGIN) % align
        memory[begin : begin + size] = 0
        address = int(memory.ctypes.data) + begin
        self._blocks[address] = (memory, begin, size)
        return address

    def write(self, address: int, data: bytes) -> None:
        memory, begin, size = self._blocks[address]
        assert len(data) <= size
        memory[begin : begin + len(data)] = np.frombuffer(data, np.uint8)

    def read(self, address: int, size: int) -> bytes:
        memory, begin, _ = self._blocks[address]
        return memory[begin : begin + size].tobytes()

    def address(self, symbol: str) -> int:
        return int(self._engine.get_function_address(symbol))

    def call(self, symbol: str, *arguments: int) -> int:
        address = self.address(symbol)
        assert address, f"no symbol {symbol}"
        before = self.float_words
        result, self.float_words = self._caller.call(address, arguments, before)
        assert not lost_mode(self._mode, before[0], self.float_words[0]), symbol
        for memory, begin, size in self._blocks.values():
            margins = np.concatenate([memory[:begin], memory[begin + size :]])
            assert (margins == 0xA5).all(), f"{symbol} wrote beside an allocation of {size} bytes"
        return result


def machine_for(compilation: Compilation) -> Memory:
    target = compilation.options.target
    return Emulator(compilation.code.elf, Machine(target.emulator)) if target.emulator else Native(compilation)


def cut_blocks(total: int, most: int, seed: int = 0) -> list[int]:
    """Block sizes that add up to ``total``: 1, the largest, and random ones in between."""
    rng = np.random.default_rng(seed)
    sizes: list[int] = []
    while sum(sizes) < total:
        wanted = [1, most, most - 1, 2][len(sizes)] if len(sizes) < 4 else int(rng.integers(1, most + 1))
        sizes.append(min(max(wanted, 1), most, total - sum(sizes)))
    return sizes


class Loaded:
    """One capture's code, weights and state on a machine; ``process`` is ``NAME_process``.

    ``modes``: the floating-point modes of the caller, one after the other, a new one with each block.
    """

    def __init__(self, compilation: Compilation, blob: bytes, machine: Memory | None = None) -> None:
        self.compilation, self.machine = compilation, machine or machine_for(compilation)
        graph = compilation.program.graph
        self.inputs = sum(node.channels for node in graph.inputs)
        self.outputs = sum(node.op.operand_channels[0] for node in graph.outputs)
        self.weights = self.machine.alloc(len(blob))
        self.machine.write(self.weights, blob)
        self.state = self._state(compilation.state_bytes)
        frames = compilation.options.frames
        self.source = self.machine.alloc(4 * frames * self.inputs, 4)
        self.target = self.machine.alloc(4 * frames * self.outputs, 4)
        self.modes: Sequence[Mode] = modes_of_the_suite() or caller_modes(compilation.options)
        self.reset()

    def _state(self, size: int) -> int:
        """State memory with rubbish in it: init must not rely on zeros."""
        address = self.machine.alloc(size)
        self.machine.write(address, b"\xff\x7f\xc1\xff" * (size // 4))
        return address

    def reset(self) -> None:
        assert self.machine.call(f"{self.compilation.name}_init", self.state, self.weights) == 0

    def block(self, n: int) -> None:
        name = f"{self.compilation.name}_process"
        self.machine.call(name, self.state, self.weights, self.source, self.target, n)

    def process(self, x: FloatArray, blocks: Sequence[int]) -> FloatArray:
        """``x`` [channels, n] in calls of ``blocks`` samples."""
        assert sum(blocks) == x.shape[1]
        parts = []
        register = mode_register(self.compilation.options.target)
        for (begin, n), mode in zip(_spans(blocks), itertools.cycle(self.modes), strict=False):
            self.machine.float_words = mode.words(register)
            self.machine.write(self.source, np.ascontiguousarray(x[:, begin : begin + n]).tobytes())
            self.block(n)
            raw = self.machine.read(self.target, 4 * n * self.outputs)
            parts.append(np.frombuffer(raw, np.float32).reshape(self.outputs, n))
        return np.concatenate(parts, axis=1)


class LoadedStages(Loaded):
    """The same through ``NAME_stageK``, each with a state of its own, handoffs in a buffer of their own."""

    def reset(self) -> None:
        arenas = [stage.arena for stage in self.compilation.program.stages if stage.arena]
        self.states = [self._state(arena.state_bytes) for arena in arenas]
        self.handoffs = [self.machine.alloc(arena.handoff_bytes) for arena in arenas[:-1]]
        assert len(state_layout(self.compilation.program).stages) == len(arenas)
        for number, state in enumerate(self.states):
            assert self.machine.call(f"{self.compilation.name}_stage{number}_init", state, self.weights) == 0

    def block(self, n: int) -> None:
        ends = [self.source, *self.handoffs, self.target]
        for number, state in enumerate(self.states):
            name = f"{self.compilation.name}_stage{number}"
            self.machine.call(name, state, self.weights, ends[number], ends[number + 1], n)


def modes_of_the_suite() -> Sequence[Mode]:
    """SCHEDC_CALLER_MODE=flush or towards_zero: that one everywhere; else nothing."""
    wanted = os.environ.get("SCHEDC_CALLER_MODE")
    return (Mode(**{wanted: True}),) if wanted else ()


def _spans(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for n in blocks:
        yield begin, n
        begin += n


def assert_same_bits(found: FloatArray, wanted: FloatArray, what: str = "") -> None:
    """Equal bits, except that any NaN equals any other."""
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, wanted {wanted.shape}"
    same = (found.view(np.uint32) == wanted.view(np.uint32)) | (np.isnan(found) & np.isnan(wanted))
    if not same.all():
        channel, frame = np.argwhere(~same)[0]
        raise AssertionError(
            f"{what}: {np.count_nonzero(~same)} of {same.size} differ, first at channel {channel}, sample {frame}: "
            f"{found[channel, frame]!r}, wanted {wanted[channel, frame]!r}"
        )
