"""Write a minimal ELF relocatable: ``.text``, ``.ARM.attributes``, symbols, nothing to relocate."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from schedc.backends.objects.object_image import Image, Symbol
from schedc.targets.instruction_sets import OBJECT_MACHINES

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_ARM_ATTRIBUTES = 1, 2, 3, 0x70000003
_SHF_ALLOC_EXEC = 0x6
_TYPES = {"STT_NOTYPE": 0, "STT_OBJECT": 1, "STT_FUNC": 2}
_BINDINGS = {"STB_LOCAL": 0, "STB_GLOBAL": 1, "STB_WEAK": 2}
_STV_DEFAULT, _STV_HIDDEN = 0, 2


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    data: bytes
    alignment: int
    link: int = 0
    info: int = 0
    entry_size: int = 0


def write_elf(image: Image, header: Any, attributes: bytes | None, *, stack_note: bool) -> bytes:
    """Return an ELF relocatable with ``image``; class, machine and flags come from ``header``.

    ``stack_note`` adds ``.note.GNU-stack``: "needs no executable stack".
    """
    wide = header["e_ident"]["EI_CLASS"] == "ELFCLASS64"
    locals_count = 1 + sum(s.binding == "STB_LOCAL" for s in image.symbols)
    names = _StringTable()
    table = bytes(24 if wide else 16) + b"".join(_pack_symbol(s, names.add(s.name), wide) for s in image.symbols)
    sections = [_Section(".text", _SHT_PROGBITS, _SHF_ALLOC_EXEC, image.text, image.alignment)]
    if attributes is not None:
        sections.append(_Section(".ARM.attributes", _SHT_ARM_ATTRIBUTES, 0, attributes, 1))
    if stack_note:
        sections.append(_Section(".note.GNU-stack", _SHT_PROGBITS, 0, b"", 1))
    strings_index = len(sections) + 2
    sections.append(
        _Section(
            ".symtab",
            _SHT_SYMTAB,
            0,
            table,
            8 if wide else 4,
            strings_index,
            locals_count,
            24 if wide else 16,
        )
    )
    sections.append(_Section(".strtab", _SHT_STRTAB, 0, bytes(names.data), 1))
    return _assemble(header, sections, wide)


class _StringTable:
    """ELF string table; offset 0 is the empty name."""

    def __init__(self) -> None:
        self.data = bytearray(1)
        self._offsets: dict[str, int] = {"": 0}

    def add(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.data)
            self.data += name.encode() + b"\0"
        return self._offsets[name]


def _pack_symbol(symbol: Symbol, name: int, wide: bool) -> bytes:
    info = _BINDINGS[symbol.binding] << 4 | _TYPES[symbol.kind]
    other = _STV_HIDDEN if symbol.hidden else _STV_DEFAULT
    text_index = 1
    if wide:
        return struct.pack("<IBBHQQ", name, info, other, text_index, symbol.value, symbol.size)
    return struct.pack("<IIIBBH", name, symbol.value, symbol.size, info, other, text_index)


def _assemble(header: Any, sections: list[_Section], wide: bool) -> bytes:
    """Lay out header, section contents, section names and the section header table, in that order."""
    names = _StringTable()
    name_offsets = [names.add(s.name) for s in sections] + [names.add(".shstrtab")]
    sections = [*sections, _Section(".shstrtab", _SHT_STRTAB, 0, bytes(names.data), 1)]
    body, entries = bytearray(64 if wide else 52), [bytes(64 if wide else 40)]
    entry_format = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    for section, name in zip(sections, name_offsets, strict=True):
        body += bytes(-len(body) % section.alignment)
        fields = (section.kind, section.flags, 0, len(body), len(section.data), section.link, section.info)
        entries.append(struct.pack(entry_format, name, *fields, section.alignment, section.entry_size))
        body += section.data
    body += bytes(-len(body) % 8)
    table_offset = len(body)
    body += b"".join(entries)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    body[: 64 if wide else 52] = ident + struct.pack(
        "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH",
        1,  # ET_REL
        OBJECT_MACHINES[header["e_machine"]].elf,
        1,
        0,
        0,
        table_offset,
        header["e_flags"],
        64 if wide else 52,
        0,
        0,
        64 if wide else 40,
        len(entries),
        len(sections),  # .shstrtab is the last section
    )
    return bytes(body)
