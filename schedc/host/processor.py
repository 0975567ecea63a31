"""Running compiled captures on this machine, from Python.

The object that ``compile`` would write is loaded as it is; there is no second code path.

Swapping captures.  Whoever wants another capture to play makes a new voice (weights and a state that
is initialised with them), publishes it by one store, and interrupts what runs.  The processing thread
looks at what is published before every stretch of blocks and never waits, locks or frees: a voice
is freed, or its state used again, by the next call that publishes.
"""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from schedc.errors import InternalError, ProcessorInUse, UserError, one_line, tell
from schedc.files.inputs import read_input
from schedc.frontend.capture import Reading
from schedc.frontend.chains import ModelPaths, path_list, read_source
from schedc.host.code import HostProgram
from schedc.host.cue import MOST_FADE, NO_GAINS, Cue, fade_gains
from schedc.host.job_table import FloatArray
from schedc.host.stage_threads import StageWaits
from schedc.host.voice import Voice
from schedc.host.weights import Weights
from schedc.option_checks import whole_number
from schedc.remarks import rate_remarks
from schedc.samples import all_finite, apart, place, samples

_MOST_BLOB_BYTES = 2**30


@dataclass(frozen=True)
class MemoryUse:
    """Bytes.  ``code`` and ``weights`` are shared with clones, ``state`` is this processor's own: twice
    as much after the first swap or reset, up to four times while crossfades wait for each other; the next swap or reset
    lets go of what is idle."""

    code: int
    weights: int
    state: int


class Processor:
    """A capture ready to process audio on this machine; state carries over between calls.

    Made by :func:`schedc.load`.  With several cores it has threads: close it, or use it in a ``with``.
    One thread at a time may call ``process``; at the same time any other may swap captures or reset.
    """

    def __init__(self, program: HostProgram, weights: Weights, reading: Reading | None = None) -> None:
        """``reading``: how captures are read that are swapped in by name."""
        self._program, self._reading = program, reading
        shape = program.code.shape
        self.block, self.in_channels, self.out_channels = shape.block, shape.in_channels, shape.out_channels
        self._closed = False
        self._watching = True  # for samples that are not finite
        self._turn = threading.Lock()  # of whoever is in process; nobody waits for it
        self._control = threading.Lock()  # among those who publish; never taken by process
        self._published = self._taking = self._playing = Cue(Voice(program.code, weights), NO_GAINS)
        self._voices = [self._published.voice]
        self._fading: Voice | None = None  # the old voice of a change under way,
        self._faded = 0  # and how many samples of it are done
        _processors.add(self)

    @property
    def latency_samples(self) -> int:
        """Constant lag of the output, in samples: 0 with one core, (cores - 1) * block with threads."""
        return (len(self._program.code.stages) - 1) * self.block

    @property
    def weights(self) -> Weights:
        """What plays from the next block on."""
        return self._published.voice.weights

    @property
    def sample_rate(self) -> float:
        """Hz, of the capture; 48000 where nothing says."""
        return self.weights.sample_rate or 48000.0

    @property
    def memory_bytes(self) -> MemoryUse:
        states = sum(voice.state.nbytes for voice in self._voices)
        return MemoryUse(self._program.code_bytes, len(self.weights), states)

    @property
    def pipeline_waits(self) -> list[StageWaits]:
        """Per stage, since the last reset or swap: how often it had to wait; empty with one core."""
        return self._playing.voice.waits

    # -- the processing thread -------------------------------------------------------------

    def process(self, x: npt.ArrayLike, out: FloatArray | None = None) -> FloatArray:
        """Samples [n] (one channel) or [in_channels, n], any n, 0 too; returns float32 of the same form.

        ``x``: floats of any size, full scale 1.0, in arrays of any strides or in lists.  float32 in C order is not
        copied.  ``out``: where to put the result (writable float32, C order, of its shape); it may be ``x`` itself.
        With it a mono capture's samples are neither copied nor allocated.  The output lags by
        ``latency_samples``, which begin with zeros: y[k] = y_single[k - latency].
        Where the input is NaN or infinite, a SchedcWarning says once for this processor what becomes of it.
        Raises UserError, before anything is written, for other input (integers: divide them by their full scale) or
        another ``out``, and after ``close``; ProcessorInUse while another call is under way.
        """
        turn = self._turn
        if not turn.acquire(blocking=False):
            what = "another call of this processor is under way"
            raise ProcessorInUse("process", what, "one processor, one caller at a time: clone() it")
        try:
            return self._process(x, out)
        finally:
            turn.release()

    def _process(self, x: npt.ArrayLike, out: FloatArray | None) -> FloatArray:
        rows, flat = samples("process", x, self.in_channels)
        frames: int = rows.shape[1]
        flat = flat and self.out_channels == 1
        shape = (self.out_channels, frames)
        if out is None:
            result = np.empty(shape, np.float32)
        else:
            result = place("process", out, shape[1:] if flat else shape).reshape(shape)
            if out is not x:
                rows = apart(rows, result)
        self._refuse_if_closed("process")
        if self._watching and not all_finite(rows):
            self._watching = False
            tell([self._program.nonfinite_remark])
        done = 0
        while done < frames:
            done += self._play(rows[:, done:], result[:, done:])
        return result[0] if flat else result

    def _play(self, rows: FloatArray, out: FloatArray) -> int:
        """Some samples; returns how many."""
        self._follow()
        voice = self._playing.voice
        try:
            if self._closed:
                self._refuse_if_closed("process", "was closed during the call")
            if voice.broken:
                raise UserError("process", "an earlier call was cut short, or this process forked since", "reset() it")
            return self._change(rows, out) if self._fading else voice.process(rows, out)
        except InternalError:  # threads were stopped under our hands
            self._refuse_if_closed("process", "was closed during the call")
            raise

    def _refuse_if_closed(self, where: str, words: str = "is closed") -> None:
        if self._closed:
            raise UserError(where, f"the processor {words}", "load the capture again")

    def _follow(self) -> None:
        """Take up what is published, unless a change is under way."""
        self._playing.voice.listen()
        if self._fading and not (self._fading.broken or self._playing.voice.broken):
            return
        while self._taking is not self._published:  # announced first, so that nobody frees it under our hands
            self._taking = self._published
        if self._taking is not self._playing:
            old, self._faded = self._playing.voice, 0
            # In this order, so that the old voice is named by one of the two at every moment.
            self._fading = old if self._taking.samples(self.latency_samples) and not old.broken else None
            self._playing = self._taking

    def _change(self, rows: FloatArray, out: FloatArray) -> int:
        """Both voices: first what the old one's threads still hold, then the fade."""
        assert self._fading is not None
        samples = self._playing.samples(self.latency_samples)
        count: int = min(rows.shape[1], samples - self._faded)
        both = np.empty((2, self.out_channels, count), np.float32)
        for voice, target in zip((self._fading, self._playing.voice), both, strict=True):
            done = 0
            while done < count:
                voice.listen()
                done += voice.process(rows[:, done:count], target[:, done:])
        fade_begin = samples - self._playing.gains.shape[1]
        tail = min(count, max(0, fade_begin - self._faded))
        out[:, :tail] = both[0, :, :tail]
        first = self._faded + tail - fade_begin
        gains = self._playing.gains[:, first : first + count - tail]
        out[:, tail:count] = both[0, :, tail:] * gains[0] + both[1, :, tail:] * gains[1]
        self._faded += count
        if self._faded == samples:
            self._fading = None
        return count

    # -- any other thread --------------------------------------------------------------------

    def pack(self, path: ModelPaths) -> Weights:
        """Another capture (or chain) of the same architecture, ready to be swapped in: what of a swap takes time.

        Raises ArchitectureMismatch, naming the first difference, for another architecture.  A path that
        ends in ``.bin`` is read as a weight blob (UserError if it is damaged).
        """
        paths = path_list(path)
        if len(paths) == 1 and Path(paths[0]).suffix.lower() == ".bin":
            return self._program.check(read_input(paths[0], _MOST_BLOB_BYTES, "a weight blob"), one_line(paths[0]))
        capture = read_source(paths, self._reading)
        tell(capture.warnings)
        return self._program.pack(capture)

    def set_weights(self, source: ModelPaths | Weights, *, crossfade: int = 0) -> None:
        """Another capture of the same architecture, from the next block on: no compilation.

        May be called while another thread processes.  The new capture starts from its silence state, as
        if it had been loaded at that sample: no state of one capture is ever used with the other's
        weights.  Every block is the work of the old or the new capture alone; with ``crossfade`` N, the N
        samples after the swap are cos(a) * old + sin(a) * new, a = pi / 2 * (i + 1) / (N + 1), in float32.
        A swap during a fade starts when the fade ends.  With several cores a swap happens between calls
        (or every 65536 samples), and the old capture's last ``latency_samples`` are still played.
        Raises as :meth:`pack`.
        """
        fade = whole_number("crossfade", crossfade, "samples", 0, MOST_FADE)
        gains = fade_gains(fade) if fade else NO_GAINS
        weights = source if isinstance(source, Weights) else self.pack(source)
        name = "this" if isinstance(source, Weights) else one_line(" + ".join(path_list(source)))
        tell(rate_remarks(name, weights.sample_rate, "the processor plays one", self.weights.sample_rate))
        self._publish("set_weights", weights, gains)

    def reset(self) -> None:
        """Back to the silence state (or the zero state, if loaded with ``prewarm=False``)."""
        self._publish("reset", self.weights, NO_GAINS, abrupt=True)

    def _publish(self, where: str, weights: Weights, gains: FloatArray, abrupt: bool = False) -> None:
        if not self._program.accepts(weights):
            raise UserError(where, "weights of other code", "pack them with this processor's pack")
        with self._control:
            self._refuse_if_closed(where)
            self._published = Cue(self._reclaim(weights), gains, abrupt)
            self._playing.voice.interrupt()

    def _reclaim(self, weights: Weights) -> Voice:
        """A voice with these weights: one that nothing plays any more, or a new one; the other idle ones go."""
        used = (self._published.voice, self._taking.voice, self._playing.voice, self._fading)
        free = [voice for voice in self._voices if voice not in used]
        for voice in free:
            voice.close()
        if free:
            free[0].restart(weights)
        self._voices = [voice for voice in self._voices if voice in used]
        self._voices.append(free[0] if free else Voice(self._program.code, weights))
        return self._voices[-1]

    def clone(self) -> Processor:
        """Another instance for its own signal (stereo, dual amp): same code, same weights, a state of its own."""
        return Processor(self._program, self.weights, self._reading)

    def close(self) -> None:
        """End the stages' threads.  Done by ``with``, at garbage collection and at exit, too.

        May be called while another thread processes: its call ends with a UserError.
        """
        self._closed = True
        with self._control:
            for voice in self._voices:
                voice.interrupt()
                voice.close()

    def __repr__(self) -> str:
        cores = f", {len(self._program.code.stages)} cores" if self.latency_samples else ""
        channels = f"{self.in_channels} to {self.out_channels} channels"
        closed = ", closed" if self._closed else ""
        return f"<Processor: {channels}, blocks of up to {self.block}{cores}, {self.sample_rate:.10g} Hz{closed}>"

    def __reduce_ex__(self, _: object) -> NoReturn:
        remedy = "clone() makes another instance; in another process, load the capture"
        raise UserError("Processor", "cannot be copied or pickled", remedy)

    def _after_fork(self) -> None:
        """In the new process, which has no thread but its own: what others had under way will never end."""
        in_use = self._turn.locked()
        self._turn, self._control = threading.Lock(), threading.Lock()
        for voice in self._voices:
            voice.after_fork(in_use)

    def __enter__(self) -> Processor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_processors: weakref.WeakSet[Processor] = weakref.WeakSet()


def _after_fork() -> None:
    for processor in list(_processors):
        processor._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
