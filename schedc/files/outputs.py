"""Files that are written: regular ones, never one that was read, nor one twice.

Links are followed; only the files of a compilation take the places of links.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from schedc.errors import UserError, one_line

_ELSEWHERE = "choose another place"


def check_output(path: Path, folder_is_made: bool = False) -> Path:
    """Where to write ``path``, links followed; UserError for a folder, a device, a missing folder.

    ``folder_is_made``: if it is missing, by who writes.
    """
    name = one_line(str(path))
    try:
        real = path.resolve()
        check_kind(real, name)
        folder = one_line(str(real.parent))
        if folder_is_made and not real.parent.exists():
            return real
        if not real.parent.is_dir():
            raise UserError(name, f"cannot be written: there is no folder {folder}", "make it first")
        if not os.access(real.parent, os.W_OK | os.X_OK):
            raise UserError(name, f"cannot be written: no permission for {folder}", _ELSEWHERE)
    except (OSError, RuntimeError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or str(error))
        raise UserError(name, f"cannot be written ({reason})", _ELSEWHERE) from error
    return real


def check_kind(path: Path, name: str) -> None:
    """UserError (where: ``name``) if there is something at ``path`` that is no regular file."""
    if path.is_dir():
        raise UserError(name, "is a folder", "give the name of a file")
    if path.exists() and not path.is_file():
        raise UserError(name, "is not a regular file", _ELSEWHERE)


def check_separate(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """UserError if an output is one of the inputs, or two outputs are one file, by whatever names.

    To be asked before work begins, and again by who writes: what a name stands for may have changed.
    """
    read = {_identity(path): path for path in inputs}
    written: dict[object, Path] = {}
    for path in outputs:
        identity = _identity(path)
        for taken, what in ((read, "an input"), (written, "another output")):
            if identity in taken:
                other = taken[identity]
                by_name = "" if other == path else f", {one_line(str(other))}"
                raise UserError(one_line(str(path)), f"would overwrite {what}{by_name}", _ELSEWHERE)
        written[identity] = path


def _identity(path: Path) -> object:
    """What all names of a file have in common.

    Of one that is not there yet: the place its links lead to, where names count as equal that some system takes for
    one.
    """
    try:
        facts = os.stat(path)
        return facts.st_dev, facts.st_ino
    except (OSError, ValueError):
        real = Path(os.path.realpath(path)) if "\0" not in str(path) else path
    folder, name = real.parent, _folded(real.name)
    try:
        facts = os.stat(folder)
        return facts.st_dev, facts.st_ino, name
    except (OSError, ValueError):
        return _folded(str(folder)), name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
