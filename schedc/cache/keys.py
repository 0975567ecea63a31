"""What a cached piece of code depends on, as a key: the request, and everything that turns it into code."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from schedc.version import VERSION

_FOLDERS = ("", "passes", "backends", "targets")  # links or packages; walking follows neither twice
_ENDINGS = (".py", ".yaml")


def cache_key(*parts: str) -> str:
    """A file name for code that is a function of ``parts``, schedc and LLVM."""
    return hashlib.sha256("\0".join([VERSION, _sources(), _llvm(), *parts]).encode()).hexdigest()


@functools.cache
def _sources() -> str:
    """Sizes and times of schedc's own files: whoever changes the compiler gets other code."""
    package = Path(__file__).parents[1]
    return "\n".join(line for folder in _FOLDERS for line in _facts(package / folder))


def _facts(folder: Path) -> Iterator[str]:
    """``path size time`` of every source file below ``folder``, links to folders left out."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _facts(Path(entry.path))
        elif entry.name.endswith(_ENDINGS):
            facts = entry.stat()
            yield f"{entry.path} {facts.st_size} {facts.st_mtime_ns}"


@functools.cache
def _llvm() -> str:
    """Version and file of llvmlite, which holds LLVM; it is not loaded for this."""
    version = importlib.metadata.version("llvmlite")
    spec = importlib.util.find_spec("llvmlite")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    libraries = sorted(folder.glob("binding/*llvmlite.*"))
    return " ".join([version, *(f"{path.name} {path.stat().st_size}" for path in libraries)])
