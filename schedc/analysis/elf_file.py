"""Reading ELF files that anybody may have made, or damaged: sections and symbols, or in words why not.

Every offset and size is checked before it is used, so that work and memory are bounded by the file's size, which no
ELF library at hand promises.  Little-endian files of 32 and 64 bits; what a section that was compressed holds is not
read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from schedc.errors import UserError
from schedc.targets.instruction_sets import OBJECT_MACHINES

SHF_ALLOC, SHF_EXEC, _SHF_COMPRESSED = 0x2, 0x4, 0x800
SHT_SYMTAB, _SHT_STRTAB, SHT_RELA, _SHT_NOBITS, SHT_REL, SHT_ARM_ATTRIBUTES = 2, 3, 4, 8, 9, 0x70000003
STT_FUNC = 2
_ET_REL = 1
_SPECIAL_SECTIONS = 0xFF00  # section numbers from here on are none
_MOST_SECTIONS = 4096
_LONGEST_NAME = 4096  # bytes
_MACHINES = {3: "x86", 243: "RISC-V", **{machine.elf: machine.title for machine in OBJECT_MACHINES.values()}}


@dataclass(frozen=True)
class _Format:
    """Layouts of a class of files; fields are in the order of ``Elf32_...`` or ``Elf64_...``."""

    header: struct.Struct
    section: struct.Struct
    symbol: struct.Struct


_FORMATS = {
    1: _Format(struct.Struct("<16xHHIIIIIHHHHHH"), struct.Struct("<10I"), struct.Struct("<IIIBBH")),
    2: _Format(struct.Struct("<16xHHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")),
}


@dataclass(frozen=True)
class Section:
    """``data`` is empty where the file holds none; ``size``: bytes in memory."""

    name: str
    kind: int
    flags: int
    address: int
    size: int
    data: bytes
    link: int
    entry_bytes: int

    @property
    def is_code(self) -> bool:
        return self.flags & SHF_ALLOC != 0 and self.flags & SHF_EXEC != 0 and self.size > 0


@dataclass(frozen=True)
class Symbol:
    """``section``: its number, -1 for none (an undefined, absolute or common symbol)."""

    name: str
    value: int
    size: int
    kind: int
    section: int
    is_undefined: bool


class ElfFile:
    """An ELF file's content; UserError, about ``where``, if it cannot be one."""

    def __init__(self, data: bytes, where: str = "object") -> None:
        self.where, self._data = where, data
        if data[:4] != b"\x7fELF":
            raise UserError(where, "is not an ELF file", "give an object or executable for Arm or AArch64")
        if len(data) < 16 or data[4] not in _FORMATS or data[5] != 1:
            raise self.damaged("it is neither of 32 nor of 64 bits, or big-endian")
        self._format = _FORMATS[data[4]]
        kind, machine, _, _, _, offset, _, _, _, _, size, count, names = self._unpack(self._format.header, 0)
        self.machine = _MACHINES.get(machine, f"machine {machine}")
        self.is_relocatable = kind == _ET_REL
        if count == 0:
            raise UserError(where, "has no sections", "do not strip them")
        if count > _MOST_SECTIONS or size != self._format.section.size:
            raise self.damaged(f"{count} sections with headers of {size} bytes")
        headers = [self._unpack(self._format.section, offset + size * number) for number in range(count)]
        if names >= count:
            raise self.damaged("no section holds the sections' names")
        strings = self._content(names, headers[names])
        self.sections = [self._section(number, header, strings) for number, header in enumerate(headers)]

    def damaged(self, what: str) -> UserError:
        return UserError(self.where, f"is a damaged ELF file: {what}")

    @cached_property
    def symbols(self) -> list[Symbol]:
        """Those of its symbol table, none without one."""
        table = next((section for section in self.sections if section.kind == SHT_SYMTAB), None)
        return [] if table is None else list(self._symbols(table))

    def _symbols(self, table: Section) -> Iterator[Symbol]:
        layout = self._format.symbol
        if table.entry_bytes != layout.size or table.size % layout.size or table.link >= len(self.sections):
            raise self.damaged(f"a symbol table of {table.size} bytes with entries of {table.entry_bytes}")
        strings = self.sections[table.link].data
        for fields in layout.iter_unpack(table.data):
            if layout is _FORMATS[1].symbol:
                name, value, size, info, _, section = fields
            else:
                name, info, _, section, value, size = fields
            number = section if 0 < section < _SPECIAL_SECTIONS else -1
            if number >= len(self.sections):
                raise self.damaged(f"a symbol in section {number} of {len(self.sections)}")
            yield Symbol(self._name(strings, name), value, size, info & 15, number, section == 0)

    def _section(self, number: int, header: tuple[int, ...], strings: bytes) -> Section:
        name, kind, flags, address, _, size, link, _, _, entry_bytes = header
        data = self._content(number, header)
        return Section(self._name(strings, name), kind, flags, address, size, data, link, entry_bytes)

    def _content(self, number: int, header: tuple[int, ...]) -> bytes:
        _, kind, flags, _, offset, size, *_ = header
        if kind in (0, _SHT_NOBITS):
            return b""
        if offset + size > len(self._data):
            raise self.damaged(f"section {number} ends at byte {offset + size} of {len(self._data)}")
        if flags & _SHF_COMPRESSED and flags & SHF_ALLOC:
            raise self.damaged(f"section {number} is compressed")
        return b"" if flags & _SHF_COMPRESSED else self._data[offset : offset + size]

    def _name(self, strings: bytes, at: int) -> str:
        if at == 0 and not strings:
            return ""
        end = strings.find(b"\0", at, at + _LONGEST_NAME)
        if at >= len(strings) or end < 0:
            raise self.damaged(f"a name at byte {at} of {len(strings)}")
        return strings[at:end].decode("utf-8", "replace")

    def _unpack(self, layout: struct.Struct, at: int) -> tuple[int, ...]:
        if at + layout.size > len(self._data):
            raise self.damaged(f"it ends at byte {len(self._data)}, before a header at {at}")
        found: tuple[int, ...] = layout.unpack_from(self._data, at)
        return found
