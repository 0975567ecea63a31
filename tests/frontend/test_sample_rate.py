"""A rate that is not stated: left out, or -1 as the engine writes it.  Anything else is a rate or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.captures import SHARED
from helpers.namb import namb

import schedc
from schedc.cli.main import main
from schedc.errors import ModelFileError, SchedcWarning
from schedc.frontend.capture import read_capture
from schedc.frontend.chains import read_source

LSTM: dict[str, Any] = {
    "version": "0.5.4",
    "architecture": "LSTM",
    "config": {"num_layers": 1, "input_size": 1, "hidden_size": 3},
    "weights": np.random.default_rng(1).normal(0, 0.5, 70).tolist(),
}
LAYERS = {
    "input_size": 1,
    "condition_size": 1,
    "channels": 1,
    "dilations": [1],
    "kernel_size": 1,
    "activation": "ReLU",
    "head_size": 1,
    "head_bias": False,
}
SHAPES = {
    "plain": lambda rate: {**LSTM, **rate},
    "container": lambda rate: {
        "version": "0.7.0",
        "architecture": "SlimmableContainer",
        "weights": [],
        **rate,
        "config": {"submodels": [{"max_value": 1.0, "model": {**LSTM, **rate}}]},
    },
    "condition": lambda rate: {
        "version": "0.7.0",
        "architecture": "WaveNet",
        "weights": [0.5] * 8,
        **rate,
        "config": {"condition_dsp": LSTM, "layers": [LAYERS], "head_scale": 0.5},  # which leaves it out
    },
}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stated", [-1, -1.0])
def test_minus_one_is_as_good_as_nothing(shape: str, stated: float, tmp_path: Path) -> None:
    path = tmp_path / "a.nam"
    without = read_capture(write(path, SHAPES[shape]({})))
    found = read_capture(write(path, SHAPES[shape]({"sample_rate": stated})))
    assert (found.sample_rate, found.rate) == (None, 48000)
    assert (found.graph, found.prewarm_samples) == (without.graph, without.prewarm_samples)
    assert found.warnings == without.warnings
    assert found.warnings == (f"{path}: does not state its sample rate; 48000 Hz is taken",)


@pytest.mark.parametrize("stated", [0, -0.0, -2, -1.5, -44100, 1e8])
def test_no_other_number_means_unknown(stated: float, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="sample_rate: expected a rate of 1 to 10000000 Hz, found"):
        read_capture(write(tmp_path / "a.nam", {**LSTM, "sample_rate": stated}))


def test_the_binary_form_says_so_too(tmp_path: Path) -> None:
    path = tmp_path / "a.namb"
    path.write_bytes(namb(LSTM))
    assert read_capture(path).warnings == (f"{path}: does not state its sample rate; 48000 Hz is taken",)


def test_in_a_chain_one_may_speak_for_all(tmp_path: Path) -> None:
    silent, stating = write(tmp_path / "a.nam", LSTM), write(tmp_path / "b.nam", {**LSTM, "sample_rate": 44100})
    assert (read_source([silent, stating]).rate, read_source([silent, stating]).warnings) == (44100, ())
    unstated = f"{silent} + {silent}: does not state its sample rate; 48000 Hz is taken"
    assert read_source([silent, silent]).warnings == (unstated,)


def test_commands_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.nam", {**LSTM, "sample_rate": -1})
    assert main(["compile", str(path), "-t", "m33", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"schedc: warning: {path}: does not state its sample rate; 48000 Hz is taken\n"
    with pytest.warns(SchedcWarning, match="a.nam: does not state its sample rate; 48000 Hz is taken$"):
        assert schedc.pack(path, tmp_path / "a.json") == (tmp_path / "a_weights.bin").read_bytes()


@pytest.mark.skipif(not SHARED.exists(), reason="no files beside the checkout")
def test_the_case_beside_the_checkout() -> None:
    assert read_capture(SHARED / "cases" / "sr_6_-1.nam").sample_rate is None
