"""Which captures a library has, and under which names their results are kept: every capture has one of its own.

Names are compared as the pickiest file systems do, which fold case and know one way to write an accent, since results
made on one system are used on another.
"""

from __future__ import annotations

import glob
import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from schedc.errors import UserError, one_line
from schedc.frontend.nam_file import CAPTURE_SUFFIXES, has_capture_suffix


@dataclass(frozen=True)
class Library:
    """Capture files and their names relative to the library's root.

    ``remarks``: what the user may not expect, a line each; ``faults``: what could not be searched, and why.
    """

    files: Sequence[tuple[Path, PurePosixPath]]
    remarks: Sequence[str] = ()
    faults: Sequence[tuple[str, str]] = ()


@dataclass
class _Found:
    """Files and their whole names relative to the root; what is to be said of the search."""

    files: dict[Path, PurePosixPath] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def find_captures(text: str) -> Library:
    """All captures below a folder, a file, or what a pattern matches; UserError if there are none."""
    found = _below(Path(text)) if Path(text).is_dir() else _matching(text)
    if not found.files and not found.faults:
        what = f"has no {' or '.join(CAPTURE_SUFFIXES)} files"
        raise UserError(one_line(text), what, "give a folder or a pattern like 'amps/*.nam'")
    names = _unique_names(found.files, found.remarks)
    return Library([(path, names[path]) for path in sorted(found.files)], found.remarks, found.faults)


def _below(root: Path) -> _Found:
    found = _Found()

    def note(error: OSError) -> None:
        found.faults.append((str(error.filename), f"cannot be searched: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=note):
        links = sorted(path for path in (Path(folder, name) for name in folders) if path.is_symlink())
        found.remarks += [f"{one_line(str(path))}: a link to a folder, which is not searched" for path in links]
        paths = [Path(folder, name) for name in names if has_capture_suffix(name)]
        found.files.update({path: PurePosixPath(path.relative_to(root)) for path in paths})
    return found


def _matching(text: str) -> _Found:
    """A pattern that ends as captures do matches that ending in any case; other files are taken as the user says."""
    names = [text] if os.path.lexists(text) else glob.glob(_with_any_case(text), recursive=True)
    paths = [Path(name) for name in names if not os.path.isdir(name)]
    once: dict[tuple[str, str], Path] = {}  # a folder may be reached in several ways, by links even in a circle
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        once.setdefault((os.path.realpath(path.parent), path.name), path)
    plain = {path: os.path.normpath(path) for path in once.values()}
    root = os.path.commonpath([os.path.dirname(name) for name in plain.values()]) if plain else ""
    return _Found({path: PurePosixPath(os.path.relpath(name, root or ".")) for path, name in plain.items()})


def _with_any_case(pattern: str) -> str:
    if not has_capture_suffix(pattern):
        return pattern
    stem, _, suffix = pattern.rpartition(".")
    return f"{stem}.{''.join(f'[{letter.lower()}{letter.upper()}]' for letter in suffix)}"


def _unique_names(files: dict[Path, PurePosixPath], remarks: list[str]) -> dict[Path, PurePosixPath]:
    """File -> a name without ending, which no other has; ``remarks`` gets those that are not the file's own."""
    counts = Counter(_folded(name.with_suffix("")) for name in files.values())
    own = {_folded(name.with_suffix("")): path for path, name in files.items()}
    holders = {folded: path for folded, path in own.items() if counts[folded] == 1}
    result = {}
    for path, name in sorted(files.items(), key=lambda item: (item[1].suffix != CAPTURE_SUFFIXES[0], item[1])):
        result[path] = next(c for c in _candidates(name) if holders.setdefault(_folded(c), path) == path)
        if result[path] != name.with_suffix(""):
            other = holders[_folded(name.with_suffix(""))]
            remarks.append(
                f"{one_line(str(path))} is called {one_line(str(result[path]))}, not to meet {one_line(str(other))}"
            )
    return result


def _candidates(name: PurePosixPath) -> Iterator[PurePosixPath]:
    """``amp``; for another format ``amp_namb``; ``amp_2`` and so on."""
    plain, suffix = name.with_suffix(""), name.suffix.lower()
    yield plain
    if suffix not in ("", CAPTURE_SUFFIXES[0]):
        yield plain.with_name(f"{plain.name}_{suffix[1:]}")
    yield from (plain.with_name(f"{plain.name}_{number}") for number in itertools.count(2))


def _folded(name: PurePosixPath) -> str:
    """What two names have in common that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", str(name)).casefold())
