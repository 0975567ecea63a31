"""Captures in a row as one program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.captures import EXAMPLES, interpret_core
from helpers.linear_capture import linear_text
from helpers.siblings import write_sibling

import schedc
from schedc.backends.interpreter import Interpreter
from schedc.cli.main import main
from schedc.errors import ArchitectureMismatch, UserError
from schedc.frontend.chains import read_source
from schedc.ir.contract import Contract
from schedc.passes.core import core_graph, core_weights

BY_NAME = {path.stem: path for path in EXAMPLES}
PEDAL, AMP, NET = BY_NAME["lstm_1x16"], BY_NAME["a2_lite"], BY_NAME["convnet"]
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


def test_silence_goes_through_the_whole_chain(tmp_path: Path) -> None:
    """At 4 kHz an LSTM asks for 2,000 samples of it, which is short."""
    pedal, amp = (tmp_path / path.name for path in (PEDAL, AMP))
    for path, source in ((pedal, PEDAL), (amp, AMP)):
        path.write_text(json.dumps({**json.loads(source.read_text(encoding="utf-8")), "sample_rate": 4000}))
    capture = read_source([pedal, amp])
    graph = core_graph(capture.graph)
    interpreter = Interpreter(graph, core_weights(graph, capture.weights), "float32", Contract())
    interpreter.prewarm(capture.prewarm_samples)
    np.testing.assert_array_equal(schedc.chain([pedal, amp]).process(X), interpreter.process(X[None])[0])


def test_filters_before_an_lstm_are_full_of_silence(tmp_path: Path) -> None:
    """At 4 kHz an LSTM asks for 2,000 samples of silence; three filters with a bias before it hold 3,600."""
    linear, recurrent = json.loads(linear_text(1200)), json.loads(PEDAL.read_text(encoding="utf-8"))
    linear["config"]["bias"] = True
    linear["weights"].append(0.3)
    files = []
    for number, document in enumerate([linear, linear, linear, recurrent]):
        files.append(tmp_path / f"{number}.nam")
        files[-1].write_text(json.dumps({**document, "sample_rate": 4000}), encoding="utf-8")
    wanted = interpret_core(read_source(files), X[None, :200], Contract())[0]
    for block in (16, 64):
        np.testing.assert_array_equal(schedc.chain(files, block=block).process(X[:200]), wanted)


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


def test_run_plays_a_chain(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", X, 48000, "FLOAT")
    assert main(["run", str(NET), str(AMP), str(tmp_path / "in.wav"), str(tmp_path / "out.wav")]) == 0
    y, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_array_equal(y, schedc.chain([NET, AMP]).process(X))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "--target", "m33", "--cores", "2", "--samples", "300"], "convnet_a2_lite: ConvNet + WaveNet for"),
        (["explain", "--target", "a8"], "convnet_a2_lite: ConvNet + WaveNet for a8"),
        (["bench", "--block", "64"], "convnet.nam + a2_lite.nam: ConvNet + WaveNet, 4,351 MACs per sample"),
        (["bench", "--block", "64", "--json"], f'"model": "{NET} + {AMP}"'),
        (["bench", "--realtime", "--seconds", "0.05"], "convnet.nam + a2_lite.nam: ConvNet + WaveNet at 48 kHz"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_other_commands_take_several_models(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([arguments[0], str(NET), str(AMP), *arguments[1:]]) == 0
    assert words in capsys.readouterr().out


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    document = json.loads(PEDAL.read_text())
    document["sample_rate"] = 44100
    path = tmp_path / "slow.nam"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("command", ["compile --target m33 -o .", "run", "verify", "explain --target m33", "bench"])
def test_every_command_refuses_what_does_not_fit(
    command: str, slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = command.split()
    soundfile.write(tmp_path / "in.wav", X, 48000)
    files = [str(tmp_path / "in.wav"), str(tmp_path / "out.wav")] if name == "run" else []
    assert main([name, str(AMP), str(slow), *files, *options]) == 2
    assert capsys.readouterr().err == (
        f"schedc: {slow}: runs at 44100 Hz, {AMP} at 48000 Hz; chain captures of one rate\n"
    )


def test_channels_must_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"receptive_field": 2, "bias": False, "in_channels": 2, "out_channels": 2}
    stereo = tmp_path / "stereo.nam"
    stereo.write_text(json.dumps({"version": "0.5.4", "architecture": "Linear", "config": config, "weights": [1, 1]}))
    assert main(["verify", str(AMP), str(stereo)]) == 2
    words = "takes 2 channel(s), the capture before it gives 1; chain what fits"
    assert capsys.readouterr().err == f"schedc: {stereo}: {words}\n"


def test_what_does_not_fit_is_refused(tmp_path: Path, slow: Path) -> None:
    with pytest.raises(UserError) as rates:
        schedc.chain([AMP, slow])
    assert str(rates.value) == f"{slow}: runs at 44100 Hz, {AMP} at 48000 Hz; chain captures of one rate"
    with pytest.raises(UserError, match="path: there are no captures; give at least one"):
        schedc.chain([])
