"""Checking weight blobs from Python: the same checks, in the same order, as the C header's checker."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum

from schedc.backends.weights.packing import HEADER
from schedc.backends.weights.weight_blob import FORMAT_VERSION, HEADER_BYTES, MAGIC
from schedc.errors import ArchitectureMismatch, UserError


class BlobFault(IntEnum):
    """What ``NAME_check_weights`` returns."""

    OK = 0
    NOT_A_BLOB = 1  # no blob of this format version
    WRONG_ARCHITECTURE = 2  # packed for other code
    TRUNCATED = 3  # fewer bytes than a blob for this code has, or it states another size
    DAMAGED = 4  # the CRC-32 does not match
    MISALIGNED = 5  # not at a multiple of 4


@dataclass(frozen=True)
class BlobHeader:
    """The stated facts of a blob."""

    version: int
    digest: bytes  # 16 bytes
    total_bytes: int
    crc: int


def read_header(blob: bytes) -> BlobHeader:
    """The header of at least 64 bytes, unchecked."""
    _, version, digest, total, crc = HEADER.unpack_from(blob)
    return BlobHeader(version, digest, total, crc)


def find_fault(blob: bytes, digest: bytes, total_bytes: int) -> BlobFault:
    """What is wrong with ``blob`` for code that expects ``digest`` and ``total_bytes``; any bytes may be given.

    Bytes after ``total_bytes`` are no fault: a blob may stand in a larger partition.
    """
    if len(blob) < HEADER_BYTES:
        return BlobFault.TRUNCATED
    header = read_header(blob)
    if blob[:4] != MAGIC or header.version != FORMAT_VERSION:
        return BlobFault.NOT_A_BLOB
    if header.digest != digest:
        return BlobFault.WRONG_ARCHITECTURE
    if header.total_bytes != total_bytes or len(blob) < total_bytes:
        return BlobFault.TRUNCATED
    if any(blob[HEADER.size : HEADER_BYTES]) or zlib.crc32(blob[HEADER_BYTES:total_bytes]) != header.crc:
        return BlobFault.DAMAGED
    return BlobFault.OK


_WORDS = {
    BlobFault.NOT_A_BLOB: f"is no weight blob of format {FORMAT_VERSION}",
    BlobFault.TRUNCATED: "is cut off",
    BlobFault.DAMAGED: "is damaged (its checksum does not match)",
}


def check_blob(blob: bytes, digest: bytes, total_bytes: int, where: str = "weights") -> None:
    """Raise UserError unless :func:`find_fault` finds none (ArchitectureMismatch for other code's blob)."""
    fault = find_fault(blob, digest, total_bytes)
    if fault is BlobFault.WRONG_ARCHITECTURE:
        raise ArchitectureMismatch(where, "was packed for other code", "pack the capture for this code")
    if fault is not BlobFault.OK:
        raise UserError(where, _WORDS[fault], "pack the capture again")
