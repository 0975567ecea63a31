"""Write a minimal COFF object: ``.text`` and symbols, for the linkers of Windows.

"PE Format" (Microsoft), the sections on COFF files.  There is no ``.pdata``: it would need relocations.  Nor is there
a visibility: a DLL exports what its maker lists.
"""

from __future__ import annotations

import struct

from schedc.backends.objects.object_image import Image
from schedc.errors import InternalError
from schedc.targets.instruction_sets import OBJECT_MACHINES

_HEADER, _SECTION, _SYMBOL = struct.Struct("<HHIIIHH"), struct.Struct("<8sIIIIIIHHI"), struct.Struct("<8sIhHBB")
_SECTION_FACTS = struct.Struct("<IHHIHB3x")  # the auxiliary record of a section's symbol
_CODE_EXECUTE_READ = 0x60000020
_ALIGN_SHIFT = 20  # IMAGE_SCN_ALIGN_2**nBYTES is n + 1 in these four bits
_FUNCTION, _EXTERNAL, _STATIC = 0x20, 2, 3
_TEXT = 1  # the number of the only section


def write_coff(image: Image) -> bytes:
    """A COFF object without relocations; the time stamp is 0."""
    offset = _HEADER.size + _SECTION.size
    offset += -offset % 16
    symbols, strings = _symbols(image)
    table = offset + len(image.text)
    table += -table % 4
    align = image.alignment.bit_length() << _ALIGN_SHIFT
    machine = OBJECT_MACHINES[image.machine].coff
    if machine is None:
        raise InternalError(f"Windows has no code for {image.machine}")
    header = _HEADER.pack(machine, 1, 0, table, len(symbols) // _SYMBOL.size, 0, 0)
    section = _SECTION.pack(b".text", 0, 0, len(image.text), offset, 0, 0, 0, 0, _CODE_EXECUTE_READ | align)
    start = (header + section).ljust(offset, b"\0") + image.text
    return start.ljust(table, b"\0") + symbols + strings


def _symbols(image: Image) -> tuple[bytes, bytes]:
    """The symbol table, beginning with the section's own symbol, and the strings of long names."""
    strings = bytearray(4)  # its size comes here
    table = _SYMBOL.pack(b".text", 0, _TEXT, 0, _STATIC, 1)
    table += _SECTION_FACTS.pack(len(image.text), 0, 0, 0, _TEXT, 0)
    for function in image.functions():
        field = function.name.encode()
        if len(field) > 8:
            field = struct.pack("<II", 0, len(strings))
            strings += function.name.encode() + b"\0"
        storage = _EXTERNAL if function.exported else _STATIC
        table += _SYMBOL.pack(field, function.value, _TEXT, _FUNCTION, storage, 0)
    struct.pack_into("<I", strings, 0, len(strings))
    return table, bytes(strings)
