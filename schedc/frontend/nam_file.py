"""Reading `.nam` captures: bytes in, a sound typed model out, or one line that says why not.

A file may also be a `.namb` (:mod:`schedc.frontend.namb_file`), which its content tells.
The rules are in docs/nam_format.md; :mod:`schedc.frontend.read_document` knows the architectures.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from schedc.frontend.fields import FileReading, Value
from schedc.frontend.foreign_files import refuse_foreign_bytes, refuse_foreign_json
from schedc.frontend.json_document import JsonDocument, parse_json, read_bytes
from schedc.frontend.model import NamFile
from schedc.frontend.namb_file import is_namb, parse_namb
from schedc.frontend.read_document import read_document

CAPTURE_SUFFIXES = (".nam", ".namb")  # what captures' files are called; commands that get one read any other, too


def has_capture_suffix(name: str) -> bool:
    """Whether a file's name (or a pattern for names) ends as captures' do, in any case."""
    return name.lower().endswith(CAPTURE_SUFFIXES)


def read_nam_file(path: str | os.PathLike[str]) -> NamFile:
    """The model in the file at ``path``; :class:`schedc.errors.ModelFileError` when there is none."""
    return read_nam_document(read_bytes(path), os.fspath(path))


def read_nam_document(content: str | bytes, name: str) -> NamFile:
    """The model in ``content``, a whole `.nam` or `.namb` file; ``name`` stands for the file in messages.

    Raises :class:`schedc.errors.ModelFileError` when the document is not a sound model.
    """
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    document = parse_namb(data, name) if is_namb(data) else _parse_text(data, name)
    reading = FileReading(name)
    if document.trailing_characters:
        reading.warn("", f"{document.trailing_characters} characters after the document are ignored")
    model = read_document(Value(reading, "", document.root))
    return NamFile(Path(name), model, tuple(reading.warnings), hashlib.sha256(data).hexdigest())


def _parse_text(data: bytes, name: str) -> JsonDocument:
    refuse_foreign_bytes(data, name)
    document = parse_json(data, name)
    refuse_foreign_json(document.root, name)
    return document
