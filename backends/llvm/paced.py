"""A native loop that calls a process function at the audio rate, as an audio driver would.

Between wake-up and return no Python runs, so what is measured is the system and the code.
"""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.target_machine import execution_engine
from schedc.errors import InternalError
from schedc.targets.base import Target

Times = npt.NDArray[np.int64]
_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_PACED = ctypes.CFUNCTYPE(None, *[_POINTER] * 5, _INT, _LONG, _LONG, _POINTER, _POINTER, _INT, _POINTER, _POINTER)

# Block i: sleep until due[i], stamp, process, stamp.  Times are struct timespec of two 64-bit words.
_IR = """
define void @paced(ptr %process, ptr %state, ptr %weights, ptr %x, ptr %y, i32 %n, i64 %stride, i64 %count,
                   ptr %sleep, ptr %clock, i32 %clock_id, ptr %due, ptr %stamps) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %due_offset = mul i64 %i, 16
  %due_at = getelementptr i8, ptr %due, i64 %due_offset
  %slept = call i32 %sleep(i32 %clock_id, i32 1, ptr %due_at, ptr null)
  %stamp_offset = mul i64 %i, 32
  %woken_at = getelementptr i8, ptr %stamps, i64 %stamp_offset
  %first = call i32 %clock(i32 %clock_id, ptr %woken_at)
  %offset = mul i64 %i, %stride
  %block = getelementptr i8, ptr %x, i64 %offset
  call void %process(ptr %state, ptr %weights, ptr %block, ptr %y, i32 %n)
  %done_at = getelementptr i8, ptr %woken_at, i64 16
  %second = call i32 %clock(i32 %clock_id, ptr %done_at)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %out
out:
  ret void
}
"""
_CLOCK_MONOTONIC = 1  # Linux


class PacedLoop:
    """The loop, compiled for ``target``, which must be this machine's (Linux)."""

    def __init__(self, target: Target) -> None:
        self._engine = execution_engine(target, _IR)
        self._paced = _PACED(self._engine.get_function_address("paced"))
        self._sleep, self._clock = _address("clock_nanosleep"), _address("clock_gettime")

    def run(
        self, process: int, state: int, weights: int, x: int, y: int, frames: int, stride: int, due_ns: Times
    ) -> tuple[Times, Times]:
        """``process(state, weights, x + i * stride, y, frames)`` at every ``due_ns[i]`` (monotonic clock).

        Returns when each call began and ended, in nanoseconds of the same clock.
        """
        count = len(due_ns)
        due = np.ascontiguousarray(np.stack(np.divmod(due_ns, 1_000_000_000), axis=1))
        stamps = np.zeros((count, 2, 2), np.int64)
        clocks = (self._sleep, self._clock, _CLOCK_MONOTONIC, due.ctypes.data, stamps.ctypes.data)
        self._paced(process, state, weights, x, y, frames, stride, count, *clocks)
        times = stamps[:, :, 0] * 1_000_000_000 + stamps[:, :, 1]
        return times[:, 0], times[:, 1]


def _address(name: str) -> int:
    """A function of the C library."""
    address = ctypes.cast(getattr(ctypes.CDLL(None), name), _POINTER).value
    if address is None:
        raise InternalError(f"the C library has no {name}")
    return address
