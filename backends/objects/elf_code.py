"""Reading our own objects: the one ``.text`` section and where its functions begin.

The objects have no relocations, so their bytes run wherever they are put.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedc.analysis.elf_file import ElfFile
from schedc.errors import InternalError, UserError


@dataclass(frozen=True)
class Code:
    """Machine code and the offsets of its functions."""

    text: bytes
    symbols: dict[str, int]


def read_code(elf: bytes) -> Code:
    """The code of an object as :func:`schedc.backends.objects.elf.finish_object` writes it."""
    try:
        file = ElfFile(elf, "the host's object")
        symbols = file.symbols
    except UserError as error:
        raise InternalError(str(error)) from error
    executable = [number for number, section in enumerate(file.sections) if section.is_code]
    if len(executable) != 1:
        raise InternalError(f"the host's object has {len(executable)} code sections")
    (index,) = executable
    return Code(file.sections[index].data, {s.name: s.value for s in symbols if s.section == index})
