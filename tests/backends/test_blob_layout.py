"""The weight blob: header, CRC, segments where the layout says, the silence state at the end."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, packed, random_weights
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples
from hypothesis import given
from hypothesis import strategies as st

from schedc.ir.ops import Conv, LstmCell, Scale
from schedc.options import make_options
from schedc.planning import plan_graph
from schedc.targets.names import TARGET_NAMES

GRAPH = graph_of(("c", Conv(1, 3, 3, 4), "x"), ("g", Scale(3), "c"), ("d", Conv(3, 1, 2), "g"))


def header(blob: bytes) -> tuple[bytes, int, bytes, int, int]:
    magic, version, digest, size, crc = struct.unpack_from("<4sI16sII", blob)
    return magic, version, digest, size, crc


@pytest.mark.parametrize("target", TARGET_NAMES)
def test_header(target: str) -> None:
    compilation = compile_for(GRAPH, target)
    blob = packed(compilation, capture_of(GRAPH))
    magic, version, digest, size, crc = header(blob)
    assert (magic, version) == (b"SCDW", 1)
    assert digest == compilation.layout.digest
    assert size == len(blob) == compilation.layout.total_bytes and size % 64 == 0
    assert crc == zlib.crc32(blob[64:])
    assert blob[32:64] == bytes(32)


@examples_per_test(60)
@given(examples(recurrent=True), st.sampled_from(TARGET_NAMES))
def test_pieces_do_not_overlap_and_fill_the_blob(example: Example, target: str) -> None:
    plan = plan_graph(example.graph, make_options(target))
    layout = plan.layout
    pieces = [(kernel.segment, kernel.segment + 4 * kernel.shape.segment_items) for kernel in layout.kernels]
    pieces += [(item.offset, item.offset + 4 * item.floats) for item in layout.silence.values()]
    pieces.sort()
    assert pieces[0][0] == 64
    for (_, end), (begin, _) in pairwise(pieces):
        assert end == begin
    assert layout.total_bytes - 64 < pieces[-1][1] <= layout.total_bytes
    assert all(kernel.segment % 64 == 0 for kernel in layout.kernels)


def test_equal_architectures_have_equal_digests_and_other_numbers() -> None:
    compilation = compile_for(GRAPH, "m33")
    one, two = (packed(compilation, capture_of(GRAPH, random_weights(GRAPH, seed))) for seed in (1, 2))
    assert header(one)[2] == header(two)[2] and one != two
    other = compile_for(GRAPH, "m33", block=47)
    assert packed(other, capture_of(GRAPH))[8:24] == other.layout.digest


def test_contract_and_target_stand_in_the_digest() -> None:
    digests = {compile_for(GRAPH, target, mac=mac).layout.digest for target, mac in
               (("m33", "fused"), ("m33", "unfused"), ("a8", "unfused"), ("aarch64", "fused"))}  # fmt: skip
    assert len(digests) == 4


def test_zero_start_and_silence_differ_only_in_the_start_state() -> None:
    compilation = compile_for(GRAPH, "aarch64")
    silence, zero = (packed(compilation, capture_of(GRAPH), prewarm) for prewarm in (True, False))
    first = min(item.offset for item in compilation.layout.silence.values())
    assert silence[64:first] == zero[64:first] and silence[first:] != zero[first:]
    for item in compilation.layout.silence.values():
        assert not np.frombuffer(zero, np.float32, item.floats, item.offset).any()


def test_the_lstm_starts_from_the_captures_own_state() -> None:
    graph = graph_of(("l", LstmCell(1, 5), "x"), ("h", Conv(5, 1), "l"))
    weights = random_weights(graph)
    compilation = compile_for(graph, "aarch64")
    blob = packed(compilation, capture_of(graph, weights), prewarm=False)
    (item,) = compilation.layout.silence.values()
    h, c = np.frombuffer(blob, np.float32, item.floats, item.offset).reshape(2, -1)
    assert np.array_equal(h[:5], weights["l"]["hidden"]) and np.array_equal(c[:5], weights["l"]["cell"])
    assert not h[5:].any() and not c[5:].any()
