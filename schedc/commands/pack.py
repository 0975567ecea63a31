"""``schedc pack``: a capture to a weight blob for code that was compiled before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schedc.artifact import write_files
from schedc.commands.console import bytes_text, columns, say, shown_name, warn
from schedc.files.outputs import check_output, check_separate
from schedc.frontend.capture import Reading
from schedc.packs import pack_capture, read_compiled, read_for, remarks_on


def pack_to_file(models: Sequence[Path], report: Path, output: Path, reading: Reading) -> None:
    """Write the blob, whole or not at all.  UserError as for :func:`schedc.pack`."""
    inputs = [*models, report]
    check_separate([output], inputs)
    place = check_output(output, folder_is_made=True)
    code = read_compiled(report)
    capture = read_for(models, code, reading)
    warn([*capture.warnings, *remarks_on(capture, code)])
    blob = pack_capture(capture, code)
    write_files(place.parent, {place.name: blob}, inputs)
    size = bytes_text(len(blob))
    say(f"{shown_name(output, columns() - len(size) - 2)}  {size}")
