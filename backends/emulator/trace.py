"""The order in which an emulated call runs its basic blocks, for the static analyser."""

from __future__ import annotations

import math
from typing import Any

import unicorn

from schedc.backends.emulator.emulator import Emulator
from schedc.targets.instruction_sets import Machine

_UNICORN: Any = unicorn


class TracingEmulator(Emulator):
    """An emulator that records blocks while ``tracing``; addresses count from the start of the code.

    A call of more than ``most_blocks`` blocks is taken for an endless loop.
    """

    def __init__(self, elf: bytes, machine: Machine, most_blocks: float = math.inf) -> None:
        super().__init__(elf, machine)
        self._base = min(value & ~1 for value in self._symbols.values()) & -4096
        self._trace: list[tuple[int, int]] = []
        self._most_blocks, self._blocks_left = most_blocks, most_blocks
        self.tracing = False
        self._uc.ctl_flush_tb()  # a block translated before the hook would never be seen
        self._uc.hook_add(_UNICORN.UC_HOOK_BLOCK, self._on_trace)

    def _on_trace(self, uc: Any, address: int, size: int, data: Any) -> None:
        self._blocks_left -= 1
        if self._blocks_left < 0:
            uc.emu_stop()
        elif self.tracing:
            self._trace.append((address - self._base, size))

    def call(self, symbol: str, *arguments: int) -> int:
        self._blocks_left = self._most_blocks
        return super().call(symbol, *arguments)

    def traced(self, symbol: str, *arguments: int) -> list[tuple[int, int]]:
        """Call ``symbol``; returns (offset, bytes) of the blocks it ran, in order."""
        self._trace, self.tracing = [], True
        try:
            self.call(symbol, *arguments)
        finally:
            self.tracing = False
        return self._trace
