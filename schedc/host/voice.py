"""One capture sounding: shared code, shared weights, a state of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.stage_runner import JobWord, RunResult
from schedc.errors import InternalError
from schedc.host.job_table import FloatArray, JobTable, aligned_bytes, from_blocks, to_blocks
from schedc.host.loaded_code import LoadedCode
from schedc.host.stage_threads import StageCode, StageThreads, StageWaits, ThreadedCode
from schedc.host.weights import Weights
from schedc.ir.elements import FLOAT32

_STRETCH_BLOCKS = 1024  # per call of machine code, so that an interrupt from the keyboard is heard
_PIECE_FRAMES = 65536  # likewise, with threads


class Voice:
    """A capture with its state, initialised; with several cores also its threads.

    One thread at a time may process.
    """

    def __init__(self, code: LoadedCode, weights: Weights) -> None:
        self.code = code
        self.state: npt.NDArray[np.uint8] = aligned_bytes(code.shape.state_bytes)
        self.threads: StageThreads | None = None
        self._state_address = int(self.state.ctypes.data)
        self._jobs = self._single_job()
        self.restart(weights)

    def restart(self, weights: Weights) -> None:
        """From silence with these weights; only for a voice that nobody plays."""
        self.close()
        self._torn = False
        self.weights = weights
        result = self.code.init(self._state_address, weights.address)
        if result:
            raise InternalError(f"init refused its own weight blob with code {result}")
        self.threads = self._stage_threads() if len(self.code.stages) > 1 else None

    # -- any thread ----------------------------------------------------------------------

    def interrupt(self) -> None:
        """Make ``process`` return at the next block boundary, if it is under way."""
        self._jobs.set_counter(self._jobs.stop_line, 1)

    def close(self) -> None:
        """End the threads, if there are any."""
        if self.threads:
            self.threads.close()

    @property
    def broken(self) -> bool:
        """Whether nobody can tell how far it has got: only :meth:`restart` helps."""
        return self._torn or (self.threads is not None and self.threads.closed)

    def after_fork(self, in_use: bool) -> None:
        """In the new process; ``in_use``: another thread was processing, which this process does not have."""
        self._torn = in_use
        if self.threads:
            self.threads.after_fork()

    @property
    def waits(self) -> list[StageWaits]:
        return self.threads.waits if self.threads else []

    # -- the processing thread -------------------------------------------------------------

    def listen(self) -> None:
        """From here on an interrupt is heard; what was before is forgotten."""
        self._jobs.set_counter(self._jobs.stop_line, 0)

    def process(self, rows: FloatArray, out: FloatArray) -> int:
        """[in_channels, n] to [out_channels, n], any n; returns how many samples are done.

        These are all, unless there was an interrupt; then whole blocks, at least one.
        """
        if self.threads is None:
            return self._alone(rows, out)
        count: int = min(rows.shape[1], _PIECE_FRAMES)
        out[:, :count] = self.threads.process(np.ascontiguousarray(rows[:, :count]))
        return count

    def _alone(self, rows: FloatArray, out: FloatArray) -> int:
        """On this thread: whole blocks by few calls, then what is left."""
        count: int = rows.shape[1]
        block = self.code.shape.block
        if count > block:
            stretch = min(count // block, _STRETCH_BLOCKS) * block
            return self._blocks(rows[:, :stretch], out[:, :stretch])
        x = np.ascontiguousarray(rows)
        y = out if out.flags.c_contiguous else np.empty(out.shape, np.float32)
        self.code.process(self._state_address, self.weights.address, x.ctypes.data, y.ctypes.data, count)
        if y is not out:
            out[:] = y
        return count

    def _blocks(self, rows: FloatArray, out: FloatArray) -> int:
        """Whole blocks, one after the other, in machine code."""
        jobs, block = self._jobs, self.code.shape.block
        x, y = to_blocks(rows, block), _target(out, block)
        addresses = {JobWord.SOURCE: x.ctypes.data, JobWord.TARGET: y.ctypes.data}
        jobs.set_words(0, {JobWord.WEIGHTS: self.weights.address, **addresses})
        jobs.set_counter(0, 0)
        jobs.set_counter(jobs.submitted_line, len(x))
        if self.code.run(jobs.job_address(0), len(x)) == RunResult.GAVE_UP:
            raise InternalError("a run of blocks ended early")
        done = jobs.counter(0)
        _deliver(y[:done], out[:, : done * block])
        return done * block

    # -- set up ----------------------------------------------------------------------------

    def _stage_threads(self) -> StageThreads:
        shape = self.code.shape
        states = (self._state_address + offset for offset in shape.stage_states)
        stages = [StageCode(*parts) for parts in zip(self.code.stages, states, shape.handoffs, strict=True)]
        keep = (self.code, self.state, self.weights)
        code = ThreadedCode(stages, self.weights.address, self.code.run, self.code.wait, keep)
        return StageThreads(code, shape.block, shape.in_channels, shape.out_channels)

    def _single_job(self) -> JobTable:
        """The job of :meth:`_blocks`, but for the addresses of samples and weights: one stage, never held up."""
        jobs, shape = JobTable(1), self.code.shape
        own = jobs.counter_address(0)
        words = {
            JobWord.STAGE: self.code.process_address,
            JobWord.STATE: self._state_address,
            JobWord.SOURCE_STRIDE: FLOAT32.bytes * shape.in_channels * shape.block,
            JobWord.SOURCE_MASK: -1,
            JobWord.TARGET_STRIDE: FLOAT32.bytes * shape.out_channels * shape.block,
            JobWord.TARGET_MASK: -1,
            JobWord.BEFORE: jobs.counter_address(jobs.submitted_line),
            JobWord.AFTER: own,
            JobWord.OWN: own,
            JobWord.CAPACITY: 1,
            JobWord.FRAMES: shape.block,
            JobWord.STOP: jobs.counter_address(jobs.stop_line),
            JobWord.SPINS: 1,
        }
        jobs.set_words(0, words)
        return jobs


def _target(out: FloatArray, block: int) -> FloatArray:
    """Memory for [blocks, channels, block]: ``out`` itself where it already lies like that."""
    channels, frames = out.shape
    if channels == 1 and out.flags.c_contiguous:
        return out.reshape(frames // block, 1, block)
    return np.empty((frames // block, channels, block), np.float32)


def _deliver(blocks: FloatArray, out: FloatArray) -> None:
    """Copy blocks to ``out`` unless they were made there."""
    if not np.may_share_memory(blocks, out):
        out[:] = from_blocks(blocks)
