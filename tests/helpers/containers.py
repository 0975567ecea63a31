"""Reading COFF and Mach-O with LIEF, which shares no code with our writers, and running what x86-64 code is in them."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass

import lief


@dataclass(frozen=True)
class Contents:
    """An object as a linker sees it; symbols by name with their offsets."""

    machine: str
    text: bytes
    file_offset: int
    alignment: int
    exported: dict[str, int]
    local: dict[str, int]


def read_coff(content: bytes) -> Contents:
    file = lief.COFF.parse(list(content))
    assert file is not None and file.header.timedatestamp == 0
    (section,) = file.sections
    assert section.name == ".text"
    flags = section.characteristics
    names = {flag.name for flag in lief.PE.Section.CHARACTERISTICS if flag.value and flag.value & flags == flag.value}
    assert {"CNT_CODE", "MEM_EXECUTE", "MEM_READ"} <= names
    assert not names & {"MEM_WRITE", "CNT_INITIALIZED_DATA", "LNK_COMDAT", "MEM_DISCARDABLE"}
    assert len(section.relocations) == section.numberof_relocations == 0
    classes = lief.COFF.Symbol.STORAGE_CLASS
    is_function = lief.COFF.Symbol.COMPLEX_TYPE.FUNCTION
    functions = [symbol for symbol in file.symbols if symbol.complex_type == is_function]
    assert [symbol.name for symbol in file.symbols if symbol.complex_type != is_function] == [".text"]
    assert all(symbol.section_idx == 1 for symbol in file.symbols)
    return Contents(
        file.header.machine.name,
        bytes(section.content),
        section.pointerto_raw_data,
        2 ** ((flags >> 20 & 15) - 1),
        {str(s.name): s.value for s in functions if s.storage_class == classes.EXTERNAL},
        {str(s.name): s.value for s in functions if s.storage_class == classes.STATIC},
    )


def read_macho(content: bytes) -> Contents:
    fat = lief.MachO.parse(list(content))
    assert fat is not None and len(fat) == 1
    file = fat.at(0)
    assert file is not None and file.header.file_type == lief.MachO.Header.FILE_TYPE.OBJECT
    assert file.header.flags_list == []  # above all not SUBSECTIONS_VIA_SYMBOLS
    assert file.build_version is not None
    assert (file.build_version.platform.name, list(file.build_version.minos)) == ("MACOS", [11, 0, 0])
    (section,) = file.sections
    assert (section.segment_name, section.name, section.numberof_relocations) == ("__TEXT", "__text", 0)
    assert [command.command.name for command in file.commands] == [
        *("SEGMENT_64", "BUILD_VERSION", "SYMTAB", "DYSYMTAB"),
    ]
    symbols = list(file.symbols)
    assert all(s.raw_type & 0xE == 0xE and s.numberof_sections == 1 for s in symbols)  # defined in section 1
    groups = [bool(s.raw_type & 1) for s in symbols]
    assert groups == sorted(groups)
    commands = file.dynamic_symbol_command
    assert commands is not None and commands.nb_undefined_symbols == 0
    assert (commands.nb_local_symbols, commands.nb_external_define_symbols) == (groups.count(False), groups.count(True))
    return Contents(
        file.header.cpu_type.name,
        bytes(section.content),
        section.offset,
        2**section.alignment,
        {str(s.name): s.value for s in symbols if s.raw_type & 1},
        {str(s.name): s.value for s in symbols if not s.raw_type & 1},
    )


class Mapped:
    """Code in executable memory, at a place aligned to a page."""

    def __init__(self, image: bytes) -> None:
        self._memory = mmap.mmap(-1, len(image), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(image)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
