"""Whether an Ogg file is whole: its last page says so, and libsndfile does not look.

A file is a row of pages; each belongs to a stream, whose first and last page are marked (RFC 3533).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_NAME = b"OggS\0"  # and the version
_HEAD = 27  # bytes before the lengths of a page's segments
_FIRST, _LAST = 2, 4
_PIECE = 65536


def ends_early(file: BinaryIO) -> bool:
    """Whether a stream of an open Ogg file has no end; False for files of other forms."""
    file.seek(0)
    if file.read(len(_NAME)) != _NAME:
        return False
    begun: set[bytes] = set()
    for flags, stream in _pages(file):
        if flags & _FIRST:
            begun.add(stream)
        if flags & _LAST:
            begun.discard(stream)
    return bool(begun)


def _pages(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Flags and stream of each page that is there to its last byte; what is none is passed over."""
    at, end = 0, file.seek(0, 2)
    while at + _HEAD <= end:
        file.seek(at)
        head = file.read(_HEAD)
        if not head.startswith(_NAME):
            at = _next(file, at + 1)
            continue
        segments = file.read(head[26])
        at += _HEAD + len(segments) + sum(segments)
        if len(segments) == head[26] and at <= end:
            yield head[5], head[14:18]


def _next(file: BinaryIO, at: int) -> int:
    """Where the next page may begin, at ``at`` or later; the end of the file if nowhere."""
    while True:
        file.seek(at)
        piece = file.read(_PIECE)
        found = piece.find(_NAME)
        if found >= 0 or len(piece) < _PIECE:
            return at + (found if found >= 0 else len(piece))
        at += _PIECE - len(_NAME) + 1
