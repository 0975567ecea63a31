"""A capture's stages on several threads of this machine: the same bits, a constant lag.

Samples are gathered into blocks of a fixed size.  The thread that calls ``process`` runs stage 0;
every later stage has a thread, which runs its blocks in machine code without the GIL
(:mod:`schedc.backends.llvm.stage_runner`) and sleeps when nothing is left to do.  The stages work at the
same time, within a call on different blocks, between calls on what the last call left:

    output[k] = single-core output[k - latency],  latency = (stages - 1) * block

The first ``latency`` samples are 0.  A block not yet full waits inside that lag, so every call
returns as many samples as it was given, whatever their number.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from schedc.backends.llvm.stage_runner import JobWord, RunResult
from schedc.errors import InternalError
from schedc.host.job_table import FloatArray, JobTable, aligned_bytes, from_blocks, to_blocks

# A ring of handoffs is deep enough to bridge a time slice that another program takes, and fits the L2 cache.
_RING_BYTES, _LEAST_SLOTS, _MOST_SLOTS = 256 * 1024, 4, 256
_CHUNK_FRAMES = 65536  # handed to the stages at once: bounds the output ring, hides Python's share
_SPINS = 2000  # some 50 microseconds: longer than Python needs between two calls, shorter than a time slice
_ENDLESS = 2**62
_PATIENCE = 20  # fruitless turns before a waiting thread sleeps instead of yielding


@dataclass(frozen=True)
class StageCode:
    """One stage: addresses of its process function and state, bytes of the handoff it writes (0: last)."""

    function: int
    state: int
    handoff_bytes: int


@dataclass(frozen=True)
class ThreadedCode:
    """Everything that runs.  ``keep`` holds what the addresses point into."""

    stages: Sequence[StageCode]
    weights: int
    run: Callable[[int, int], int]
    wait: Callable[[int, int, int, int], int]
    keep: Sequence[object]


@dataclass(frozen=True)
class StageWaits:
    """How often a stage found nothing to read (starved), or no room to write (blocked)."""

    starved: int
    blocked: int


def ring_slots(handoff_bytes: int) -> int:
    """How many handoffs a ring holds: a power of two."""
    fitting = max(1, _RING_BYTES // handoff_bytes)
    return max(_LEAST_SLOTS, min(_MOST_SLOTS, 1 << (fitting.bit_length() - 1)))


class StageThreads:
    """The threads of one capture's stages, from the first block to ``close``, and the rings between them.

    Not to be used by two threads at once.  ``process`` raises InternalError if a stage's thread
    failed; after that, or after a KeyboardInterrupt in it, only new ones go on.
    """

    def __init__(self, code: ThreadedCode, block: int, in_channels: int, out_channels: int) -> None:
        if len(code.stages) < 2:
            raise InternalError("a pipeline has at least two stages")
        self.latency_samples = (len(code.stages) - 1) * block
        self._block = block
        self._chunk = max(2 * len(code.stages), _CHUNK_FRAMES // block) * block
        slots = 1 << (self._chunk // block + len(code.stages)).bit_length()
        self._output = np.zeros((slots, out_channels, block), np.float32)
        self._shared = _Shared(code, block, in_channels, self._output)
        self._pending = np.zeros((in_channels, 0), np.float32)
        self._taken = 0  # samples taken from the caller so far
        self._close: weakref.finalize[[_Shared], StageThreads] = weakref.finalize(self, _Shared.shut_down, self._shared)

    @property
    def closed(self) -> bool:
        return not self._close.alive

    @property
    def waits(self) -> list[StageWaits]:
        """Per stage, since the start; exact only between calls."""
        return self._shared.waits()

    def close(self) -> None:
        """Stop the threads and wait for their end.  Also done at garbage collection and at exit."""
        self._close()

    def after_fork(self) -> None:
        """In the new process: closed, if it had threads, which are not there, nor may they have finished a block."""
        if self._shared.threads:
            self._close.detach()

    def process(self, rows: FloatArray) -> FloatArray:
        """float32 [in_channels, n], C order -> [out_channels, n], ``latency_samples`` late."""
        if self.closed:
            raise InternalError("the pipeline is closed")
        result = np.zeros((self._output.shape[1], rows.shape[1]), np.float32)
        try:
            begin = 0
            while begin < rows.shape[1]:
                end = min(rows.shape[1], begin + self._chunk - self._pending.shape[1])
                self._feed(rows[:, begin:end])
                self._collect(result[:, begin:end])
                begin = end
        except BaseException:
            self.close()  # what is under way can no longer be told from what is not
            raise
        return result

    def _feed(self, piece: FloatArray) -> None:
        """Run stage 0 on all blocks that ``piece`` completes; keep the rest."""
        staged = np.concatenate([self._pending, piece], axis=1) if self._pending.size else piece
        blocks = staged.shape[1] // self._block
        whole, self._pending = np.split(staged, [blocks * self._block], axis=1)
        self._pending = self._pending.copy()  # the caller may overwrite his
        self._taken += piece.shape[1]
        if blocks:
            self._shared.submit(to_blocks(whole, self._block))

    def _collect(self, result: FloatArray) -> None:
        """The samples due now, once the last stage has made them."""
        end = self._taken - self.latency_samples
        begin = max(0, end - result.shape[1])
        if end <= begin:
            return
        first, last = begin // self._block, -(-end // self._block)
        self._shared.wait_for_output(last)
        slots = len(self._output)
        low, high = first % slots, first % slots + last - first
        parts = [self._output[low:high], self._output[: max(0, high - slots)]]
        flat = [from_blocks(part) for part in parts]
        rows = np.concatenate(flat, axis=1) if flat[1].size else flat[0]
        skip = begin - first * self._block
        result[:, result.shape[1] - (end - begin) :] = rows[:, skip : skip + end - begin]


@dataclass
class _Shared:
    """What the threads share.  They hold this, never the :class:`StageThreads`, so that those can be collected."""

    code: ThreadedCode
    block: int
    in_channels: int
    output: FloatArray
    threads: list[threading.Thread] = field(default_factory=list)
    submitted: int = 0  # blocks; guarded by ``changed``
    stopping: bool = False  # likewise
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        count = len(self.code.stages)
        self.changed = threading.Condition()
        self.source: FloatArray = np.zeros(0, np.float32)
        handoffs = [stage.handoff_bytes for stage in self.code.stages[:-1]]
        self.slots = [ring_slots(size) for size in handoffs]
        self.rings = [aligned_bytes(slots * size) for slots, size in zip(self.slots, handoffs, strict=True)]
        self.private = [aligned_bytes(size) for size in handoffs]
        self.table = JobTable(count)
        for stage in range(count):
            self.table.set_words(stage, self.job(stage))

    # -- the stages' jobs --------------------------------------------------------------

    def job(self, stage: int) -> dict[JobWord, int]:
        """The words that stay as they are; stage 0's source is set by ``submit``."""
        code, last, table = self.code.stages[stage], len(self.code.stages) - 1, self.table
        words = {
            JobWord.STAGE: code.function,
            JobWord.STATE: code.state,
            JobWord.WEIGHTS: self.code.weights,
            JobWord.BEFORE: table.counter_address(stage - 1 if stage else table.submitted_line),
            JobWord.AFTER: table.counter_address(min(stage + 1, last)),
            JobWord.OWN: table.counter_address(stage),
            JobWord.CAPACITY: 1 if stage == last else self.slots[stage],
            JobWord.FRAMES: self.block,
            JobWord.STOP: table.counter_address(table.stop_line),
            JobWord.SPINS: _SPINS,
        }
        if stage:
            words[JobWord.SOURCE] = self.rings[stage - 1].ctypes.data
            words[JobWord.SOURCE_STRIDE] = self.code.stages[stage - 1].handoff_bytes
            words[JobWord.SOURCE_MASK] = self.slots[stage - 1] - 1
        if stage < last:
            words[JobWord.TARGET] = self.rings[stage].ctypes.data
            words[JobWord.TARGET_STRIDE] = code.handoff_bytes
            words[JobWord.TARGET_MASK] = self.slots[stage] - 1
            words[JobWord.PRIVATE] = self.private[stage].ctypes.data
        else:
            words[JobWord.TARGET] = self.output.ctypes.data
            words[JobWord.TARGET_STRIDE] = self.output[0].nbytes
            words[JobWord.TARGET_MASK] = len(self.output) - 1
        return words

    def waits(self) -> list[StageWaits]:
        word = self.table.word
        return [StageWaits(word(k, JobWord.STARVED), word(k, JobWord.BLOCKED)) for k in range(self.table.count)]

    # -- the calling thread --------------------------------------------------------------

    def submit(self, source: FloatArray) -> None:
        """Hand over blocks, [blocks, in_channels, block], and run stage 0 on them."""
        stride = source[0].nbytes
        self.source = source  # stage 0 has read it all when this returns
        first = source.ctypes.data - stride * self.submitted
        words = {JobWord.SOURCE: first, JobWord.SOURCE_STRIDE: stride, JobWord.SOURCE_MASK: -1}
        self.table.set_words(0, words)
        with self.changed:
            self.submitted += len(source)
            self.table.set_counter(self.table.submitted_line, self.submitted)
            self.changed.notify_all()
        self.start()
        self.persist(lambda: self.code.run(self.table.job_address(0), self.submitted))

    def wait_for_output(self, blocks: int) -> None:
        """Until the last stage has finished ``blocks`` blocks since the start."""
        counter = self.table.counter_address(self.table.count - 1)
        stop = self.table.counter_address(self.table.stop_line)
        self.persist(lambda: self.code.wait(counter, blocks, _SPINS, stop))

    def persist(self, step: Callable[[], int]) -> None:
        """Repeat ``step`` until it has finished; raise if the threads were stopped under it."""
        turns = 0
        while (result := step()) != RunResult.FINISHED:
            if result == RunResult.STOPPED or self.failure:
                raise InternalError(f"a stage of the pipeline failed: {self.failure!r}") from self.failure
            turns += 1
            time.sleep(0 if turns < _PATIENCE else 1e-4)

    def start(self) -> None:
        """Start the threads, once."""
        for stage in range(1 + len(self.threads), len(self.code.stages)):
            thread = threading.Thread(target=self.work, args=(stage,), name=f"schedc-stage{stage}", daemon=True)
            thread.start()
            self.threads.append(thread)

    def shut_down(self) -> None:
        """Stop and join the threads; harmless when repeated."""
        self.stop_all()
        for thread in self.threads:
            if thread is not threading.current_thread():  # the collector may run anywhere
                thread.join()

    def stop_all(self) -> None:
        with self.changed:
            self.stopping = True
            self.table.set_counter(self.table.stop_line, 1)
            self.changed.notify_all()

    # -- the stages' threads ---------------------------------------------------------------

    def work(self, stage: int) -> None:
        """A thread's life: run blocks while there are any, sleep while there are none."""
        try:
            turns = 0
            while self.wait_for_work(stage):
                before = self.table.counter(stage)
                self.code.run(self.table.job_address(stage), _ENDLESS)
                turns = turns + 1 if self.table.counter(stage) == before else 0
                if turns:
                    time.sleep(0 if turns < _PATIENCE else 1e-4)
        except BaseException as error:
            self.failure = error
            self.stop_all()

    def wait_for_work(self, stage: int) -> bool:
        """Sleep until blocks are under way to the stage; False when everything is to end."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopping or self.table.counter(stage) < self.submitted)
            return not self.stopping
