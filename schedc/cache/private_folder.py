"""A folder that nobody but its user can write to, held open, so that neither it nor what it holds can be swapped.

Code from the cache runs in the user's process, so whoever can put a file there can run anything in it; a hash proves
nothing, since everybody can compute it.  What is checked:

- the way to the folder: every folder on it, and every link, belongs to the user or to root, who needs no cache to do
  harm, and nobody else can write to it, but for sticky folders (``/tmp``), where others cannot move what is not theirs;
- the folder: belongs to the user, and nobody else can write to it;
- each file, when it is open: regular, the user's, of one name, and nobody else can write to it.

Files are reached through the open folder, never through its path again.  Where the system knows no owners of this kind
(Windows), paths are used and nothing is checked: a user's folders are closed to others there.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from schedc.files.partial import PartialFile, sweep

_CAN_CHECK = hasattr(os, "geteuid") and os.open in os.supports_dir_fd
_MOST_LINKS = 40  # as the kernel allows
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # or a pipe in a file's place would hold us up
# A folder on the way need not be readable: O_PATH asks for no permission, where there is such a thing.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _FLAGS


class UnsafeFolder(Exception):
    """The folder is none, or somebody else could write to it; says how, and what to do about it."""


@dataclass(frozen=True)
class FileFacts:
    """An entry of the folder: its size, and when it was last used (ns)."""

    name: str
    size: int
    used_ns: int


class PrivateFolder:
    """The folder at ``path``, to be used as a context manager, which raises UnsafeFolder, or OSError if there is none.

    ``make``: make it, and the folders on its way, for the user alone.
    """

    def __init__(self, path: Path, make: bool = False) -> None:
        self._path, self._make = path, make
        self._fd: int | None = None

    def __enter__(self) -> PrivateFolder:
        if _CAN_CHECK:
            try:
                self._fd = _open_checked(self._path, self._make)
            except NotADirectoryError:
                raise UnsafeFolder("it is no folder, or below what is none") from None
        elif self._make:
            self._path.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """A file's content; None if it cannot be trusted or is larger.  OSError if there is none."""
        file = os.open(self._at(name), os.O_RDONLY | _NO_LINK | _NO_WAIT | _FLAGS, dir_fd=self._fd)
        with os.fdopen(file, "rb") as reader:
            if not _is_trusted(os.fstat(file)):
                return None
            content = reader.read(most_bytes + 1)
        return content if len(content) <= most_bytes else None

    def begins(self, name: str, with_bytes: int) -> bytes:
        """The first bytes of a regular file, whoever wrote it."""
        file = os.open(self._at(name), os.O_RDONLY | _NO_LINK | _NO_WAIT | _FLAGS, dir_fd=self._fd)
        with os.fdopen(file, "rb") as reader:
            return reader.read(with_bytes) if stat.S_ISREG(os.fstat(file).st_mode) else b""

    def write(self, name: str, content: bytes) -> None:
        """A file with this content, for the user alone, in place of what has its name."""
        with PartialFile("" if self._fd is not None else self._path, private=True, dir_fd=self._fd) as partial:
            partial.write(content)
            partial.finish(name)

    def touch(self, name: str) -> None:
        """Note that a file is used."""
        os.utime(self._at(name), dir_fd=self._fd, follow_symlinks=self._fd is None)

    def delete(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(self._at(name), dir_fd=self._fd)

    def files(self) -> list[FileFacts]:
        """The regular files, in the order of their names."""
        found = []
        for name in sorted(os.listdir(self._path if self._fd is None else self._fd)):
            with suppress(OSError):
                facts = os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
                if stat.S_ISREG(facts.st_mode):
                    found.append(FileFacts(name, facts.st_size, facts.st_mtime_ns))
        return found

    def sweep(self) -> None:
        """Delete unfinished writes of processes that are gone."""
        sweep("" if self._fd is not None else self._path, self._fd)

    def _at(self, name: str) -> str:
        return name if self._fd is not None else os.path.join(self._path, name)


def _is_trusted(facts: os.stat_result) -> bool:
    """Whether only the user can have written an open file.  Root's are no exception: they are no entries of ours."""
    if not stat.S_ISREG(facts.st_mode):
        return False
    return not _CAN_CHECK or (
        facts.st_uid == os.geteuid() and not facts.st_mode & _OTHERS_WRITE and facts.st_nlink == 1
    )


def _open_checked(path: Path, make: bool) -> int:
    """The folder, open.  Each step of the way is taken in the folder that was just checked, and through no link."""
    whole = path if path.is_absolute() else Path.cwd() / path
    rest = list(reversed(whole.parts[1:]))
    at, here, links = os.open("/", _STEP), Path("/"), 0
    try:
        while rest:
            _check(os.fstat(at), here, on_the_way=True)
            part = rest.pop()
            target = _link_target(part, at, here)
            if target is None:
                following, here = _enter(part, at, make), here / part
            else:
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                rest += reversed([name for name in target.split("/") if name])
                if not target.startswith("/"):
                    continue
                following, here = os.open("/", _STEP), Path("/")
            os.close(at)
            at = following
        _check(os.fstat(at), here, on_the_way=False)
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=at)
    finally:
        os.close(at)


def _check(facts: os.stat_result, folder: Path, on_the_way: bool) -> None:
    """Raise UnsafeFolder if somebody else could put something into an open folder in place of what is ours."""
    owners = (os.geteuid(), 0) if on_the_way else (os.geteuid(),)
    if facts.st_uid not in owners:
        raise UnsafeFolder(f"{folder} belongs to another user")
    if facts.st_mode & _OTHERS_WRITE and not (on_the_way and facts.st_mode & stat.S_ISVTX):
        mode = f"{stat.S_IMODE(facts.st_mode):o}"
        raise UnsafeFolder(f"others can write to {folder} (mode {mode}: chmod go-w {shlex.quote(str(folder))})")


def _link_target(name: str, at: int, folder: Path) -> str | None:
    """Where a link leads, None for what is none.  UnsafeFolder for a link that somebody else made."""
    try:
        facts = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(facts.st_mode):
        return None
    if facts.st_uid not in (os.geteuid(), 0):
        raise UnsafeFolder(f"{folder / name} is a link of another user's")
    return os.readlink(name, dir_fd=at)


def _enter(name: str, at: int, make: bool) -> int:
    try:
        return os.open(name, _STEP | _NO_LINK, dir_fd=at)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # somebody was quicker
        os.mkdir(name, 0o700, dir_fd=at)
    return os.open(name, _STEP | _NO_LINK, dir_fd=at)
