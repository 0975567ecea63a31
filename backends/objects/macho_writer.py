"""Write a minimal Mach-O object: ``__TEXT,__text`` and symbols, for the linkers of macOS.

``<mach-o/loader.h>`` and ``<mach-o/nlist.h>`` of Apple.  MH_SUBSECTIONS_VIA_SYMBOLS is not set: functions
reach constants and each other by distance, so a linker must keep the section in one piece.
"""

from __future__ import annotations

import struct

from schedc.backends.objects.object_image import Image
from schedc.errors import InternalError
from schedc.targets.instruction_sets import OBJECT_MACHINES

_HEADER, _NLIST = struct.Struct("<IIIIIIII"), struct.Struct("<IBBHQ")
_SEGMENT, _SECTION = struct.Struct("<II16sQQQQIIII"), struct.Struct("<16s16sQQIIIIIIII")
_BUILD, _SYMTAB, _DYSYMTAB = struct.Struct("<IIIIII"), struct.Struct("<IIIIII"), struct.Struct("<20I")
_MAGIC, _OBJECT = 0xFEEDFACF, 1
_LC_SYMTAB, _LC_DYSYMTAB, _LC_SEGMENT_64, _LC_BUILD_VERSION = 0x2, 0xB, 0x19, 0x32
_MACOS, _MACOS_11 = 1, 11 << 16
_READ_WRITE_EXECUTE = 7  # what objects say; the linker decides
_INSTRUCTIONS = 0x80000400  # S_REGULAR, S_ATTR_PURE_INSTRUCTIONS, S_ATTR_SOME_INSTRUCTIONS
_IN_SECTION, _EXTERNAL, _PRIVATE_EXTERNAL = 0xE, 1, 0x10


def write_macho(image: Image) -> bytes:
    """A Mach-O object without relocations, for macOS 11 and later."""
    cpu = OBJECT_MACHINES[image.machine].macho
    if cpu is None:
        raise InternalError(f"macOS has no code for {image.machine}")
    commands = _SEGMENT.size + _SECTION.size + _BUILD.size + _SYMTAB.size + _DYSYMTAB.size
    offset = _HEADER.size + commands
    offset += -offset % image.alignment
    size = len(image.text)
    table = offset + size
    table += -table % 8
    symbols, strings = _symbols(image)
    count, local = len(image.functions()), sum(not function.exported for function in image.functions())
    strings_at = table + len(symbols)
    align = image.alignment.bit_length() - 1
    protection = (_READ_WRITE_EXECUTE, _READ_WRITE_EXECUTE)
    start = b"".join(
        [
            _HEADER.pack(_MAGIC, *cpu, _OBJECT, 4, commands, 0, 0),
            _SEGMENT.pack(
                *(_LC_SEGMENT_64, _SEGMENT.size + _SECTION.size, b"", 0, size, offset, size),
                *(*protection, 1, 0),
            ),
            _SECTION.pack(b"__text", b"__TEXT", 0, size, offset, align, 0, 0, _INSTRUCTIONS, 0, 0, 0),
            _BUILD.pack(_LC_BUILD_VERSION, _BUILD.size, _MACOS, _MACOS_11, 0, 0),
            _SYMTAB.pack(_LC_SYMTAB, _SYMTAB.size, table, count, strings_at, len(strings)),
            _DYSYMTAB.pack(_LC_DYSYMTAB, _DYSYMTAB.size, 0, local, local, count - local, count, *[0] * 13),
        ]
    )
    return (start.ljust(offset, b"\0") + image.text).ljust(table, b"\0") + symbols + strings


def _symbols(image: Image) -> tuple[bytes, bytes]:
    """The symbol table, local symbols first and exported ones by name, and its strings."""
    table, strings = b"", bytearray(1)
    for function in sorted(image.functions(), key=lambda found: (found.exported, found.name if found.exported else "")):
        kind = _IN_SECTION | _EXTERNAL * function.exported | _PRIVATE_EXTERNAL * function.hidden
        table += _NLIST.pack(len(strings), kind, 1, 0, function.value)
        strings += b"_" + function.name.encode() + b"\0"
    return table, bytes(strings) + bytes(-len(strings) % 8)
