"""Captures in a row as one program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc
from schedc.backends.interpreter import Interpreter
from schedc.chains import read_source
from schedc.cli import main
from schedc.errors import ArchitectureMismatch, UserError
from schedc.ir.contract import Contract
from schedc.planning import core_graph, core_weights

BY_NAME = {path.stem: path for path in EXAMPLES}
PEDAL, AMP = BY_NAME["lstm_1x16"], BY_NAME["a2_lite"]
X = np.random.default_rng(5).normal(0, 0.2, 1500).astype(np.float32)


def in_row(*paths: Path, prewarm: bool) -> np.ndarray:
    y = X
    for path in paths:
        y = schedc.interpret(path, y, "float32", prewarm=prewarm)
    return y


@pytest.mark.parametrize("cores", [1, 3])
def test_a_chain_is_its_captures_one_after_the_other(cores: int) -> None:
    with schedc.chain([PEDAL, AMP], cores=cores, prewarm=False) as p:
        lag = p.latency_samples
        y = p.process(np.concatenate([X, np.zeros(lag, np.float32)]))[lag:]
    np.testing.assert_array_equal(y, in_row(PEDAL, AMP, prewarm=False))


def test_silence_goes_through_the_whole_chain() -> None:
    capture = read_source([PEDAL, AMP])
    graph = core_graph(capture.graph)
    interpreter = Interpreter(graph, core_weights(graph, capture.weights), "float32", Contract())
    interpreter.prewarm(capture.prewarm_samples)
    np.testing.assert_array_equal(schedc.chain([PEDAL, AMP]).process(X), interpreter.process(X[None])[0])


def test_a_chain_of_one_is_the_capture() -> None:
    np.testing.assert_array_equal(schedc.chain([AMP]).process(X), schedc.load(AMP).process(X))


def test_a_chain_is_packed_and_swapped_as_one(tmp_path: Path) -> None:
    other = write_sibling(AMP, tmp_path / "other.nam", seed=2)
    artifact = schedc.compile([PEDAL, AMP], target="m33", cores=2)
    assert schedc.pack([PEDAL, other], artifact) == schedc.compile([PEDAL, other], target="m33", cores=2).weights
    p = schedc.chain([PEDAL, AMP], prewarm=False)
    p.set_weights([PEDAL, other])
    np.testing.assert_array_equal(p.process(X), in_row(PEDAL, other, prewarm=False))
    with pytest.raises(ArchitectureMismatch):
        p.set_weights([AMP, PEDAL])


def test_compile_takes_several_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(PEDAL), str(AMP), "--target", "m33", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "lstm_1x16_a2_lite.o").exists()
    report = json.loads((tmp_path / "lstm_1x16_a2_lite.json").read_text())
    packed = ["pack", str(PEDAL), str(AMP), "--for", str(tmp_path / "lstm_1x16_a2_lite.json")]
    assert main([*packed, "-o", str(tmp_path / "again.bin")]) == 0
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "lstm_1x16_a2_lite_weights.bin").read_bytes()
    assert report["architecture"] == "LSTM + WaveNet"
    assert "LSTM + WaveNet" in capsys.readouterr().out


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    document = json.loads(PEDAL.read_text())
    document["sample_rate"] = 44100
    slow = tmp_path / "slow.nam"
    slow.write_text(json.dumps(document))
    with pytest.raises(UserError) as rates:
        schedc.chain([AMP, slow])
    assert str(rates.value) == f"{slow}: runs at 44100 Hz, {AMP} at 48000 Hz; chain captures of one rate"
    with pytest.raises(UserError, match="chain: there are no captures; give at least one"):
        schedc.chain([])
