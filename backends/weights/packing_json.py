"""A packing list as JSON: the ``packing`` section of a report, and back.

Reading trusts nothing: a report may be old, cut off, edited or made to be expensive.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from schedc.backends.weights.packing import Constants, PackingList, Sources, start_nodes, starts
from schedc.backends.weights.weight_blob import BLOB_ALIGN, FORMAT_VERSION, HEADER_BYTES, SilenceField
from schedc.backends.weights.weight_layout import pad
from schedc.frontend.fields import Fields, Value
from schedc.frontend.limits import MAX_SIZE
from schedc.ir.architecture import Architecture
from schedc.ir.contract import WORDS, Contract
from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph
from schedc.wording import quoted

REMEDY = "compile again with this version"
_NUMBERS = np.dtype("<u4")  # of weights, on every machine
_MOST_LINES = 2**20
MOST_STAGES = 8
_ALWAYS_STATED = ("mac", "subnormals", "math")  # of a contract, by every report
# Floats of the blob: what is padded is at most one unit or channel in a vector of 16, in segments of 16, with the
# constants of some activations.
_MOST_FLOATS_A_WEIGHT, _MOST_FLOATS_A_NODE = 32, 256


def packing_to_json(packing: PackingList) -> dict[str, Any]:
    """JSON-ready; ``sources`` as the base64 of zlib of the little-endian differences."""
    steps = np.diff(packing.sources.astype(_NUMBERS), prepend=np.zeros(1, _NUMBERS))
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


def architecture_from_json(section: Value) -> Architecture:
    """Of which architecture the code is that a ``packing`` section stands in the report of.

    UserError if it is none, or for another blob format.
    """
    if not isinstance(section.raw, dict):
        section.fail("has no packing list", f"give the .json that `schedc compile` wrote, or {REMEDY}")
    version = section.fields().require("blob_format")
    if version.raw != FORMAT_VERSION:
        version.fail(f"is for blobs of format {quoted(version.raw)}, this version writes {FORMAT_VERSION}")
    return tuple(line.string() for line in section.fields().require("architecture").items(_MOST_LINES))


def packing_from_json(section: Value, graph: Graph) -> PackingList:
    """The packing list in a report's ``packing`` section, for captures of the architecture of ``graph``.

    Raises UserError for what :func:`packing_to_json` does not write.  How much work that is and how large the blob
    gets is bounded by what the architecture needs, whatever the report says.
    """
    fields = section.fields()
    weights = sum(math.prod(shape) for node in graph for shape in node.op.parameters().values())
    most = _MOST_FLOATS_A_WEIGHT * weights + _MOST_FLOATS_A_NODE * len(graph)
    start = _start_fields(fields.require("start_state"), graph)
    total = fields.require("blob_bytes")
    total_bytes = total.integer(HEADER_BYTES, MAX_SIZE)
    end = min((field.offset for field in start), default=total_bytes)
    _check_order(fields.require("start_state"), start, total, end)
    count, rest = divmod(end - HEADER_BYTES, FLOAT32.bytes)
    if rest or not 0 <= count <= most:
        total.fail(f"{count} floats of weights, where the architecture has {weights}")
    return PackingList(
        architecture=architecture_from_json(section),
        contract=_contract(fields.require("contract").fields()),
        digest=_digest(fields.require("layout_digest")),
        total_bytes=total_bytes,
        sources=_sources(fields.require("sources"), count, weights),
        constants=tuple(_constants(item, end) for item in fields.require("constants").items(len(graph), 0)),
        start=start,
    )


def _start_fields(value: Value, graph: Graph) -> tuple[SilenceField, ...]:
    """Each start state at most once for each core that may keep it."""
    nodes, seen = start_nodes(graph), Counter[str]()
    found = []
    for item in value.items(MOST_STAGES * len(nodes), 0):
        name, *numbers = item.items(5, 4)
        field = SilenceField(name.string(), *(number.integer(0) for number in numbers))
        seen[field.node] += 1
        node = nodes.get(field.node)
        if node is None or not starts(field, node, graph) or seen[field.node] > MOST_STAGES:
            item.fail(f"there is no start state like that of {quoted(field.node)}")
        found.append(field)
    return tuple(found)


def _check_order(at: Value, start: Sequence[SilenceField], total: Value, end: int) -> None:
    """Start states follow each other up to where the blob ends."""
    for field in start:
        if field.offset != end:
            at.fail(f"{quoted(field.node)} is at byte {field.offset}, not {end}")
        end += field.bytes
    if total.raw != pad(end, BLOB_ALIGN):
        total.fail(f"{total.raw} bytes, where the last start state ends at {end}")


def _contract(fields: Fields) -> Contract:
    """What is not stated was not there to be chosen."""
    words: dict[str, Any] = {}
    for name, known in WORDS.items():
        value = fields.require(name) if name in _ALWAYS_STATED else fields.get(name)
        if value is not None:
            words[name] = _one_of(value, known)
    return Contract(**words)


def _one_of(value: Value, known: Sequence[str]) -> str:
    if value.string() not in known:
        value.expected(" or ".join(known))
    return value.string()


def _digest(value: Value) -> bytes:
    if not re.fullmatch("[0-9a-f]{32}", value.string()):
        value.expected("32 hexadecimal digits")
    return bytes.fromhex(value.string())


def _sources(value: Value, count: int, weights: int) -> Sources:
    """``count`` numbers of weights, of which there are ``weights``; no more of them than that is unpacked."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(base64.b64decode(value.string(), validate=True), _NUMBERS.itemsize * count + 1)
    except (ValueError, zlib.error) as error:
        value.fail(f"cannot be unpacked ({error})")
    if len(raw) != _NUMBERS.itemsize * count or not unpacker.eof or unpacker.unused_data:
        value.fail(f"does not unpack to {count} numbers")
    sources = np.cumsum(np.frombuffer(raw, _NUMBERS), dtype=np.uint32)
    if int(sources.max(initial=0)) > weights:
        value.fail(f"names weight {sources.max()} of {weights}")
    return sources


def _constants(item: Value, end: int) -> Constants:
    """Bit patterns inside the segments, which end at byte ``end``."""
    place, bits = item.items(2, 2)
    offset = place.integer(HEADER_BYTES)
    found = tuple(value.integer(0, 2**32 - 1) for value in bits.items(MAX_SIZE))
    if offset % FLOAT32.bytes or offset + FLOAT32.bytes * len(found) > end:
        item.fail(f"{len(found)} constants at byte {offset} of {end}")
    return Constants(offset, found)
