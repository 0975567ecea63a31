"""Compiled code on disk: a folder of entries, safe under many processes, bounded in size.

An entry is one file, written beside its place and moved there in one step, with a hash over its
content: readers see a whole entry or none, and a damaged one is deleted and built again.  The least
recently used entries go when the folder is full.  A cache that cannot be read or written is no
cache: nothing fails because of it.

``SCHEDC_CACHE`` moves the folder; ``off`` disables it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

ENVIRONMENT = "SCHEDC_CACHE"
MOST_BYTES = 256 * 2**20
_MAGIC = b"schedc1\n"
_HASH_BYTES = 32
_ENDING = ".code"
_STALE_SECONDS = 600  # an unfinished write older than this belongs to nobody


@dataclass(frozen=True)
class CacheInfo:
    """What ``schedc cache info`` shows.  ``folder`` None: the cache is off."""

    folder: Path | None
    entries: int
    total_bytes: int
    most_bytes: int


class CodeCache:
    """The entries in ``folder`` (None: always empty), at most ``most_bytes`` together."""

    def __init__(self, folder: Path | None, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    def get(self, key: str) -> bytes | None:
        """The content stored under ``key``, or None.  Deletes an entry that is damaged."""
        if self.folder is None:
            return None
        path = self.folder / (key + _ENDING)
        try:
            with open(path, "rb") as file:
                raw = file.read() if _is_ours(os.fstat(file.fileno())) else b""
        except OSError:
            return None
        head = len(_MAGIC) + _HASH_BYTES
        if raw[:head] != _MAGIC + _digest(key, raw[head:]):
            _unlink(path)
            return None
        with suppress(OSError):
            os.utime(path)  # the time of the last use decides what goes first
        return raw[head:]

    def put(self, key: str, content: bytes) -> bool:
        """Store ``content``; False if that is impossible.  Makes room and sweeps up what killed writers left."""
        if self.folder is None:
            return False
        temporary = self.folder / f"tmp-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                temporary.write_bytes(_MAGIC + _digest(key, content) + content)
                os.replace(temporary, self.folder / (key + _ENDING))
            except BaseException:
                _unlink(temporary)
                raise
        except OSError:
            return False
        self.tidy(keep=key)
        return True

    def tidy(self, keep: str = "") -> None:
        """Delete unfinished writes of dead processes, and the least recently used entries beyond the bound."""
        for path in self._files("tmp-", ""):
            if _is_abandoned(path):
                _unlink(path)
        entries = sorted(self._sizes(), key=lambda entry: entry[1])
        total = sum(size for _, _, size in entries)
        for path, _, size in entries:
            if total <= self.most_bytes:
                break
            if path.name != keep + _ENDING:
                _unlink(path)
                total -= size

    def clear(self) -> int:
        """Delete everything the cache wrote; returns the number of entries that were there."""
        for path in self._files("tmp-", ""):
            _unlink(path)
        entries = self._files("", _ENDING)
        for path in entries:
            _unlink(path)
        return len(entries)

    def info(self) -> CacheInfo:
        sizes = [size for _, _, size in self._sizes()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.most_bytes)

    def _files(self, start: str, ending: str) -> list[Path]:
        try:
            names = sorted(os.listdir(self.folder)) if self.folder else []
        except OSError:
            return []
        assert self.folder is not None or not names
        return [Path(self.folder or "", n) for n in names if n.startswith(start) and n.endswith(ending)]

    def _sizes(self) -> list[tuple[Path, int, int]]:
        """(path, time of last use in ns, bytes) of every entry that is still there."""
        result = []
        for path in self._files("", _ENDING):
            with suppress(OSError):
                facts = path.stat()
                result.append((path, facts.st_mtime_ns, facts.st_size))
        return result


def default_cache() -> CodeCache:
    """The user's cache, where ``SCHEDC_CACHE`` or the system's custom puts it."""
    chosen = os.environ.get(ENVIRONMENT, "")
    if chosen.lower() == "off":
        return CodeCache(None)
    return CodeCache(Path(chosen) if chosen else user_cache_path("schedc", appauthor=False))


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + content).digest()


def _is_ours(facts: os.stat_result) -> bool:
    """Code is only taken from files of our own, or of the administrator."""
    return not hasattr(os, "geteuid") or facts.st_uid in (0, os.geteuid())


def _is_abandoned(path: Path) -> bool:
    """Whether the process that writes ``path`` is gone.  A wrong yes only costs that process its entry."""
    with suppress(OSError, ValueError):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            return True
        return os.name == "posix" and not _is_alive(int(path.name.split("-")[1]))
    return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
