"""Reading our own objects: the one ``.text`` section and where its functions begin.

The objects have no relocations, so their bytes run wherever they are put.  Little-endian ELF64 only:
this is for code of the machine we run on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from schedc.errors import InternalError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMTAB, _EXECUTABLE = 2, 0x4


@dataclass(frozen=True)
class Code:
    """Machine code and the offsets of its exported functions."""

    text: bytes
    symbols: dict[str, int]


def read_code(elf: bytes) -> Code:
    """The code of an object as :func:`schedc.backends.llvm.elf.finish_object` writes it."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise InternalError("the host's object is not little-endian ELF64")
    fields = _HEADER.unpack_from(elf)
    offset, size, count = fields[6], fields[11], fields[12]
    sections = [_SECTION.unpack_from(elf, offset + size * k) for k in range(count)]
    executable = [k for k, section in enumerate(sections) if section[2] & _EXECUTABLE]
    if len(executable) != 1:
        raise InternalError(f"the host's object has {len(executable)} code sections")
    (index,) = executable
    text = sections[index]
    symbols: dict[str, int] = {}
    for section in sections:
        if section[1] == _SYMTAB:
            symbols.update(_symbols(elf, section, sections[section[6]], index))
    return Code(elf[text[4] : text[4] + text[5]], symbols)


def _symbols(elf: bytes, table: tuple[int, ...], strings: tuple[int, ...], section: int) -> Iterator[tuple[str, int]]:
    for at in range(table[4], table[4] + table[5], _SYMBOL.size):
        name, _, _, where, value, _ = _SYMBOL.unpack_from(elf, at)
        if where == section and name:
            begin = strings[4] + name
            yield elf[begin : elf.index(b"\0", begin)].decode(), value
