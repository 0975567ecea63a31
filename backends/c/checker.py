"""The part of the C header that checks a weight blob before it is used: C99, no calls, no memory."""

from __future__ import annotations

import struct

from schedc.backends.weights.blob_reader import BlobFault
from schedc.backends.weights.packing import HEADER
from schedc.backends.weights.weight_blob import FORMAT_VERSION, HEADER_BYTES, MAGIC

_COMMENTS = {
    BlobFault.OK: "done, or nothing is wrong",
    BlobFault.NOT_A_BLOB: "no weight blob of this format version",
    BlobFault.WRONG_ARCHITECTURE: "packed for other code",
    BlobFault.TRUNCATED: "fewer bytes than WEIGHTS_BYTES, or another size stated",
    BlobFault.DAMAGED: "the CRC-32 does not match, or the header's zeros are none",
    BlobFault.MISALIGNED: "a null pointer, or not at a multiple of 4",
}
_POLYNOMIAL = 0xEDB88320  # CRC-32 as in zlib, bits reflected

_TEXT = """\

/* Is this a whole, undamaged weight blob for this very code? Give any bytes: nothing outside blob[0 .. size) is
 * read, nothing is allocated, the work is at most {bytes} steps. OK, or the first thing that is wrong. */
static inline int {name}_check_weights(const void *blob, size_t size)
{{
    static const uint32_t expected[] = {{ /* magic, format version, layout digest, bytes */
        {expected}
    }};
    static const uint32_t half_bytes[16] = {{ /* CRC-32, four bits at a time */
        {table}
    }};
    const unsigned char *p = (const unsigned char *)blob;
    uint32_t crc = 0xffffffffu, stated = 0, rest = 0;
    size_t i, k;
    if (!p || (uintptr_t)p % 4 != 0)
        return {macro}_MISALIGNED;
    if (size < {header}u)
        return {macro}_TRUNCATED;
    for (k = 0; k < 7; k++) {{
        const unsigned char *at = p + 4 * k;
        uint32_t word = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        if (word != expected[k])
            return k < 2 ? {macro}_NOT_A_BLOB : k < 6 ? {macro}_WRONG_ARCHITECTURE : {macro}_TRUNCATED;
    }}
    if (size < {macro}_WEIGHTS_BYTES)
        return {macro}_TRUNCATED;
    for (k = 0; k < 4; k++)
        stated |= (uint32_t)p[{crc_at} + k] << 8 * k;
    for (i = {header_used}; i < {header}u; i++)
        rest |= p[i];
    for (i = {header}u; i < {macro}_WEIGHTS_BYTES; i++) {{
        crc = (crc >> 4) ^ half_bytes[(crc ^ p[i]) & 15u];
        crc = (crc >> 4) ^ half_bytes[(crc ^ (uint32_t)(p[i] >> 4)) & 15u];
    }}
    return (crc ^ 0xffffffffu) == stated && rest == 0 ? {macro}_OK : {macro}_DAMAGED;
}}"""


def checker_macros(macro: str) -> list[str]:
    """The results by name."""
    return [f"#define {macro}_{fault.name} {int(fault)} /* {text} */" for fault, text in _COMMENTS.items()]


def checker_function(name: str, digest: bytes, total_bytes: int) -> list[str]:
    """``NAME_check_weights`` for code with this layout, as lines of C."""
    magic, version = struct.unpack("<I", MAGIC)[0], FORMAT_VERSION
    words = [magic, version, *struct.unpack("<4I", digest), total_bytes]
    return _TEXT.format(
        name=name,
        macro=name.upper(),
        bytes=total_bytes,
        expected=", ".join(f"{word:#010x}u" for word in words),
        table=_rows([_half_byte(value) for value in range(16)]),
        header=HEADER_BYTES,
        header_used=HEADER.size,
        crc_at=HEADER.size - 4,
    ).splitlines()


def _half_byte(value: int) -> int:
    for _ in range(4):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


def _rows(words: list[int]) -> str:
    rows = [words[i : i + 8] for i in range(0, len(words), 8)]
    return ",\n        ".join(", ".join(f"{word:#010x}u" for word in row) for row in rows)
