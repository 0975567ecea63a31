"""Text that is no JSON, documents that ask for too much, and files that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers.counting import calls_made

from schedc.errors import ModelFileError
from schedc.frontend.nam_file import read_nam_document, read_nam_file


def document(architecture: str, weights: int, **config: object) -> dict[str, Any]:
    return {"version": "0.7.0", "architecture": architecture, "config": config, "weights": [0.5] * weights}


def layer_array(**changes: object) -> dict[str, Any]:
    return {
        "input_size": 1,
        "condition_size": 1,
        "channels": 2,
        "dilations": [1, 3],
        "kernel_size": 1,
        "activation": "ReLU",
        "head_size": 1,
        "head_bias": True,
        **changes,
    }


FIR = document("Linear", 2, receptive_field=2, bias=False)


def refusal_of(content: str | bytes) -> str:
    with pytest.raises(ModelFileError) as refusal:
        read_nam_document(content, "a.nam")
    return str(refusal.value)


# -- what is no JSON


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.nam: is empty; export or download the capture again"),
        ("{\n ", "a.nam: not JSON: Expecting property name enclosed in double quotes (line 2, column 2); "),
        (b"\xff{}", "a.nam: not UTF-8 text (byte 0); give the path of a .nam capture"),
        ("\ud800", "a.nam: not UTF-8 text (byte 0); give the path of a .nam capture"),
        ("[]", "a.nam: expected an object, found an array of 0; "),
        ('{"a": [0, {"b c": NaN}]}', "a.nam:a[1]['b c']: NaN is not a JSON number; "),
        ('{"a": {"x\\n": 1, "x\\n": 2}}', r"a.nam:a: key 'x\n' appears more than once; "),
        ("9" * 5000, "a.nam: holds an integer of thousands of digits; "),
        ("[" * 101, "a.nam: objects and arrays nest too deeply (limit 100); "),
        ('"' + "[" * 101, "a.nam: not JSON: Unterminated string starting at (line 1, column 1); "),
        ("[" * 2**20, "a.nam: 524288 objects, arrays and strings are too many (limit 262144); "),
        ('""' * 2**20, "a.nam: more than 262144 strings are too many; "),
        ('"' * 2**26, "a.nam: more than 262144 strings are too many; "),
        ("," * (2**24 + 1), "a.nam: 16777217 values are too many (limit 16777216); "),
    ],
)
def test_text_that_is_no_document(content: str | bytes, message: str) -> None:
    assert refusal_of(content).startswith(message)


def test_a_file_name_cannot_break_the_line() -> None:
    with pytest.raises(ModelFileError) as refusal:
        read_nam_document(json.dumps(FIR | {"architecture": "x\n" * 99}), "a\n\x1b.nam")
    assert str(refusal.value).startswith(r"a\n\x1b.nam:architecture: expected a known architecture, found 'x\nx")
    assert str(refusal.value).isprintable()


# -- what is too much


def test_numbers_too_long_to_quote_are_cut() -> None:
    raw = document("Linear", 2, receptive_field=10**100, bias=False)
    assert refusal_of(json.dumps(raw)).endswith(f"found 1{'0' * 39}...; correct it or export the capture again")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            document("WaveNet", 9, layers=[layer_array(dilations=[1] * 1_000_000)], head_scale=0.5),
            "config.layers[0].dilations: the array has 1000000 entries (limit 4096); no real capture is that large",
        ),
        (
            document("WaveNet", 9, layers=[layer_array()] * 4000, head_scale=0.5),
            "config.layers[2047].dilations: brings the file to 4097 layers (limit 4096); no real capture is that large",
        ),
        (
            document("LSTM", 9, num_layers=1_000_000, input_size=1, hidden_size=1),
            "config.num_layers: expected an integer from 1 to 4096, found 1000000; "
            "correct it or export the capture again",
        ),
        (
            document("Linear", 9, receptive_field=1, bias=True, in_channels=65536, out_channels=65537),
            "config.out_channels: expected an integer from 1 to 65536, found 65537; "
            "correct it or export the capture again",
        ),
        (
            document("LSTM", 9, num_layers=4095, input_size=1, hidden_size=65536),
            "weights: brings the file to 140687559294977 weights (limit 16777216); no real capture is that large",
        ),
    ],
)
def test_a_few_bytes_cannot_ask_for_much(raw: dict[str, Any], message: str) -> None:
    text = json.dumps(raw)
    found: list[str] = []
    assert calls_made(lambda: found.append(refusal_of(text))) < 200_000 + len(text)
    assert found == [f"a.nam:{message}"]


def test_models_in_models_in_models() -> None:
    raw = FIR
    for _ in range(7):
        raw = document("SlimmableContainer", 0, submodels=[{"max_value": 1, "model": raw}])
    assert read_nam_document(json.dumps(raw), "a.nam").warnings == ()
    raw = document("SlimmableContainer", 0, submodels=[{"max_value": 1, "model": raw}])
    assert "models nest deeper than 8; take the inner model out" in refusal_of(json.dumps(raw))


# -- files that are no files


def test_a_file_of_200_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.nam"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(ModelFileError) as refusal:
        read_nam_file(path)
    assert str(refusal.value) == (
        f"{path}: 200000000 bytes is too large for a capture (limit 67108864); give the path of a .nam capture"
    )


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    expected = {
        str(tmp_path): "is a folder",
        str(tmp_path / "none.nam"): "no such file",
        str(pipe): "is not a regular file",
        "a\x00b": "cannot be read (embedded null byte)",
        "x" * 5000: "cannot be read (File name too long)",
    }
    for path, what in expected.items():
        with pytest.raises(ModelFileError) as refusal:
            read_nam_file(path)
        assert f": {what}; give the path of a .nam capture" in str(refusal.value)
        assert str(refusal.value).isprintable()


def test_a_file_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "fir.nam"
    path.write_text(json.dumps(FIR), encoding="utf-8")
    file = read_nam_file(path)
    assert (file.path, file.warnings) == (path, ())
