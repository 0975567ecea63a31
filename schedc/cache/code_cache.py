"""Compiled code on disk: a folder of entries, safe under many processes, bounded in size.

An entry is one file, written beside its place and moved there in one step, with a hash over its
content: readers see a whole entry or none, and a damaged one is built again.  The least recently
used entries go when the folder is full.  A cache that cannot be read or written is no cache:
nothing fails because of it.  One that somebody else could write to is none either, and that is said once.

The folder may hold other files of the user's: what goes is only what has a name and a beginning of ours.

``SCHEDC_CACHE`` moves the folder; ``off`` disables it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from schedc.cache.private_folder import FileFacts, PrivateFolder, UnsafeFolder
from schedc.errors import InternalError, tell

ENVIRONMENT = "SCHEDC_CACHE"
MOST_BYTES = 256 * 2**20
_MAGIC = b"schedc1\n"
_HASH_BYTES = 32
_ENDING = ".code"
_NAME = re.compile(r"[0-9a-f]{64}\.code")
_said: set[str] = set()  # what this process has warned of


@dataclass(frozen=True)
class CacheInfo:
    """What ``schedc cache info`` shows.  ``folder`` None: the cache is off; ``fault``: why it is not used, or ""."""

    folder: Path | None
    entries: int
    total_bytes: int
    most_bytes: int
    fault: str = ""


class CodeCache:
    """The entries in ``folder`` (None: always empty), at most ``most_bytes`` together; a key is a hash in hex."""

    def __init__(self, folder: Path | None, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    def get(self, key: str) -> bytes | None:
        """The content stored under ``key``, or None."""
        name, head = _name(key), len(_MAGIC) + _HASH_BYTES
        with self._opened() as folder, suppress(OSError):
            raw = folder.read(name, self.most_bytes + head) if folder else None
            if folder and raw is not None and raw[:head] == _MAGIC + _digest(key, raw[head:]):
                with suppress(OSError):
                    folder.touch(name)  # the time of the last use decides what goes first
                return raw[head:]
        return None

    def put(self, key: str, content: bytes) -> bool:
        """Store ``content``; False if that is impossible.  Makes room and sweeps up what killed writers left."""
        name = _name(key)
        with self._opened(make=True) as folder, suppress(OSError):
            if folder:
                folder.write(name, _MAGIC + _digest(key, content) + content)
                self._tidy(folder, keep=name)
                return True
        return False

    def _tidy(self, folder: PrivateFolder, keep: str) -> None:
        """Delete unfinished writes of dead processes, and the least recently used entries beyond the bound."""
        folder.sweep()
        entries = sorted(_entries(folder), key=lambda entry: entry.used_ns)
        total = sum(entry.size for entry in entries)
        for entry in entries:
            if total <= self.most_bytes:
                break
            if entry.name != keep and _has_our_mark(folder, entry):
                folder.delete(entry.name)
                total -= entry.size

    def clear(self) -> int:
        """Delete all entries; returns their number."""
        with self._opened() as folder, suppress(OSError):
            if folder:
                folder.sweep()
                ours = [entry for entry in _entries(folder) if _has_our_mark(folder, entry)]
                for entry in ours:
                    folder.delete(entry.name)
                return len(ours)
        return 0

    def info(self) -> CacheInfo:
        sizes: list[int] = []
        fault = ""
        try:
            if self.folder:
                with suppress(OSError), PrivateFolder(self.folder) as folder:
                    sizes = [entry.size for entry in _entries(folder)]
        except UnsafeFolder as error:
            fault = str(error)
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.most_bytes, fault)

    def check(self) -> None:
        """Warn now, if the folder is one that is not used: for those who let others use it."""
        with self._opened():
            pass

    @contextmanager
    def _opened(self, make: bool = False) -> Iterator[PrivateFolder | None]:
        """The folder, or None where there is none or it is not used."""
        with ExitStack() as stack:
            folder = None
            try:
                with suppress(OSError):
                    folder = stack.enter_context(PrivateFolder(self.folder, make)) if self.folder else None
            except UnsafeFolder as error:
                _warn_once(f"the code cache in {self.folder} is not used: {error}")
            yield folder


def default_cache() -> CodeCache:
    """The user's cache, where ``SCHEDC_CACHE`` or the system's custom puts it."""
    chosen = os.environ.get(ENVIRONMENT, "")
    if chosen.lower() == "off":
        return CodeCache(None)
    return CodeCache(Path(chosen) if chosen else user_cache_path("schedc", appauthor=False))


def _name(key: str) -> str:
    name = key + _ENDING
    if not _NAME.fullmatch(name):
        raise InternalError(f"{key!r} is no key of the cache")
    return name


def _entries(folder: PrivateFolder) -> list[FileFacts]:
    return [entry for entry in folder.files() if _NAME.fullmatch(entry.name)]


def _has_our_mark(folder: PrivateFolder, entry: FileFacts) -> bool:
    """Whether a file begins as an entry does, or as one that was cut off."""
    try:
        return _MAGIC.startswith(folder.begins(entry.name, len(_MAGIC)))
    except OSError:
        return False


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + content).digest()


def _warn_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        tell([f"{message}; {ENVIRONMENT} moves it, or turns it off"])
