"""Arm build attributes (``.ARM.attributes``) as far as they say what code is for.

The format is that of the "Addenda to, and Errata in, the ABI for the Arm Architecture": the byte ``'A'``, then one
subsection per vendor (``u32 length, name\\0``) made of ``(tag, u32 length, attributes)`` blocks, where attributes are
ULEB128 tags with a ULEB128 or a string value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

TAG_FILE = 1
_TAG_CPU_ARCH_PROFILE = 7
# Tag_CPU_raw_name, Tag_CPU_name, Tag_also_compatible_with, Tag_conformance; above 32 odd tags, too.
_STRING_TAGS = (4, 5, 65, 67)
_TAG_COMPATIBILITY = 32  # a number and a string


@dataclass(frozen=True)
class Attribute:
    """``begin`` to ``end``: its bytes in the list; ``value``: its number, 0 where it has a string alone."""

    tag: int
    value: int
    begin: int
    end: int


def attributes_in(data: bytes) -> Iterator[Attribute]:
    """A list of attributes.  Raises ValueError if it is cut off."""
    position = 0
    while position < len(data):
        begin, value = position, 0
        tag, position = _uleb128(data, position)
        has_string = tag in _STRING_TAGS or tag == _TAG_COMPATIBILITY or (tag > 32 and tag % 2 == 1)
        if tag == _TAG_COMPATIBILITY or not has_string:
            value, position = _uleb128(data, position)
        if has_string:
            position = data.index(0, position) + 1
        yield Attribute(tag, value, begin, position)


def is_m_profile(section: bytes) -> bool:
    """Whether the section says that its file is for a microcontroller.  Raises ValueError if it is damaged."""
    return any(
        attribute.tag == _TAG_CPU_ARCH_PROFILE and attribute.value == ord("M")
        for block in _file_blocks(section)
        for attribute in attributes_in(block)
    )


def _file_blocks(section: bytes) -> Iterator[bytes]:
    """The attribute lists that hold for whole files."""
    if section[:1] != b"A":
        raise ValueError("an unknown format")
    for vendor in _parts(section, 1, 4):
        for block in _parts(vendor, vendor.index(0) + 1, 5):
            if block[0] == TAG_FILE:
                yield block[5:]


def _parts(data: bytes, at: int, header_bytes: int) -> Iterator[bytes]:
    """Pieces that begin with a header whose last four bytes are their length; vendors' without it, blocks whole."""
    while at < len(data):
        if at + header_bytes > len(data):
            raise ValueError("cut off")
        (size,) = struct.unpack_from("<I", data, at + header_bytes - 4)
        if size < header_bytes or at + size > len(data):
            raise ValueError(f"a part of {size} bytes")
        yield data[at + 4 if header_bytes == 4 else at : at + size]
        at += size


def _uleb128(data: bytes, position: int) -> tuple[int, int]:
    """Decode one ULEB128 number of up to 70 bits; returns it and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("a number is cut off")
