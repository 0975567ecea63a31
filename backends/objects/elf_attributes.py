"""ARM build attributes: mark an object as independent of the float calling convention."""

from __future__ import annotations

import struct

from schedc.analysis.arm_attributes import TAG_FILE, attributes_in
from schedc.errors import InternalError

_TAG_ABI_VFP_ARGS = 28
_COMPATIBLE = 3  # "code conforms to both the base and the VFP variant"; GNU ld and lld accept it with either


def neutral_float_abi(section: bytes) -> bytes:
    """Return the contents of ``.ARM.attributes`` with ``Tag_ABI_VFP_args`` set to "compatible with both".

    Expects what LLVM writes, one ``aeabi`` subsection with one file-scope block; raises ``InternalError``
    for anything else.
    """
    header = b"aeabi\0"
    if len(section) < 16 or section[:1] != b"A" or section[5:11] != header or section[11] != TAG_FILE:
        raise InternalError("unexpected layout of .ARM.attributes")
    (block_size,) = struct.unpack_from("<I", section, 12)
    if 11 + block_size != len(section):
        raise InternalError("unexpected second block in .ARM.attributes")
    attributes = _without(section[16:], _TAG_ABI_VFP_ARGS) + bytes([_TAG_ABI_VFP_ARGS, _COMPATIBLE])
    block = bytes([TAG_FILE]) + struct.pack("<I", 5 + len(attributes)) + attributes
    return b"A" + struct.pack("<I", 4 + len(header) + len(block)) + header + block


def _without(attributes: bytes, dropped: int) -> bytes:
    """Copy an attribute list, leaving out the tag ``dropped``."""
    found = list(attributes_in(attributes))
    return b"".join(attributes[item.begin : item.end] for item in found if item.tag != dropped)
