"""Compiled code of this machine, in memory and callable; shared by everything that runs it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Protocol, TypeVar

from schedc.backends.llvm.stage_runner import RUN_SYMBOL, WAIT_SYMBOL
from schedc.backends.this_machine import can_run_here
from schedc.errors import InternalError, UnsupportedError
from schedc.host.executable_memory import MappedCode, can_map
from schedc.host.job_table import RUN_TYPE, WAIT_TYPE
from schedc.targets.base import Target

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_PROCESS = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER, _POINTER, _INT)
_INIT = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)


@dataclass(frozen=True)
class CodeShape:
    """What callers must know of the code: names, and sizes of everything that is handed to it.

    ``stage_states``: where each stage's state begins in the single-core state; ``handoffs``: bytes that
    each stage writes for the next, 0 for the last.
    """

    name: str
    block: int  # frames
    in_channels: int
    out_channels: int
    state_bytes: int
    stage_states: tuple[int, ...]
    handoffs: tuple[int, ...]


class CodeMemory(Protocol):
    """Where functions are."""

    def address(self, symbol: str) -> int: ...


class LoadedCode:
    """The functions of finished objects: the capture's and the stage runner's.  Calls release the GIL.

    Raises UnsupportedError for code that this machine's processor may not execute, wherever it comes from.
    """

    def __init__(self, objects: Sequence[bytes], shape: CodeShape, target: Target) -> None:
        if not can_run_here(target):
            fault = "this machine's processor does not execute all that its code may use"
            raise UnsupportedError(target.name, fault, "use the target host")
        self.shape = shape
        self._memory = load_objects(objects, target)
        count = len(shape.stage_states)
        names = [f"{shape.name}_stage{k}" for k in range(count)] if count > 1 else [f"{shape.name}_process"]
        self.stages = [self.address(name) for name in names]
        self.process_address = self.address(f"{shape.name}_process")
        self.process = _PROCESS(self.process_address)
        self.init = _INIT(self.address(f"{shape.name}_init"))
        self.run = RUN_TYPE(self.address(RUN_SYMBOL))
        self.wait = WAIT_TYPE(self.address(WAIT_SYMBOL))

    def address(self, symbol: str) -> int:
        """Where an exported function is."""
        address = self._memory.address(symbol)
        if not address:
            raise InternalError(f"the loaded object has no {symbol}")
        return address


T = TypeVar("T")


def once_per_target(make: Callable[[Target], T]) -> Callable[[Target], T]:
    """``make``, its results kept for the process; a target holds tables, which do not hash."""
    kept: dict[str, T] = {}

    @wraps(make)
    def find(target: Target) -> T:
        key = repr(target)
        if key not in kept:
            kept[key] = make(target)
        return kept[key]

    return find


def load_objects(objects: Sequence[bytes], target: Target) -> CodeMemory:
    """Mapped by ourselves where the system lets us, which takes no LLVM; else by LLVM's loader."""
    if can_map():
        with suppress(OSError):
            return MappedCode(objects)
    from schedc.backends.llvm.mcjit import McjitCode

    return McjitCode(objects, target)
