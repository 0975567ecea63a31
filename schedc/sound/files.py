"""Sound files in pieces: reading, exact conversion to PCM, writing that leaves a whole file or none.

Samples are float32 rows [channels, n]; PCM full scale is 1.0 = 2^(bits-1) steps, in and out, so that what
is read and written unchanged keeps its bits.  Memory does not depend on the length of a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from schedc.errors import UserError, one_line
from schedc.files.inputs import open_input, readable
from schedc.files.outputs import check_output, check_separate
from schedc.files.partial import PartialFile
from schedc.sound.formats import PCM_BITS, SAMPLE_BYTES, format_of
from schedc.sound.headers import StatedData, peak_time_at, restated, stated_data
from schedc.sound.levels import Levels
from schedc.sound.ogg_pages import ends_early

FloatArray = npt.NDArray[np.float32]

CHUNK_FRAMES = 65536
_LONGEST_WAV = 0xFFFF_0000  # bytes of samples; beyond it the 32 bits of a header are too few
_GIVE = "give a WAV, FLAC, AIFF or other sound file with a header"
_AGAIN = "copy the file again"
_EARLY = "is cut off: it ends before its end is marked"


@dataclass(frozen=True)
class SoundInfo:
    """A sound file's header.  ``rate`` in Hz; ``format``, ``subtype`` as libsndfile names them (``WAV``, ``PCM_24``).

    ``lacks``: that the file ends early or is damaged, in words.  ``unfinished_at``: where the samples begin of a file
    whose writer never stated their number, else 0.
    """

    path: Path
    rate: int
    channels: int
    frames: int
    subtype: str
    format: str = "WAV"
    lacks: str = ""
    unfinished_at: int = 0

    @property
    def warnings(self) -> list[str]:
        """What its user should know."""
        return [f"{one_line(str(self.path))}: {self.lacks}"] if self.lacks else []

    @property
    def not_finite(self) -> str:
        """What samples are that are no finite number when they have been read."""
        return "NaN, infinite or too large for 32-bit floats" if self.subtype == "DOUBLE" else "NaN or infinite"

    def cut_to(self, frames: int, what: str = "is cut off or damaged") -> SoundInfo:
        """Of a file of which no more than so many were read (compressed ones may state more), if they are fewer."""
        if frames >= self.frames:
            return self
        lacks = f"{what}: {self.frames - frames:,} of {self.frames:,} samples are missing"
        return replace(self, frames=frames, lacks=lacks)


def read_info(path: Path) -> SoundInfo:
    """The header of a sound file; UserError for what is none, or is empty."""
    name = one_line(str(path))
    with open_input(path, _GIVE) as file, readable(path, _GIVE):
        stated, early = stated_data(file), ends_early(file)
        try:
            with _opened(path, file) as sound:
                info = SoundInfo(path, sound.samplerate, sound.channels, sound.frames, sound.subtype, sound.format)
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a file that soundfile takes for raw
            lacks = _EARLY if early else "" if stated is None else _lacking(stated)
            if lacks:
                raise UserError(name, lacks, _AGAIN) from error
            raise UserError(name, "is no sound file that can be read", _GIVE) from error
    info = replace(info, lacks=_EARLY if early else "") if stated is None else _completed(info, stated)
    if info.frames <= 0:
        raise UserError(name, info.lacks or "holds no samples", _AGAIN if info.lacks else "")
    return info


def _completed(info: SoundInfo, stated: StatedData) -> SoundInfo:
    """With what the header's size says that libsndfile does not."""
    frame_bytes = info.channels * SAMPLE_BYTES.get(info.subtype, 0)
    if stated.size is None and not info.frames and frame_bytes:
        return replace(info, frames=stated.present // frame_bytes, unfinished_at=stated.at)
    if stated.size is not None and stated.missing and frame_bytes:
        return replace(info, frames=stated.size // frame_bytes).cut_to(info.frames, "is cut off")
    return replace(info, lacks=_lacking(stated))


def _lacking(stated: StatedData) -> str:
    if not stated.missing:
        return ""
    return f"is cut off: {stated.missing:,} of {stated.size:,} bytes of samples are missing"


def _opened(path: Path, file: BinaryIO) -> soundfile.SoundFile:
    """The open file, by its number: libsndfile then tells its form by its content and never by its name."""
    if (mended := restated(file)) is not None:
        return soundfile.SoundFile(mended)
    if os.name != "posix":  # where numbers of open files are each library's own
        return soundfile.SoundFile(str(path))
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return soundfile.SoundFile(file.fileno(), closefd=False)


def read_chunks(info: SoundInfo, frames: int = CHUNK_FRAMES, finite_only: bool = True) -> Iterator[FloatArray]:
    """The samples [channels, up to ``frames``] in order, up to where the file is cut off or damaged.

    ``finite_only``: UserError for what is NaN or infinite as float32.
    """
    name, done = one_line(str(info.path)), 0
    with open_input(info.path, _GIVE) as file, readable(info.path, _GIVE):
        for block in _blocks(info, file, frames):
            finite = np.isfinite(block).all(axis=1)
            if finite_only and not finite.all():
                where = done + int(np.argmin(finite))
                raise UserError(
                    name,
                    f"sample {where} is not a finite number{' in 32 bits' if info.subtype == 'DOUBLE' else ''}",
                    "mend the file, or take such samples as 0: --nonfinite zero",
                )
            done += len(block)
            yield np.ascontiguousarray(block.T)
    if not done:
        raise UserError(name, f"none of its {info.frames:,} samples can be read", _AGAIN)


def _blocks(info: SoundInfo, file: BinaryIO, frames: int) -> Iterator[FloatArray]:
    """Float32 [up to ``frames``, channels] until the file ends."""
    if info.unfinished_at:
        yield from _unfinished_blocks(info, file, frames)
        return
    with suppress(soundfile.LibsndfileError), _opened(info.path, file) as sound:
        whole = True
        while whole:  # after an error, libsndfile may go on at some later sample
            block, whole = _next_block(sound, frames)
            if not len(block):
                return
            yield block


def _next_block(sound: soundfile.SoundFile, frames: int) -> tuple[FloatArray, bool]:
    """Float32 [up to ``frames``, channels], and whether there was no error; soundfile does not say how many samples
    were read before one.
    """
    block = np.full((frames, sound.channels), np.nan, np.float32)
    try:
        return block[: len(sound.read(out=block))], True
    except soundfile.LibsndfileError:
        read = np.flatnonzero(~np.isnan(block).all(axis=1))
        return block[: read[-1] + 1 if len(read) else 0], False


def _unfinished_blocks(info: SoundInfo, file: BinaryIO, frames: int) -> Iterator[FloatArray]:
    """Of a WAV file whose header says that it has no samples, which libsndfile believes."""
    order = ">" if file.read(4) == b"RIFX" else "<"
    frame_bytes = info.channels * SAMPLE_BYTES[info.subtype]
    file.seek(info.unfinished_at)
    while len(raw := file.read(frames * frame_bytes)) >= frame_bytes:
        whole = raw[: len(raw) // frame_bytes * frame_bytes]
        yield _decoded(whole, info.subtype, order).reshape(-1, info.channels)


def _decoded(raw: bytes, subtype: str, order: str) -> FloatArray:
    if subtype in ("FLOAT", "DOUBLE"):
        return np.frombuffer(raw, f"{order}f{SAMPLE_BYTES[subtype]}").astype(np.float32)
    size = SAMPLE_BYTES[subtype]
    steps = np.zeros((len(raw) // size, 4), np.uint8)  # in the high bytes of 32 bits
    steps[:, 4 - size :] = np.frombuffer(raw, np.uint8).reshape(-1, size)[:, :: 1 if order == "<" else -1]
    steps[:, 3] ^= 0x80 if subtype == "PCM_U8" else 0
    return (steps.view("<i4").reshape(-1).astype(np.float64) * 2.0**-31).astype(np.float32)


def quantise(rows: FloatArray, bits: int) -> tuple[npt.NDArray[np.int32], int]:
    """Rows to PCM steps, rounded half to even, in the high bits of int32; and how many samples clipped."""
    full = 2.0 ** (bits - 1)
    steps = np.rint(rows.astype(np.float64) * full)
    clipped = int(np.count_nonzero((steps < -full) | (steps > full - 1)))
    whole = np.clip(steps, -full, full - 1).astype(np.int64)
    return (whole << (32 - bits)).astype(np.int32), clipped


class SoundWriter:
    """Writes ``path`` by way of a file beside it, which takes its name when all went well.

    Use as a context manager; an exception inside, Ctrl-C included, leaves nothing.  The suffix decides the form;
    ``subtype`` must be one that it holds.  ``clipped`` counts samples beyond full scale (always 0 for float).
    UserError if the place cannot be written, or is one of ``inputs``.
    """

    def __init__(self, path: Path, info: SoundInfo, channels: int, subtype: str, inputs: Iterable[Path] = ()) -> None:
        self.path, self._inputs = check_output(path), tuple(inputs)
        self.levels = Levels()
        self.clipped = 0
        self._bits = PCM_BITS.get(subtype, 0)
        self._frames, self._channels = 0, channels
        self._format = _long_format(path, info.frames * channels * SAMPLE_BYTES[subtype])
        self._settings = (info.rate, channels, subtype)
        self._partial = PartialFile(self.path.parent)
        self._file: Any = None

    def __enter__(self) -> SoundWriter:
        with ExitStack() as undo:  # __exit__ is not called for what happens here, Ctrl-C included
            undo.push(self)
            self.open()
            undo.pop_all()
        return self

    def open(self) -> None:
        """As ``__enter__``, for who has made sure before that ``__exit__`` is called."""
        rate, channels, subtype = self._settings
        try:
            partial = self._partial.__enter__()
            self._file = soundfile.SoundFile(partial.path, "w", rate, channels, subtype, format=self._format)
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._unwritable(error) from error

    @property
    def samples(self) -> int:
        """Of all channels, so far."""
        return self._frames * self._channels

    def write(self, rows: FloatArray) -> None:
        """Append [channels, n]; UserError for a value that is not finite, or a full disk."""
        finite = np.isfinite(rows).all(axis=0)
        if not finite.all():
            where = self._frames + int(np.argmin(finite))
            raise UserError(one_line(str(self.path)), f"the model's output is not finite at sample {where}")
        self._frames += rows.shape[1]
        self.levels.add(rows)
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
            if self._file is not None:
                self._file.close()
            if kind is None:
                _forget_the_time(Path(self._partial.path))
                check_separate([self.path], self._inputs)
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


def _long_format(path: Path, size: int) -> str:
    """The form for ``size`` bytes of samples; UserError if the one that was asked for is too short for them."""
    form = format_of(path)
    if size <= _LONGEST_WAV or form not in ("WAV", "AIFF"):
        return form
    if form == "AIFF":
        raise UserError(one_line(str(path)), "AIFF files hold less than 4 GB", "use .wav, .caf or .w64")
    return "RF64"


def _forget_the_time(path: Path) -> None:
    """libsndfile notes in float files when their peak was: the same samples are to be the same bytes."""
    with path.open("r+b") as file:
        at = peak_time_at(file)
        if at is not None:
            file.seek(at)
            file.write(bytes(4))
