"""WAV files in pieces: reading, exact conversion to PCM, writing that leaves a whole file or none.

Samples are float32 rows [channels, n]; PCM full scale is 1.0 = 2^(bits-1) steps, in and out, so that what
is read and written unchanged keeps its bits.  Memory does not depend on the length of a file.
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from schedc.errors import UnsupportedError, UserError
from schedc.frontend.wording import one_line
from schedc.partial_files import PartialFile

FloatArray = npt.NDArray[np.float32]

CHUNK_FRAMES = 65536
_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_SUBTYPES = (*_BITS, "FLOAT", "DOUBLE")
_FORMATS = ("WAV", "WAVEX", "RF64")
_LONGEST_WAV = 0xFFFF_0000  # bytes of samples; beyond it a WAV header's 32 bits are too few
_GIVE = "give a WAV file with 16, 24 or 32 bit PCM or float samples"


@dataclass(frozen=True)
class WavInfo:
    """A sound file's header.  ``rate`` in Hz; ``subtype`` as libsndfile names it (``PCM_24``, ``FLOAT``)."""

    path: Path
    rate: int
    channels: int
    frames: int
    subtype: str


def read_info(path: Path) -> WavInfo:
    """The header of a WAV file; UserError for what is none, is empty, or holds other sample formats."""
    name = one_line(str(path))
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UserError(name, reason, "" if missing else _GIVE) from error
    if stat.S_ISDIR(status.st_mode):
        raise UserError(name, "is a folder", _GIVE)
    if not stat.S_ISREG(status.st_mode):
        raise UserError(name, "is not a regular file", _GIVE)
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        denied = not os.access(path, os.R_OK)
        raise UserError(name, "cannot be read (no permission)" if denied else "is not a WAV file", _GIVE) from error
    if info.format not in _FORMATS:
        raise UserError(name, f"is a {info.format} file", _GIVE)
    if info.subtype not in _SUBTYPES:
        raise UserError(name, f"holds {info.subtype} samples", _GIVE)
    if not info.frames:
        raise UserError(name, "holds no samples")
    return WavInfo(path, info.samplerate, info.channels, info.frames, info.subtype)


def read_chunks(info: WavInfo, frames: int = CHUNK_FRAMES, finite_only: bool = True) -> Iterator[FloatArray]:
    """The samples [channels, up to ``frames``] in order; ``finite_only``: UserError for NaN or infinity."""
    name, done = one_line(str(info.path)), 0
    try:
        with soundfile.SoundFile(str(info.path)) as file:
            while len(block := file.read(frames, dtype="float32", always_2d=True)):
                finite = np.isfinite(block).all(axis=1)
                if finite_only and not finite.all():
                    where = done + int(np.argmin(finite))
                    raise UserError(name, f"sample {where} is not a finite number", "mend the file")
                done += len(block)
                yield np.ascontiguousarray(block.T)
    except soundfile.LibsndfileError as error:
        raise UserError(name, f"cannot be read ({error.error_string})") from error


def quantise(rows: FloatArray, bits: int) -> tuple[npt.NDArray[np.int32], int]:
    """Rows to PCM steps, rounded half to even, in the high bits of int32; and how many samples clipped."""
    full = 2.0 ** (bits - 1)
    steps = np.rint(rows.astype(np.float64) * full)
    clipped = int(np.count_nonzero((steps < -full) | (steps > full - 1)))
    whole = np.clip(steps, -full, full - 1).astype(np.int64)
    return (whole << (32 - bits)).astype(np.int32), clipped


class WavWriter:
    """Writes ``path`` by way of a file beside it, which takes its name when all went well.

    Use as a context manager; an exception inside, Ctrl-C included, leaves nothing.  ``clipped`` counts
    samples beyond full scale (always 0 for float).  UserError if the place cannot be written.
    """

    def __init__(self, path: Path, info: WavInfo, channels: int, subtype: str) -> None:
        self.path = check_output(path)
        self.clipped = 0
        self._bits = _BITS.get(subtype, 0)
        self._frames = 0
        width = {"FLOAT": 32, "DOUBLE": 64}.get(subtype, self._bits) // 8
        self._format = "RF64" if info.frames * channels * width > _LONGEST_WAV else "WAV"
        self._settings = (info.rate, channels, subtype)
        self._partial = PartialFile(self.path.parent)
        self._file: Any = None

    def __enter__(self) -> WavWriter:
        rate, channels, subtype = self._settings
        with ExitStack() as undo:  # __exit__ is not called for what happens here, Ctrl-C included
            try:
                partial = undo.enter_context(self._partial)
                self._file = soundfile.SoundFile(partial.path, "w", rate, channels, subtype, format=self._format)
            except (OSError, soundfile.LibsndfileError) as error:
                raise self._unwritable(error) from error
            undo.pop_all()
        return self

    def write(self, rows: FloatArray) -> None:
        """Append [channels, n]; UserError for a value that is not finite, or a full disk."""
        finite = np.isfinite(rows).all(axis=0)
        if not finite.all():
            where = self._frames + int(np.argmin(finite))
            raise UserError(one_line(str(self.path)), f"the model's output is not finite at sample {where}")
        self._frames += rows.shape[1]
        samples: npt.NDArray[Any] = rows
        if self._bits:
            samples, clipped = quantise(rows, self._bits)
            self.clipped += clipped
        try:
            self._file.write(np.ascontiguousarray(samples.T))
        except (AssertionError, OSError, soundfile.LibsndfileError) as error:  # soundfile asserts that all was written
            raise self._unwritable(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if kind is None:
                self._partial.finish(self.path.name)
        except (OSError, soundfile.LibsndfileError) as problem:
            raise self._unwritable(problem) from problem
        finally:
            self._partial.__exit__(kind, error, trace)

    def _unwritable(self, error: Exception) -> UserError:
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", None) or ""
        if not reason or reason.startswith("System error"):  # all that libsndfile says of a short write
            reason = "the disk may be full"
        return UserError(one_line(str(self.path)), f"cannot be written ({one_line(reason)})", "choose another place")


def check_output(path: Path) -> Path:
    """Where to write ``path``, links followed; UserError for a folder, a device, a missing folder."""
    name = one_line(str(path))
    try:
        real = path.resolve()
        if real.is_dir():
            raise UserError(name, "is a folder", "give the name of a file")
        if real.exists() and not real.is_file():
            raise UserError(name, "is not a regular file", "choose another place")
        folder = one_line(str(real.parent))
        if not real.parent.is_dir():
            raise UserError(name, f"cannot be written: there is no folder {folder}", "make it first")
        if not os.access(real.parent, os.W_OK | os.X_OK):
            raise UserError(name, f"cannot be written: no permission for {folder}", "choose another place")
    except (OSError, RuntimeError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or str(error))
        raise UserError(name, f"cannot be written ({reason})", "choose another place") from error
    return real


class Resampler:
    """Streams rows from one rate to another, time-aligned (soxr, very high quality).

    UnsupportedError if the package is not installed.
    """

    def __init__(self, rate_in: float, rate_out: float, channels: int) -> None:
        self._channels = channels
        self._stream: Any = load_soxr().ResampleStream(rate_in, rate_out, channels, dtype="float32", quality="VHQ")

    def process(self, rows: FloatArray, last: bool = False) -> FloatArray:
        """[channels, n] to [channels, about n * rate_out / rate_in]; ``last`` brings what is left."""
        frames = rows[0] if self._channels == 1 else rows.T
        result = self._stream.resample_chunk(np.ascontiguousarray(frames), last=last)
        return np.ascontiguousarray(np.atleast_2d(np.asarray(result, np.float32).T))


def load_soxr() -> Any:
    """The resampling library; UnsupportedError says how to get it."""
    try:
        return importlib.import_module("soxr")
    except ImportError as error:
        remedy = "install it with: pip install 'schedc[resample]'"
        raise UnsupportedError("--resample", "needs the package soxr", remedy) from error
