"""ARM build attributes: mark an object as independent of the float calling convention.

The format is that of the "Addenda to, and Errata in, the ABI for the Arm Architecture": the byte
``'A'``, then one subsection per vendor (``u32 length, name\\0``) made of ``(tag, u32 length, attributes)``
blocks, where attributes are ULEB128 tags with a ULEB128 or a string value.
"""

from __future__ import annotations

import struct

from schedc.errors import InternalError

_TAG_FILE = 1
_TAG_ABI_VFP_ARGS = 28
_COMPATIBLE = 3  # "code conforms to both the base and the VFP variant"; GNU ld and lld accept it with either
# Tag_CPU_raw_name, Tag_CPU_name, Tag_also_compatible_with, Tag_conformance; above 32 odd tags, too.
_STRING_TAGS = (4, 5, 65, 67)
_TAG_COMPATIBILITY = 32  # a number and a string


def neutral_float_abi(section: bytes) -> bytes:
    """Return the contents of ``.ARM.attributes`` with ``Tag_ABI_VFP_args`` set to "compatible with both".

    Expects what LLVM writes, one ``aeabi`` subsection with one file-scope block; raises ``InternalError``
    for anything else.
    """
    header = b"aeabi\0"
    if len(section) < 16 or section[:1] != b"A" or section[5:11] != header or section[11] != _TAG_FILE:
        raise InternalError("unexpected layout of .ARM.attributes")
    (block_size,) = struct.unpack_from("<I", section, 12)
    if 11 + block_size != len(section):
        raise InternalError("unexpected second block in .ARM.attributes")
    attributes = _without(section[16:], _TAG_ABI_VFP_ARGS) + bytes([_TAG_ABI_VFP_ARGS, _COMPATIBLE])
    block = bytes([_TAG_FILE]) + struct.pack("<I", 5 + len(attributes)) + attributes
    return b"A" + struct.pack("<I", 4 + len(header) + len(block)) + header + block


def _without(attributes: bytes, dropped: int) -> bytes:
    """Copy an attribute list, leaving out the tag ``dropped``."""
    kept, position = b"", 0
    while position < len(attributes):
        start = position
        tag, position = _uleb128(attributes, position)
        if tag == _TAG_COMPATIBILITY:
            _, position = _uleb128(attributes, position)
        if tag in _STRING_TAGS or tag == _TAG_COMPATIBILITY or (tag > 32 and tag % 2):
            position = attributes.index(0, position) + 1
        else:
            _, position = _uleb128(attributes, position)
        if tag != dropped:
            kept += attributes[start:position]
    return kept


def _uleb128(data: bytes, position: int) -> tuple[int, int]:
    """Decode one ULEB128 number; returns it and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
