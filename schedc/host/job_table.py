"""Jobs for the machine code of :mod:`schedc.backends.llvm.stage_runner`: memory, job words, blocks of samples."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.stage_runner import JobWord

FloatArray = npt.NDArray[np.float32]
RUN_TYPE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
WAIT_TYPE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)

LINE = 64  # bytes: counters on one cache line would slow each other down
_JOB_BYTES = -(-8 * len(JobWord) // LINE) * LINE


def aligned_bytes(size: int) -> npt.NDArray[np.uint8]:
    """Zeroed memory, 64-byte aligned."""
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size]


class JobTable:
    """The jobs of ``count`` stages and their counters.

    Counters, each on its own line: finished blocks of stages 0 to count - 1, submitted blocks, stop word.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        jobs, counters = aligned_bytes(_JOB_BYTES * count), aligned_bytes(LINE * (count + 2))
        self._jobs_at, self._counters_at = int(jobs.ctypes.data), int(counters.ctypes.data)
        # Items of a memoryview are read and written in a tenth of the time that NumPy takes.
        self._jobs, self._counters = jobs.data.cast("Q"), counters.data.cast("q")

    @property
    def submitted_line(self) -> int:
        return self.count

    @property
    def stop_line(self) -> int:
        return self.count + 1

    def counter_address(self, line: int) -> int:
        return self._counters_at + LINE * line

    def counter(self, line: int) -> int:
        """A look from Python: a hint, not a synchronisation."""
        return self._counters[LINE // 8 * line]

    def set_counter(self, line: int, value: int) -> None:
        self._counters[LINE // 8 * line] = value

    def job_address(self, stage: int) -> int:
        return self._jobs_at + _JOB_BYTES * stage

    def word(self, stage: int, word: JobWord) -> int:
        return self._jobs[_JOB_BYTES // 8 * stage + word]

    def set_words(self, stage: int, words: Mapping[JobWord, int]) -> None:
        """Addresses and numbers modulo 2**64: a mask of -1 leaves the block's number as it is."""
        for word, value in words.items():
            self._jobs[_JOB_BYTES // 8 * stage + word] = value % 2**64


def to_blocks(rows: FloatArray, block: int) -> FloatArray:
    """[channels, blocks * block] -> [blocks, channels, block], C order; no copy for one channel."""
    channels, frames = rows.shape
    return np.ascontiguousarray(rows.reshape(channels, frames // block, block).transpose(1, 0, 2))


def from_blocks(blocks: FloatArray) -> FloatArray:
    """The reverse of :func:`to_blocks`."""
    return blocks.transpose(1, 0, 2).reshape(blocks.shape[1], -1)
