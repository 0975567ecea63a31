"""A packing list as JSON: the ``packing`` section of a report, and back.

Reading trusts nothing: a report may be old, cut off or edited.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from schedc.backends.packing import Constants, PackingList
from schedc.backends.weight_blob import FORMAT_VERSION, HEADER_BYTES, SilenceField
from schedc.errors import UserError
from schedc.ir.contract import Contract, Mac, Math, Subnormals

MOST_BLOB_BYTES = 2**30
REMEDY = "compile again with this version"


def packing_to_json(packing: PackingList) -> dict[str, Any]:
    """JSON-ready; ``sources`` as the base64 of zlib of the little-endian differences."""
    steps = np.diff(packing.sources.astype("<u4"), prepend=np.zeros(1, "<u4"))
    return {
        "blob_format": FORMAT_VERSION,
        "blob_bytes": packing.total_bytes,
        "layout_digest": packing.digest.hex(),
        "contract": asdict(packing.contract),
        "architecture": list(packing.architecture),
        "sources": base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode("ascii"),
        "constants": [[item.offset, list(item.bits)] for item in packing.constants],
        "start_state": [_start_to_json(item) for item in packing.start],
    }


def _start_to_json(field: SilenceField) -> list[str | int]:
    parts = [field.parts] if field.parts > 1 else []
    return [field.node, field.offset, field.floats, field.per_channel, *parts]


def packing_from_json(data: object, where: str) -> PackingList:
    """The packing list of a report called ``where``.

    Raises UserError if it is of another blob format, or not what :func:`packing_to_json` writes.
    """
    if not isinstance(data, Mapping):
        raise UserError(where, "has no packing list", f"give the .json that `schedc compile` wrote, or {REMEDY}")
    if data.get("blob_format") != FORMAT_VERSION:
        found = data.get("blob_format")
        raise UserError(where, f"is for blobs of format {found!r}, this version writes {FORMAT_VERSION}", REMEDY)
    try:
        packing = _read(data)
        _check(packing)
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error, binascii.Error) as error:
        raise UserError(where, f"has a damaged packing list ({error})", REMEDY) from error
    return packing


def _read(data: Mapping[str, Any]) -> PackingList:
    total = int(data["blob_bytes"])
    if not HEADER_BYTES <= total <= MOST_BLOB_BYTES:
        raise ValueError(f"{total} bytes")
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(base64.b64decode(data["sources"], validate=True), total)
    if unpacker.unconsumed_tail or len(raw) % 4:
        raise ValueError("sources are too long")
    sources = np.cumsum(np.frombuffer(raw, "<u4"), dtype=np.uint32)
    return PackingList(
        architecture=tuple(str(line) for line in data["architecture"]),
        contract=Contract(**{key: str(value) for key, value in data["contract"].items()}),  # type: ignore[arg-type]
        digest=bytes.fromhex(data["layout_digest"]),
        total_bytes=total,
        sources=sources,
        constants=tuple(Constants(int(at), tuple(int(bits) for bits in row)) for at, row in data["constants"]),
        start=tuple(
            SilenceField(str(node), *(int(number) for number in numbers)) for node, *numbers in data["start_state"]
        ),
    )


def _check(packing: PackingList) -> None:
    """Everything stays inside the blob."""
    end = min((item.offset for item in packing.start), default=packing.total_bytes)
    if len(packing.digest) != 16 or packing.total_bytes % 4 or HEADER_BYTES + 4 * packing.sources.size != end:
        raise ValueError("sizes do not fit")
    parts = [(HEADER_BYTES, packing.sources.size)]
    parts += [(item.offset, len(item.bits)) for item in packing.constants]
    parts += [(item.offset, item.floats) for item in packing.start]
    for offset, floats in parts:
        if offset < HEADER_BYTES or offset % 4 or floats < 0 or offset + 4 * floats > packing.total_bytes:
            raise ValueError(f"{floats} floats at byte {offset}")
    if any(not 0 <= bits < 2**32 for item in packing.constants for bits in item.bits):
        raise ValueError("a constant has more than 32 bits")
    contract = packing.contract
    for value, known in ((contract.mac, Mac), (contract.subnormals, Subnormals), (contract.math, Math)):
        if value not in get_args(known):
            raise ValueError(f"contract {value!r}")
