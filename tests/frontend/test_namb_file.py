"""``.namb``: the same captures as their ``.nam`` files, and refusals in words for everything else."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.captures import EXAMPLES, SHARED
from helpers.documents import capture_from_text, documents
from helpers.effort import examples_per_test
from helpers.namb import namb, sealed
from hypothesis import assume, given
from hypothesis import strategies as st

import schedc
from schedc.errors import ModelFileError, SchedcWarning
from schedc.frontend.capture import Capture, capture_of, read_capture
from schedc.frontend.nam_file import read_nam_document

BY_NAME = {path.stem: path for path in EXAMPLES}
AGAIN = "convert the capture again"


def document(stem: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(BY_NAME[stem].read_text(encoding="utf-8"))
    return loaded


def read(data: bytes) -> Capture:
    return capture_of(read_nam_document(data, "made.namb"))


def assert_same(found: Capture, wanted: Capture) -> None:
    assert found.graph == wanted.graph
    assert (found.sample_rate, found.prewarm_samples) == (wanted.sample_rate, wanted.prewarm_samples)
    for node, table in wanted.weights.items():
        for key, array in table.items():
            np.testing.assert_array_equal(found.weights[node][key], array)


@pytest.mark.parametrize("stem", ["a1_nano", "a2_lite", "convnet", "lstm_1x16"])
def test_captures_are_those_of_the_nam_files(stem: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.namb"
    path.write_bytes(namb(document(stem)))
    assert_same(read_capture(path), read_capture(BY_NAME[stem]))
    x = np.random.default_rng(1).normal(0, 0.2, 300).astype(np.float32)
    np.testing.assert_array_equal(schedc.load(path).process(x), schedc.load(BY_NAME[stem]).process(x))


def plain_documents(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sizes of a container, which the converter writes one of; else the document itself."""
    if found["architecture"] != "SlimmableContainer":
        yield found
        return
    for submodel in found["config"]["submodels"]:
        inner = submodel["model"]
        rate = {key: found[key] for key in ("sample_rate",) if key in found}
        yield from plain_documents({**rate, **inner})


def is_held(found: dict[str, Any], version: int) -> bool:
    """Whether the format has a place for all that a document says."""
    config = found["config"]
    heads = [array.get("head") or {} for array in config.get("layers", ())]
    inner = config.get("condition_dsp")
    return (
        not config.get("head")
        and (version == 2 or all(head.get("head_dilation", 1) == 1 for head in heads))
        and (not inner or is_held(inner, version))
    )


CAPTURES = sorted([*EXAMPLES, *(SHARED / "golden").glob("*.nam"), *(SHARED / "models").glob("*.nam")])


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_converts(path: Path, version: int) -> None:
    """Same graph, weights, rate; what the format has no place for is refused, or is the dilation of version 1."""
    for found in plain_documents(json.loads(path.read_text(encoding="utf-8"))):
        wanted = read(json.dumps(found).encode())
        if is_held(found, version):
            assert_same(read(namb(found, version)), wanted)
        elif found["config"].get("head"):
            with pytest.raises(ModelFileError, match=r"has a post-stack head, whose shape .namb does not hold"):
                read(namb(found, version))
        else:
            assert read(namb(found, version)).graph != wanted.graph


def test_files_are_as_large_as_the_converters() -> None:
    for stem, weights, size in (("a2_lite", 1871, 7980), ("a2", 12146, 49080)):
        *_, found = plain_documents(document(stem))
        assert (len(found["weights"]), len(namb(found, version=1))) == (weights, size)


def test_a_head_kernel_of_0_is_1() -> None:
    """Version 1 as it was before the kernel got its place."""
    whole = document("a1_nano")
    data = bytearray(namb(whole, version=1))
    first = struct.pack("<5H", 1, 1, 2, 4, 4)  # input, condition, head, channels, bottleneck
    at = data.index(first) + len(first)
    assert data[at : at + 2] == b"\1\0"
    data[at : at + 2] = b"\0\0"
    assert_same(read(sealed(bytes(data))), read_capture(BY_NAME["a1_nano"]))


@pytest.mark.skipif(not SHARED.exists(), reason="no files beside the checkout")
def test_a_file_of_the_public_converter() -> None:
    nam, binary = SHARED / "cases" / "headkernel4.nam", SHARED / "cases" / "headkernel4.namb"
    assert namb(json.loads(nam.read_text(encoding="utf-8")), version=1) == binary.read_bytes()
    assert_same(read_capture(binary), read_capture(nam))
    x = np.random.default_rng(1).normal(0, 0.2, 300).astype(np.float32)
    with pytest.warns(SchedcWarning, match="headkernel4.nam:config.head_scale: 1 is not used"):
        text = schedc.load(nam)
    np.testing.assert_array_equal(schedc.load(binary).process(x), text.process(x))


@examples_per_test(150)
@given(text=documents())
def test_every_feature_is_read(text: str) -> None:
    wanted: dict[str, Any] = json.loads(text)
    if "head" in wanted["config"]:
        with pytest.raises(ModelFileError, match=r"has a post-stack head, whose shape .namb does not hold"):
            read(namb(wanted))
        return
    assume("condition_dsp" not in wanted["config"] or "head" not in wanted["config"]["condition_dsp"]["config"])
    assert_same(read(namb(wanted)), capture_from_text(text))


@examples_per_test(300)
@given(at=st.integers(4, 10**6), value=st.integers(0, 255), size=st.integers(0, 10**6), cut=st.booleans())
def test_hostile_files_are_refused_or_read(at: int, value: int, size: int, cut: bool) -> None:
    """With a good checksum: nothing but ModelFileError comes out, and no time or memory is lost."""
    data = bytearray(namb(document("a1_nano")))
    data[at % 600 if at % 600 > 3 else 4] = value
    whole = bytes(data[: max(32, size % len(data))]) if cut else bytes(data)
    try:
        read(sealed(whole[:8] + struct.pack("<I", len(whole)) + whole[12:]))
    except ModelFileError as error:
        assert str(error).startswith("made.namb")


def changed(data: bytes, form: str, at: int, value: int) -> bytes:
    edited = bytearray(data)
    struct.pack_into("<" + form, edited, at, value)
    return sealed(bytes(edited))


def deep(levels: int) -> dict[str, Any]:
    whole = document("convnet")
    for _ in range(levels):
        outer = document("a1_nano")
        outer["config"]["condition_dsp"] = whole
        whole = outer
    return whole


GOOD = namb(document("lstm_1x16"))
REFUSALS = {
    "version": (changed(GOOD, "H", 4, 3), "is of .namb version 3; versions 1 and 2 are known"),
    "tiny": (GOOD[:40], f"is no sound .namb file: has 40 bytes; {AGAIN}"),
    "cut": (GOOD[:-1], f"is no sound .namb file: is cut off: {len(GOOD) - 1} of {len(GOOD)} bytes are there; {AGAIN}"),
    "flip": (GOOD[:-1] + b"\x7f", f"is no sound .namb file: its checksum does not match; {AGAIN}"),
    "weights": (changed(GOOD, "I", 16, 2**31), f"is no sound .namb file: its parts do not fit into it; {AGAIN}"),
    "model": (changed(GOOD, "I", 20, 8), f"is no sound .namb file: its model block ends too early; {AGAIN}"),
    "architecture": (changed(GOOD, "B", 80, 9), f"is no sound .namb file: there is no architecture 9; {AGAIN}"),
    "size": (changed(GOOD, "H", 82, 11), f"is no sound .namb file: its LSTM has 11 bytes, not 10; {AGAIN}"),
    "deep": (namb(deep(9)), f"is no sound .namb file: models nest deeper than 8; {AGAIN}"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_in_words(case: str) -> None:
    data, words = REFUSALS[case]
    with pytest.raises(ModelFileError) as refusal:
        read(data)
    assert str(refusal.value) == f"made.namb: {words}"
