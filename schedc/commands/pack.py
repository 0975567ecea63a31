"""``schedc pack``: a capture to a weight blob for code that was compiled before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schedc.artifact import write_files
from schedc.commands.console import bytes_text, say, warn
from schedc.errors import UserError
from schedc.frontend.wording import one_line
from schedc.packs import pack_capture, read_compiled, read_for, remarks_on


def pack_to_file(models: Sequence[Path], report: Path, output: Path, slim: float | None, prewarm: bool) -> None:
    """Write the blob, whole or not at all.  UserError as for :func:`schedc.pack`."""
    if output.is_dir():
        raise UserError(one_line(str(output)), "is a folder", "choose another -o")
    code = read_compiled(report)
    capture = read_for(models, code, slim, prewarm)
    warn([*capture.warnings, *remarks_on(capture, code)])
    blob = pack_capture(capture, code)
    write_files(output.parent, {output.name: blob})
    say(f"{one_line(str(output))}  {bytes_text(len(blob))}")
