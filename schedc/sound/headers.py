"""What the header of an uncompressed sound file says about its samples: where they begin and how many bytes they take.

libsndfile reads what is there and does not tell what is missing; cut off CAF files it does not read at all.  The forms
whose header states a size: RIFF (WAV; RIFX, RF64), AIFF, Wave64, CAF and AU.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

_MOST_CHUNKS = 10_000
# Who writes to a pipe cannot go back and state sizes: 0, the largest number, or (less a header) half of it.
_UNKNOWN_SIZES = (range(0x7FFF_0000, 0x8000_1000), range(0xFFFF_0000, 0x1_0000_0000))


@dataclass(frozen=True)
class StatedData:
    """The samples: from byte ``at``, ``size`` bytes of them by the header, ``present`` in the file.

    ``size`` None: not known when the header was written; up to the end of the file.
    """

    at: int
    size: int | None
    present: int

    @property
    def missing(self) -> int:
        """Bytes that are stated and not there."""
        return 0 if self.size is None else max(0, self.size - self.present)


class _Chunk(NamedTuple):
    name: bytes
    at: int  # of its content
    size: int  # as stated


def stated_data(file: BinaryIO) -> StatedData | None:
    """What the header of an open file states; None for forms that state nothing, or damaged ones."""
    end = os.fstat(file.fileno()).st_size
    try:
        found = _read(file, end)
    except struct.error:  # it ends in the middle of the header
        return None
    if found is None or found[0] > end:
        return None
    return StatedData(*found, end - found[0])


class RestatedFile:
    """An open file as libsndfile takes it, with ``other`` bytes than its own at ``at``."""

    def __init__(self, file: BinaryIO, at: int, other: bytes) -> None:
        self._file, self._at, self._other = file, at, other
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        begin = self.tell()
        content = bytearray(self._file.read(size))
        for at, byte in enumerate(self._other, self._at - begin):
            if 0 <= at < len(content):
                content[at] = byte
        return bytes(content)


def restated(file: BinaryIO) -> RestatedFile | None:
    """A CAF file that is cut off, with the size of the samples that are there; None for any other.

    Of ALAC, too: where coded samples are missing, libsndfile would make some up.
    """
    stated = stated_data(file)
    if stated is None or not stated.missing or _at(file, 0, 4) != b"caff" or _at(file, 28, 4) == b"alac":
        return None
    file.seek(0)
    return RestatedFile(file, stated.at - 12, struct.pack(">q", 4 + stated.present))


def peak_time_at(file: BinaryIO) -> int | None:
    """Where a float WAV or AIFF file states the time of its peak: four bytes."""
    end, start = os.fstat(file.fileno()).st_size, _at(file, 0, 12)
    form = {b"RIFF": "<I", b"RF64": "<I", b"FORM": ">I"}.get(start[:4])
    chunks = () if form is None else _chunks(file, 12, end, form)
    return next((chunk.at + 4 for chunk in chunks if chunk.name == b"PEAK"), None)


def _read(file: BinaryIO, end: int) -> tuple[int, int | None] | None:
    start = _at(file, 0, 12)
    match start[:4]:
        case b"RIFF" | b"RF64":
            return _riff(file, end, "<")
        case b"RIFX":
            return _riff(file, end, ">")
        case b"FORM":
            return _aiff(file, end)
        case b"riff":
            return _wave64(file, end)
        case b"caff":
            return _caf(file, end)
        case b".snd" | b"dns.":
            at, size = struct.unpack(">2I" if start[:1] == b"." else "<2I", start[4:])
            return at, None if size == 0xFFFF_FFFF else size
    return None


def _riff(file: BinaryIO, end: int, order: str) -> tuple[int, int | None] | None:
    large = None
    for chunk in _chunks(file, 12, end, order + "I"):
        if chunk.name == b"ds64":
            (large,) = struct.unpack("<Q", _at(file, chunk.at + 8, 8))
        if chunk.name == b"data":
            if chunk.size == 0xFFFF_FFFF and large:
                return chunk.at, large
            unknown = any(chunk.size in sizes for sizes in _UNKNOWN_SIZES)
            unknown |= chunk.size == 0 and not _is_chunks(file, chunk.at, end, order + "I")
            return chunk.at, None if unknown else chunk.size
    return None


def _aiff(file: BinaryIO, end: int) -> tuple[int, int | None] | None:
    for chunk in _chunks(file, 12, end, ">I"):
        if chunk.name == b"SSND":
            (offset,) = struct.unpack(">I", _at(file, chunk.at, 4))
            return chunk.at + 8 + offset, max(0, chunk.size - 8 - offset)
    return None


def _wave64(file: BinaryIO, end: int) -> tuple[int, int | None] | None:
    """Names are GUIDs that begin with the four letters; sizes count name and size; chunks are aligned to 8 bytes."""
    at = 40
    for _ in range(_MOST_CHUNKS):
        name, (size,) = _at(file, at, 16), struct.unpack("<Q", _at(file, at + 16, 8))
        if name[:4] == b"data":
            return at + 24, size - 24 if size > 24 else None
        at += max(24, size + -size % 8)
        if at >= end:
            return None
    return None


def _caf(file: BinaryIO, end: int) -> tuple[int, int | None] | None:
    for chunk in _chunks(file, 8, end, ">q"):
        if chunk.name == b"data":  # begins with a count of edits
            return chunk.at + 4, chunk.size - 4 if chunk.size >= 4 else None
    return None


def _chunks(file: BinaryIO, at: int, end: int, form: str) -> Iterator[_Chunk]:
    """The chunks from byte ``at`` on; content is padded to an even number of bytes but in CAF."""
    head = 4 + struct.calcsize(form)
    for _ in range(_MOST_CHUNKS):
        if at + head > end:
            return
        raw = _at(file, at, head)
        (size,) = struct.unpack(form, raw[4:])
        yield _Chunk(raw[:4], at + head, size)
        at += head + max(0, size if form == ">q" else size + size % 2)


def _is_chunks(file: BinaryIO, at: int, end: int, form: str) -> bool:
    """Whether all from byte ``at`` on is chunks, none of them cut off (nothing at all is)."""
    for chunk in _chunks(file, at, end, form):
        if not chunk.name.isascii() or not chunk.name.decode("ascii").isprintable():
            return False
        at = chunk.at + chunk.size + chunk.size % 2
    return end <= at <= end + 1


def _at(file: BinaryIO, at: int, size: int) -> bytes:
    """The bytes there, all of them; struct.error at the file's end."""
    file.seek(at)
    content = file.read(size)
    if len(content) < size:
        raise struct.error("the file ends")
    return content
