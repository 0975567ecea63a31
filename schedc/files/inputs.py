"""Files that users name: regular ones of bounded size, and nothing else.

A pipe would be waited for, a device has no end, and a file of no bytes on the disk can claim gigabytes.  Whatever a
command or a public function reads by a name it was given is opened here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from schedc.errors import UserError, one_line

Path = str | os.PathLike[str]
# A pipe must not be waited for, nor a terminal become ours.
_FLAGS = ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")  # not every system has all of them


def open_input(path: Path, remedy: str = "", error: type[UserError] = UserError) -> BinaryIO:
    """A regular file, open for reading.  Anything else is an ``error`` with ``remedy``, and never waited for."""
    name = one_line(os.fspath(path))
    try:
        _check_kind(os.stat(path), name, remedy, error)  # devices may do something when they are opened
        number = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _FLAGS))
        file = os.fdopen(number, "rb")
        try:
            _check_kind(os.fstat(file.fileno()), name, remedy, error)
        except BaseException:
            file.close()
            raise
        return file
    except FileNotFoundError:
        raise error(name, "no such file", remedy) from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL character in the path
        raise error(name, _unreadable(problem), remedy) from None


def read_input(path: Path, most_bytes: int, what: str, remedy: str = "", error: type[UserError] = UserError) -> bytes:
    """The content of a regular file of at most ``most_bytes``; ``what`` it is to be, such as "a capture", in errors."""
    name = one_line(os.fspath(path))
    with open_input(path, remedy, error) as file, readable(path, remedy, error):
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most_bytes else file.read(most_bytes + 1)  # files of /proc say 0
    check_size(max(size, len(data)), most_bytes, name, what, remedy, error)
    return data


@contextmanager
def readable(path: Path, remedy: str = "", error: type[UserError] = UserError) -> Iterator[None]:
    """For who reads an open file: what the system refuses inside is an ``error`` with ``remedy``."""
    try:
        yield
    except OSError as problem:
        raise error(one_line(os.fspath(path)), _unreadable(problem), remedy) from None


def check_size(
    size: int, most: int, name: str, what: str, remedy: str = "", error: type[UserError] = UserError
) -> None:
    """Raise ``error`` for content of ``size`` bytes where ``most`` are allowed."""
    if size > most:
        raise error(name, f"{size} bytes is too large for {what} (limit {most})", remedy)


def _check_kind(status: os.stat_result, name: str, remedy: str, error: type[UserError]) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise error(name, "is a folder", remedy)
    if not stat.S_ISREG(status.st_mode):
        raise error(name, "is not a regular file", remedy)


def _unreadable(problem: Exception) -> str:
    return f"cannot be read ({one_line(getattr(problem, 'strerror', None) or str(problem))})"
