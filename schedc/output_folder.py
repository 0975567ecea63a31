"""The folder that a capture is compiled into: what lies there may be another capture's, or not schedc's at all.

A name that was derived from a file's may be that of other files, too (``a-b.nam``, ``a_b.nam``); nothing of theirs is
lost for it.  A name that was asked for is the user's business: what it replaces is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from schedc.backends.c.pipeline_header import RUNTIME_NAME
from schedc.errors import UserError, one_line
from schedc.files.inputs import read_input
from schedc.version import MADE_BY

_MOST_BYTES = 2**26
_ANOTHER = "choose another -o or --name, or delete it"


class Origin(NamedTuple):
    """A capture's file, as reports state it: its name without folder, and the SHA-256 of its content."""

    file: str
    sha256: str


def check_replaced(
    folder: Path, name: str, files: Iterable[str], origins: Sequence[Origin], was_asked_for: bool
) -> list[str]:
    """Warnings about what is replaced when the capture of ``origins`` is written there as ``name``, in ``files``.

    UserError if that is not schedc's, or another capture's whose ``name`` was not asked for.  An origin whose digest
    is not known yet (``""``) is the one of that name.  Objects and weights do not say who made them; the report does.
    """
    header, report = folder / f"{name}.h", folder / f"{name}.json"
    if header.exists() and MADE_BY.encode() not in _read(header).partition(b"\n")[0]:
        raise UserError(one_line(str(header)), "is not schedc's, and would be overwritten", _ANOTHER)
    if not report.exists():
        unknown = f"has no {one_line(report.name)} beside it that tells of schedc, and would be overwritten"
        for path in (folder / file for file in files):
            if path.exists() and path not in (header, folder / RUNTIME_NAME):
                raise UserError(one_line(str(path)), unknown, _ANOTHER)
        return []
    before, where = _origins(report), one_line(str(report))
    if [origin.file for origin in before] != [origin.file for origin in origins] and before:
        files = one_line(" + ".join(origin.file for origin in before))
        if was_asked_for:
            return [f"{where}: what was compiled of {files} is replaced"]
        raise UserError(where, f"is another capture's, {files}", _ANOTHER)
    if any(old.sha256 != new.sha256 and new.sha256 for old, new in zip(before, origins, strict=False)):
        return [f"{where}: what was compiled of a file of this name and other content is replaced"]
    return []


def _origins(report: Path) -> list[Origin]:
    """What a report says it was compiled from; nothing if it is of a version that did not say."""
    foreign = UserError(one_line(str(report)), "is not schedc's, and would be overwritten", _ANOTHER)
    try:
        data: Any = json.loads(_read(report))
    except (ValueError, RecursionError):
        raise foreign from None
    if not isinstance(data, dict) or "schedc" not in data:
        raise foreign
    found = data.get("captures")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return []
    return [Origin(str(one.get("file")), str(one.get("sha256"))) for one in found]


def _read(path: Path) -> bytes:
    return read_input(path, _MOST_BYTES, "what lies here", _ANOTHER)
