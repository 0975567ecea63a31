"""A finished object in the file a system's linker reads: the same image and names in another container."""

from __future__ import annotations

from schedc.backends.objects.coff_writer import write_coff
from schedc.backends.objects.elf import read_image
from schedc.backends.objects.macho_writer import write_macho
from schedc.backends.objects.object_format import ObjectFormat


def contained(elf: bytes, chosen: ObjectFormat) -> bytes:
    """``elf`` (from ``finish_object``) as a file of the chosen format."""
    if chosen is ObjectFormat.COFF:
        return write_coff(read_image(elf))
    if chosen is ObjectFormat.MACHO:
        return write_macho(read_image(elf))
    return elf
