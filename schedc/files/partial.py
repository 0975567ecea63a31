"""Files under way: written under a name of ours beside their place, which they take when they are whole.

Whoever is interrupted leaves nothing.  Whoever is killed leaves a file that nobody holds a lock on any more, and
:func:`sweep` deletes those.  (A lock tells also what process numbers do not: of other containers, of other machines
with the same folder, numbers that were given out again.)
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows, where nobody can delete a file that somebody has open
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.schedc-[0-9a-f]{16}\.partial")
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
Folder = str | os.PathLike[str]


class PartialFile:
    """A new file in ``folder``, to be used as a context manager; gone at its end, unless it was finished.

    ``path`` may be opened by others to write the content.  ``mode``: permissions, which the umask restricts;
    ``private``: for the owner alone, whatever the umask.  ``dir_fd``: what ``folder`` is relative to.
    """

    def __init__(self, folder: Folder, private: bool = False, dir_fd: int | None = None) -> None:
        self._folder, self._private, self._dir = folder, private, dir_fd
        self.path, self._file = "", -1

    def __enter__(self) -> PartialFile:
        while True:
            self.path = os.path.join(self._folder, f".schedc-{secrets.token_hex(8)}.partial")
            mode = 0o600 if self._private else 0o666
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, mode, dir_fd=self._dir)
            try:
                if self._private and hasattr(os, "fchmod"):
                    os.fchmod(self._file, 0o600)
                if _lock(self._file) is not False and _is_at(self._file, self.path, self._dir):
                    return self
            except BaseException:
                self._end(unlink=True)
                raise
            self._end(unlink=False)  # somebody sweeps here, and was quicker

    def write(self, content: bytes) -> None:
        """Append ``content``."""
        view = memoryview(content)
        while view:
            view = view[os.write(self._file, view) :]

    def finish(self, name: str) -> None:
        """Move the file to ``name`` in the same folder, in place of what is there."""
        if fcntl is None:
            self._close()  # Windows moves no file that is open
        place = os.path.join(self._folder, name)
        os.replace(self.path, place, src_dir_fd=self._dir, dst_dir_fd=self._dir)
        self._close()
        self.path = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(unlink=bool(self.path))

    def _end(self, unlink: bool) -> None:
        if fcntl is None:
            self._close()
        if unlink:
            with suppress(OSError):
                os.unlink(self.path, dir_fd=self._dir)
        self._close()

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that is there: none is in its place before all of them are written."""
    with PartialFile(folder) as owner:  # its lock speaks for the staging folder, too
        staging = _staging_of(owner.path)
        staging.mkdir()
        try:
            for name, content in files.items():
                (staging / name).write_bytes(content)
            for name in files:
                os.replace(staging / name, folder / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _staging_of(partial: str) -> Path:
    return Path(partial).with_suffix(".files")


def sweep(folder: Folder, dir_fd: int | None = None) -> None:
    """Delete what killed processes of this user have left in ``folder``; nothing that lives, and no other file."""
    with suppress(OSError):
        names = os.listdir(folder if dir_fd is None else dir_fd)
        for name in filter(_NAME.fullmatch, names):
            _delete_if_left(os.path.join(folder, name), dir_fd)


def _delete_if_left(path: str, dir_fd: int | None) -> None:
    with suppress(OSError):
        if fcntl is None:
            os.unlink(path)
            shutil.rmtree(_staging_of(path), ignore_errors=True)
            return
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK | _FLAGS, dir_fd=dir_fd)
        try:
            facts = os.fstat(file)
            ours = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid()
            if ours and _lock(file) and _is_at(file, path, dir_fd):
                if dir_fd is None:
                    shutil.rmtree(_staging_of(path), ignore_errors=True)
                os.unlink(path, dir_fd=dir_fd)
        finally:
            os.close(file)


def _lock(file: int) -> bool | None:
    """Take the lock that says that a file's writer lives; False if somebody has it, None if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(file: int, path: str, dir_fd: int | None) -> bool:
    """Whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path, dir_fd=dir_fd, follow_symlinks=False))
    except FileNotFoundError:
        return False
