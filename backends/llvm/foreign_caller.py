"""Calling code of this machine as a caller does whose floating-point registers hold something else than ours.

Between the two no Python runs, so nothing of this process is calculated in a foreign mode.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import PTR, VOID, Builder, internal_function
from schedc.backends.llvm.float_registers import FloatRegisters
from schedc.backends.llvm.target_machine import execution_engine
from schedc.targets.base import Target

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_CALL = """
define i32 @call_from_elsewhere(ptr %function, ptr %words, ptr %a, ptr %b, ptr %c, ptr %d, i32 %n) nounwind {
  %ours = alloca [2 x i64]
  call void @keep(ptr %ours)
  call void @set(ptr %words)
  %result = call i32 %function(ptr %a, ptr %b, ptr %c, ptr %d, i32 %n)
  call void @keep(ptr %words)
  call void @set(ptr %ours)
  ret i32 %result
}
"""
_PROTOTYPE = ctypes.CFUNCTYPE(_INT, *[_POINTER] * 6, _INT)


class ForeignCaller:
    """Calls code of ``target``, which must be this machine's."""

    def __init__(self, target: Target) -> None:
        module = ir.Module("foreign_caller")
        module.triple = target.codegen.triple
        for name in ("keep", "set"):
            _emit(internal_function(module, ir.FunctionType(VOID, [PTR]), name), target)
        self._engine = execution_engine(target, f"{module}{_CALL}")
        self._call = _PROTOTYPE(self._engine.get_function_address("call_from_elsewhere"))

    def call(self, address: int, arguments: Sequence[int], words: Sequence[int]) -> tuple[int, Sequence[int]]:
        """Call the function at ``address`` with up to four pointers, then perhaps an int.

        ``words``: the caller's floating-point registers.  Returns the function's int and the registers after it.
        """
        pointers = [*arguments[:4], *[None] * (4 - len(arguments[:4]))]
        registers = (ctypes.c_uint64 * 2)(*words)
        result = self._call(address, ctypes.addressof(registers), *pointers, *arguments[4:] or (0,))
        return int(result), tuple(registers[: len(words)])


def _emit(function: ir.Function, target: Target) -> None:
    """``keep`` stores the registers to eight bytes each, ``set`` loads them from there."""
    b = Builder(function, target.codegen.pointer_bits, 1)
    registers = FloatRegisters(b, target)
    (memory,) = function.args
    places = [b.at(memory, 8 * index) for index in range(registers.count)]
    if function.name == "set":
        registers.write([b.load(place, registers.integer) for place in places])
    else:
        for place, value in zip(places, registers.read(), strict=True):
            b.store(value, place)
    b.ir.ret_void()
