"""What a fleet's earlier runs have finished: one line of JSON each, appended as it happens."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schedc.errors import UserError, one_line
from schedc.files.inputs import read_input

_MOST_BYTES = 2**30


@dataclass(frozen=True)
class Line:
    """A capture or an architecture: its name, the hash of what it was made from, its files below the folder.

    ``rate_hz``: of a capture; None for an architecture, and for a capture that does not say.
    """

    name: str
    hash: str
    files: tuple[str, ...]
    rate_hz: float | None = None


class Ledger:
    """The lines in the file at ``path`` that were made under ``key``; a cut-off last line is ignored.

    A line whose files were written again under another key (other code in the same folder) no longer holds.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._lines: dict[str, Line] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = read_input(path, _MOST_BYTES, "a ledger", "choose another -o").decode() if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(one_line(str(path)), f"cannot be used: {error}", "choose another -o") from error
        last: dict[str, str] = {}  # file -> under which key it was written last
        for row in text.splitlines():
            found = _parse(row)
            if found is None:
                continue
            made_under, line = found
            last.update(dict.fromkeys(line.files, made_under))
            if made_under == key:
                self._lines[line.name] = line
        self._lines = {
            name: line for name, line in self._lines.items() if all(last[file] == key for file in line.files)
        }
        if text and not text.endswith("\n"):
            self._write("\n")

    def has(self, name: str, digest: str, folder: Path) -> bool:
        """Whether all files of ``name`` are there, made from what hashes to ``digest``."""
        line = self._lines.get(name)
        return line is not None and line.hash == digest and all((folder / file).is_file() for file in line.files)

    def line(self, name: str) -> Line | None:
        """What is noted of ``name``, whether or not its files are still there."""
        return self._lines.get(name)

    def files(self, name: str, digest: str, folder: Path) -> dict[str, bytes] | None:
        """File name -> content of an architecture that is there, else None."""
        if not self.has(name, digest, folder):
            return None
        try:
            files = self._lines[name].files
            return {Path(file).name: read_input(folder / file, _MOST_BYTES, "code") for file in files}
        except UserError:
            return None

    def add(self, line: Line) -> None:
        """Note that ``line`` is finished."""
        self._lines[line.name] = line
        self._write(json.dumps({"key": self._key, **asdict(line)}) + "\n")

    def _write(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            where = one_line(str(self._path))
            raise UserError(where, f"cannot be written: {error.strerror}", "choose another -o") from error


def _parse(row: str) -> tuple[str, Line] | None:
    """(key, line), or None for what is neither."""
    try:
        data: Any = json.loads(row)
        files = tuple(str(file) for file in data["files"])
        rate = data.get("rate_hz")
        rate_hz = None if rate is None else float(rate)
        return str(data["key"]), Line(str(data["name"]), str(data["hash"]), files, rate_hz)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
