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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from schedc.chains import ModelPaths, read_source
from schedc.errors import UserError
from schedc.frontend.wording import one_line
from schedc.host.code import HostProgram, host_program
from schedc.host.jobs import FloatArray
from schedc.host.pipeline import StageWaits
from schedc.host.voice import Voice
from schedc.host.weights import Weights
from schedc.input_files import read_input
from schedc.options import LoadOptions, Reading, choose, taking
from schedc.planning import ModelPath

_MOST_BLOB_BYTES = 2**30


@dataclass(frozen=True)
class MemoryUse:
    """Bytes.  ``code`` and ``weights`` are shared with clones, ``state`` is this processor's own (it
    doubles with the first swap or reset, and grows no more)."""

    code: int
    weights: int
    state: int


class _Cue(NamedTuple):
    """A voice to be played from the next block on.

    ``gains``: of the old voice and the new one while they fade, [2, samples]; ``abrupt``: without the
    samples that the old voice's pipeline still holds.
    """

    voice: Voice
    gains: FloatArray
    abrupt: bool = False


class Processor:
    """A capture ready to process audio on this machine; state carries over between calls.

    Made by :func:`load`.  With several cores it has threads: close it, or use it in a ``with``.
    One thread at a time may call ``process``; at the same time any other may swap captures or reset.
    """

    def __init__(self, program: HostProgram, weights: Weights, reading: Reading | None = None) -> None:
        """``reading``: how captures are read that are swapped in by name."""
        self._program, self._reading = program, reading
        shape = program.code.shape
        self.block, self.in_channels, self.out_channels = shape.block, shape.in_channels, shape.out_channels
        self._closed = False
        self._control = threading.Lock()  # among those who publish; never taken by process
        self._published = self._taking = self._playing = _Cue(Voice(program.code, weights), _NO_GAINS)
        self._voices = [self._published.voice]
        self._fading: Voice | None = None  # the old voice of a change under way,
        self._faded = 0  # and how many samples of it are done

    @property
    def latency_samples(self) -> int:
        """Constant lag of the output, in samples: 0 with one core, (cores - 1) * block with a pipeline."""
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
        """float32 samples [n] (one channel) or [in_channels, n], any n; returns the same form.

        ``out``: where to put the result (float32, C order, of its shape; ``x`` itself will do); with it a
        mono capture's samples are neither copied nor allocated.  The output lags by ``latency_samples``,
        which begin with zeros: y[k] = y_single[k - latency].
        Raises UserError for another number of channels, or after ``close``.
        """
        given = np.asarray(x, np.float32)
        rows = np.ascontiguousarray(given if given.ndim > 1 else given[None])
        if given.ndim > 2 or rows.shape[0] != self.in_channels:
            wanted = f"give [n] or [channels, n] with {self.in_channels} channel(s)"
            raise UserError("process", f"input of shape {given.shape}", wanted)
        if self._closed:
            raise UserError("process", "the processor is closed", "load the capture again")
        flat = given.ndim == 1 and self.out_channels == 1
        result = self._result(rows.shape[1], flat, out)
        done = 0
        while done < rows.shape[1]:
            self._follow()
            rest = rows[:, done:], result[:, done:]
            done += self._change(*rest) if self._fading else self._playing.voice.process(*rest)
        return result[0] if flat else result

    def _result(self, frames: int, flat: bool, out: FloatArray | None) -> FloatArray:
        shape = (self.out_channels, frames)
        if out is None:
            return np.empty(shape, np.float32)
        if out.shape != (shape[1:] if flat else shape) or out.dtype != np.float32 or not out.flags.c_contiguous:
            wanted = f"give C-order float32 of shape {shape[1:] if flat else shape}"
            raise UserError("process", f"out is {out.dtype} of shape {out.shape}", wanted)
        return out.reshape(shape)

    def _follow(self) -> None:
        """Take up what is published, unless a change is under way."""
        self._playing.voice.listen()
        if self._fading:
            return
        while self._taking is not self._published:  # announced first, so that nobody frees it under our hands
            self._taking = self._published
        if self._taking is not self._playing:
            old, self._faded = self._playing.voice, 0
            # In this order, so that the old voice is named by one of the two at every moment.
            self._fading = old if self._change_samples(self._taking) else None
            self._playing = self._taking

    def _change_samples(self, cue: _Cue) -> int:
        """How long the old and the new voice run side by side."""
        fade: int = cue.gains.shape[1]
        return fade if cue.abrupt else fade + self.latency_samples

    def _change(self, rows: FloatArray, out: FloatArray) -> int:
        """Both voices: first what the old one's pipeline still holds, then the fade."""
        assert self._fading is not None
        samples = self._change_samples(self._playing)
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
        if isinstance(path, str | os.PathLike) and Path(path).suffix == ".bin":
            blob = read_input(path, _MOST_BLOB_BYTES, "a weight blob")
            return self._program.check(blob, one_line(os.fspath(path)))
        return self._program.pack(read_source(path, self._reading))

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
        weights = source if isinstance(source, Weights) else self.pack(source)
        self._publish(weights, fade_gains(crossfade) if crossfade else _NO_GAINS)

    def reset(self) -> None:
        """Back to the silence state (or the zero state, if loaded with ``prewarm=False``)."""
        self._publish(self.weights, _NO_GAINS, abrupt=True)

    def _publish(self, weights: Weights, gains: FloatArray, abrupt: bool = False) -> None:
        if not self._program.accepts(weights):
            raise UserError("set_weights", "weights of other code", "pack them with this processor's pack")
        with self._control:
            self._published = _Cue(self._reclaim(weights), gains, abrupt)
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
        """End the threads of a pipeline.  Done by ``with``, at garbage collection and at exit, too."""
        self._closed = True
        with self._control:
            for voice in self._voices:
                voice.close()

    def __enter__(self) -> Processor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fade_gains(samples: int) -> FloatArray:
    """Equal power: cos and sin of a quarter turn, [2, samples]."""
    if samples < 0:
        raise UserError("set_weights", f"a crossfade of {samples} samples", "give 0 or more")
    angle = np.pi / 2 * np.arange(1, samples + 1) / (samples + 1)
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


_NO_GAINS = fade_gains(0)


@taking(LoadOptions, block=64)
def load(path: ModelPath, **given: Unpack[LoadOptions]) -> Processor:
    """Make a capture ready to process audio on this machine; its architecture is compiled if it is new.

    Options: :class:`schedc.options.LoadOptions` and the classes it extends.
    Raises UserError (with ``ModelFileError`` for the file's faults).
    """
    return chain([path], **given)


@taking(LoadOptions, block=64)
def chain(paths: Sequence[ModelPath], **given: Unpack[LoadOptions]) -> Processor:
    """Several captures in a row (pedal, amp, ...) as one program; otherwise as :func:`load`.

    The samples pass from one capture to the next inside a block, and ``cores`` cuts the whole.  Silence is
    silence at the chain's input.  UserError if rates or channels do not fit.
    """
    choices = choose("host", given)
    capture = read_source(paths, choices.reading)
    program = host_program(capture.graph, choices.options)
    return Processor(program, program.pack(capture), choices.reading)
