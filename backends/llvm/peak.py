"""Small native loops for measuring on this machine: the multiply-accumulate peak, and calls without Python.

A call from Python costs more than a block of a small model takes, so the calls are made by a loop that
is compiled here; it can take the time before each of them.
"""

from __future__ import annotations

import ctypes
import time

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.target_machine import execution_engine
from schedc.errors import InternalError
from schedc.ir.elements import FLOAT32
from schedc.targets.base import Target

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_PEAK = ctypes.CFUNCTYPE(None, _LONG, _POINTER)
_REPEAT = ctypes.CFUNCTYPE(None, *[_POINTER] * 5, _INT, _LONG, _LONG, _POINTER, _INT, _POINTER)

_REPEAT_IR = """
define void @repeat(ptr %process, ptr %state, ptr %weights, ptr %x, ptr %y, i32 %n, i64 %stride, i64 %count,
                    ptr %clock, i32 %clock_id, ptr %stamps) {
entry:
  %timed = icmp ne ptr %clock, null
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %work ]
  br i1 %timed, label %stamp, label %work
stamp:
  %stamp_offset = mul i64 %i, 16
  %stamp_at = getelementptr i8, ptr %stamps, i64 %stamp_offset
  %ignored = call i32 %clock(i32 %clock_id, ptr %stamp_at)
  br label %work
work:
  %offset = mul i64 %i, %stride
  %block = getelementptr i8, ptr %x, i64 %offset
  call void %process(ptr %state, ptr %weights, ptr %block, ptr %y, i32 %n)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  br i1 %timed, label %last, label %out
last:
  %last_offset = mul i64 %count, 16
  %last_at = getelementptr i8, ptr %stamps, i64 %last_offset
  %ignored_too = call i32 %clock(i32 %clock_id, ptr %last_at)
  br label %out
out:
  ret void
}
"""


def peak_ir(lanes: int, chains: int) -> str:
    """``peak(rounds, out)``: ``chains`` independent fused multiply-adds of ``lanes`` floats per round,
    operands in registers only.  Factors come from ``out``, so that nothing can be computed beforehand."""
    vector = f"<{lanes} x float>"
    numbers = range(chains)
    offsets = [FLOAT32.bytes * lanes * number for number in range(chains + 2)]
    lines = [f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})", ""]
    lines += ["define void @peak(i64 %rounds, ptr %out) {", "entry:"]
    for name, offset in zip(["a", "b", *(f"s{i}" for i in numbers)], offsets, strict=True):
        lines.append(f"  %{name}.at = getelementptr i8, ptr %out, i64 {offset}")
        lines.append(f"  %{name} = load {vector}, ptr %{name}.at, align 4")
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]"]
    lines += [f"  %x{i} = phi {vector} [ %s{i}, %entry ], [ %y{i}, %loop ]" for i in numbers]
    fma = f"call {vector} @llvm.fma.v{lanes}f32({vector} %a, {vector} %b, {vector}"
    lines += [f"  %y{i} = {fma} %x{i})" for i in numbers]
    lines += ["  %next = add i64 %i, 1", "  %more = icmp slt i64 %next, %rounds"]
    lines += ["  br i1 %more, label %loop, label %done", "done:"]
    lines += [f"  store {vector} %y{i}, ptr %s{i}.at, align 4" for i in numbers]
    return "\n".join([*lines, "  ret void", "}"]) + "\n"


class NativeLoops:
    """The loops, compiled for ``target``, which must be this machine's."""

    def __init__(self, target: Target) -> None:
        self._lanes = target.vectors.lanes
        self._chains = 3 * target.vectors.registers // 4  # two more hold the factors
        self._engine = execution_engine(target, peak_ir(self._lanes, self._chains) + _REPEAT_IR)
        self._peak = _PEAK(self._engine.get_function_address("peak"))
        self._repeat = _REPEAT(self._engine.get_function_address("repeat"))

    def peak_macs_per_ns(self, tries: int = 7, rounds: int = 400_000) -> float:
        """Multiply-accumulates per nanosecond of one core, the best of several tries."""
        memory = np.linspace(1e-3, 2e-3, self._lanes * (self._chains + 2), dtype=np.float32)
        best = min(self._time_peak(rounds, memory) for _ in range(tries))
        return self._lanes * self._chains * rounds / best

    def _time_peak(self, rounds: int, memory: npt.NDArray[np.float32]) -> int:
        begin = time.perf_counter_ns()
        self._peak(rounds, memory.ctypes.data)
        return time.perf_counter_ns() - begin

    def repeat(
        self, process: int, state: int, weights: int, x: int, y: int, frames: int, stride: int, count: int
    ) -> int:
        """``process(state, weights, x + i * stride, y, frames)`` for i below ``count``; nanoseconds.

        All are addresses, but ``frames`` (samples), ``stride`` (bytes) and ``count`` (at least 1).
        """
        begin = time.perf_counter_ns()
        self._repeat(process, state, weights, x, y, frames, stride, count, None, 0, None)
        return time.perf_counter_ns() - begin

    def repeat_timed(
        self, process: int, state: int, weights: int, x: int, y: int, frames: int, stride: int, count: int
    ) -> npt.NDArray[np.int64]:
        """As ``repeat``; nanoseconds of each call, [count].  Each includes reading the clock once."""
        stamps = np.zeros((count + 1, 2), np.int64)
        clock_id = time.CLOCK_MONOTONIC
        self._repeat(
            process, state, weights, x, y, frames, stride, count, _clock_address(), clock_id, stamps.ctypes.data
        )
        times: npt.NDArray[np.int64] = np.diff(stamps[:, 0] * 1_000_000_000 + stamps[:, 1])
        return times


def _clock_address() -> int:
    """The C library's ``clock_gettime`` (POSIX, 64-bit ``timespec``)."""
    address = ctypes.cast(ctypes.CDLL(None).clock_gettime, _POINTER).value
    if address is None:
        raise InternalError("the C library has no clock_gettime")
    return address
