"""Reading and writing the registers that hold the floating-point mode and its exception flags.

LLVM does not know that arithmetic depends on them.  So a function that writes them calculates nothing itself:
it calls functions that do, and no call is moved past another one that may touch memory, as these intrinsics may.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from schedc.backends.float_mode import Mode
from schedc.backends.llvm.builder import I32, PTR, VOID, Builder, Value
from schedc.targets.base import Target
from schedc.targets.instruction_sets import ModeRegister

_I64 = ir.IntType(64)
# Register -> the pairs of intrinsics that read and write the mode, then the flags if those are elsewhere.
_INTRINSICS = {
    ModeRegister.FPSCR: (("llvm.arm.get.fpscr", "llvm.arm.set.fpscr"),),
    ModeRegister.FPCR: (
        ("llvm.aarch64.get.fpcr", "llvm.aarch64.set.fpcr"),
        ("llvm.aarch64.get.fpsr", "llvm.aarch64.set.fpsr"),
    ),
}


class FloatRegisters:
    """The mode register of ``target``, and the one with the flags, inside the function that ``b`` builds."""

    def __init__(self, b: Builder, target: Target) -> None:
        self._b = b
        self._register = target.instruction_set.mode_register
        self.integer: ir.Type = _I64 if self._register is ModeRegister.FPCR else I32
        self.count = len(_INTRINSICS.get(self._register, [self._register]))

    def run_in(self, mode: Mode | None, body: Callable[[], None]) -> None:
        """What ``body`` emits, in ``mode``; then the registers are as before, flags included.  None: just ``body``."""
        if mode is None:
            body()
            return
        saved = self.read()
        self.write([ir.Constant(self.integer, mode.word(self._register))])
        body()
        self.write(saved)

    def read(self) -> list[Value]:
        """The mode, and the flags if they are in another register."""
        if self._register is ModeRegister.MXCSR:
            slot = self._slot()
            self._call("llvm.x86.sse.stmxcsr", VOID, [slot])
            return [self._b.load(slot, I32)]
        return [self._call(get, self.integer, []) for get, _ in _INTRINSICS[self._register]]

    def write(self, values: list[Value]) -> None:
        """The mode, or both."""
        if self._register is ModeRegister.MXCSR:
            slot = self._slot()
            self._b.store(values[0], slot)
            self._call("llvm.x86.sse.ldmxcsr", VOID, [slot])
            return
        for value, (_, put) in zip(values, _INTRINSICS[self._register], strict=False):
            self._call(put, VOID, [value])

    def _slot(self) -> Value:
        """Room for a word on the stack: MXCSR is loaded from memory and stored to it."""
        return self._b.ir.alloca(I32)

    def _call(self, name: str, result: ir.Type, arguments: list[Value]) -> Value:
        kind = ir.FunctionType(result, [PTR if value.type.is_pointer else value.type for value in arguments])
        return self._b.ir.call(self._b.function.module.declare_intrinsic(name, fnty=kind), arguments)
