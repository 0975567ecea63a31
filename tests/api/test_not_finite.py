"""NaN and infinity as a user meets them: how long they are heard, what says so, and the option that stops them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli.conftest import write_capture
from helpers.captures import EXAMPLES, capture_of, graph_of

import schedc
from schedc.backends.interpreter import Interpreter
from schedc.cli.main import main
from schedc.frontend.capture import read_capture
from schedc.host.code import host_program
from schedc.ir.ops import Combine, Conv, Elementwise, Input, LstmCell
from schedc.ir.receptive_field import receptive_field
from schedc.options import make_options

LITE = next(path for path in EXAMPLES if path.stem == "a2_lite")
HEARD = 6347  # samples: A2-Lite's receptive field
KEPT = f"process: NaN or infinity in the input: the output of {HEARD} samples may be NaN; nonfinite=zero takes it as 0"
FOR_EVER = "process: NaN or infinity in the input: all output until reset() may be NaN; nonfinite=zero takes it as 0"
ZEROED = "process: NaN or infinity in the input is taken as 0"


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two units, which forget soon; silence takes no time at this rate."""
    rng = np.random.default_rng(1)
    config = {"num_layers": 1, "input_size": 1, "hidden_size": 2}
    path = tmp_path_factory.mktemp("captures") / "lstm.nam"
    return write_capture(path, "LSTM", config, rng.normal(0.0, 0.5, 39).tolist(), sample_rate=2000)


def noise(samples: int, at: int, value: float = np.nan) -> np.ndarray:
    x = np.random.default_rng(8).normal(0.0, 0.1, samples).astype(np.float32)
    x[at] = value
    return x


def said(processor: schedc.Processor, x: np.ndarray) -> tuple[list[str], np.ndarray]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = processor.process(x)
    assert all((one.category, one.filename) == (schedc.SchedcWarning, __file__) for one in caught)
    return [str(one.message) for one in caught], y


def test_the_receptive_field_is_how_long_a_sample_is_heard() -> None:
    wide = graph_of(("x", Input(2), ""), ("a", Conv(2, 1, 3, 7), "x"), ("b", Conv(1, 1, 4), "a"))
    branches = graph_of(("a", Conv(1, 1, 3), "x"), ("b", Conv(1, 1, 9), "x"), ("c", Combine(Elementwise.ADD, 1), "a b"))
    for graph, heard in ((wide, 1 + 14 + 3), (branches, 9), (graph_of(("a", Conv(1, 1), "x")), 1)):
        assert receptive_field(graph) == heard
        x = np.zeros((graph.in_channels, 50), np.float32)
        x[:, 10] = np.nan
        y = Interpreter(graph, capture_of(graph).weights).process(x)
        assert np.flatnonzero(np.isnan(y[0]))[[0, -1]].tolist() == [10, 9 + heard]
    assert receptive_field(graph_of(("a", Conv(1, 1, 9), "x"), ("h", LstmCell(1, 2), "a"))) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_convolution_forgets_and_says_when(value: float) -> None:
    processor = schedc.load(LITE)
    lines, y = said(processor, noise(HEARD + 200, 100, value))
    assert lines == [KEPT]
    bad = np.flatnonzero(~np.isfinite(y))
    assert bad[0] == 100 and bad[-1] < 100 + HEARD
    assert said(processor, noise(100, 3))[0] == []  # once for each processor
    assert said(processor.clone(), noise(100, 3))[0] == [KEPT]


def test_an_lstm_does_not_forget_until_reset(lstm: Path) -> None:
    processor = schedc.load(lstm)
    lines, y = said(processor, noise(3000, 50))
    assert lines == [FOR_EVER] and np.isnan(y[50:]).all() and np.isfinite(y[:50]).all()
    processor.reset()
    assert np.isfinite(processor.process(noise(300, 0, 0.0))).all()


@pytest.mark.parametrize(("model", "cores"), [("convolutions", 1), ("convolutions", 2), ("lstm", 1)])
def test_with_zero_it_is_as_if_silence_had_come(lstm: Path, wavenet: Path, model: str, cores: int) -> None:
    path = lstm if model == "lstm" else wavenet
    x = noise(600, 50)
    x[60:70] = np.inf, -np.inf, np.nan, 3e38, -3e38, 0, -0.0, 1e-45, np.nan, -np.inf
    cleaned = np.where(np.isfinite(x), x, 0)
    with schedc.load(path, nonfinite="zero", cores=cores) as processor, schedc.load(path, cores=cores) as plain:
        lines, y = said(processor, x)
        assert lines == [ZEROED] and y.tobytes() == plain.process(cleaned).tobytes()
        lag = processor.latency_samples
    wanted = schedc.interpret(path, x, "float32", nonfinite="zero")
    assert y[lag:].tobytes() == wanted[: len(x) - lag].tobytes()


def in_a_row(comment: str) -> str:
    return " ".join(comment.replace("\n *", "\n").split())


def test_what_the_contract_says(lstm: Path, wavenet: Path) -> None:
    texts = {}
    for nonfinite in ("keep", "zero"):
        made = schedc.compile(lstm, target="m33", nonfinite=nonfinite)
        assert made.report["contract"]["nonfinite"] == made.report["packing"]["contract"]["nonfinite"] == nonfinite
        assert f"nonfinite={nonfinite}." in made.header.splitlines()[0]
        texts[nonfinite] = in_a_row(made.header)
        assert schedc.pack(lstm, made) == made.weights
    assert "NaN and infinity in `in` are taken as 0. */" in texts["zero"]
    assert "from there on: an LSTM keeps it until lstm_init." in texts["keep"]
    assert "of 8 samples at most." in in_a_row(schedc.compile(wavenet, target="m33").header)


def test_blobs_from_before_there_was_the_choice_stay_valid(wavenet: Path) -> None:
    made = schedc.compile(wavenet, target="m33")
    old = json.loads(json.dumps(made.report))
    for contract in (old["contract"], old["packing"]["contract"]):
        del contract["nonfinite"]
    assert schedc.pack(wavenet, old) == made.weights
    other = schedc.compile(wavenet, target="m33", nonfinite="zero")
    assert other.report["layout_digest"] != made.report["layout_digest"]
    old["packing"]["contract"]["nonfinite"] = "clip"
    with pytest.raises(schedc.UserError, match=r"packing\.contract\.nonfinite: expected keep or zero, found 'clip'"):
        schedc.pack(wavenet, old)


def test_code_is_shared_by_none_of_the_two(wavenet: Path) -> None:
    keeping, zeroing = (make_options("host", block=64, nonfinite=nonfinite) for nonfinite in ("keep", "zero"))
    graph = read_capture(wavenet).graph
    assert host_program(graph, keeping) is not host_program(graph, zeroing)


def test_run_takes_them_as_zero_and_says_so_once(
    lstm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.stack([noise(900, 100), noise(900, 200, np.inf)])
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, x.T, 2000, subtype="FLOAT")
    assert main(["run", str(lstm), str(source), str(out)]) == 0
    assert capsys.readouterr().err == f"schedc: warning: {source}: 2 samples are NaN or infinite, taken as 0\n"
    y = soundfile.read(out, dtype="float32")[0].T
    for channel in range(2):
        wanted = schedc.interpret(lstm, x[channel], "float32", nonfinite="zero")
        assert y[channel].tobytes() == wanted.tobytes()
    soundfile.write(source, x.T, 3000, subtype="FLOAT")
    assert main(["run", str(lstm), str(source), str(out), "--resample"]) == 0
    assert capsys.readouterr().err.startswith(f"schedc: warning: {source}: 2 samples")
    assert np.isfinite(soundfile.read(out)[0]).all()
    assert main(["run", str(lstm), str(source), str(out), "--resample", "--nonfinite", "keep"]) == 2
    remedy = "mend the file, or take such samples as 0: --nonfinite zero"
    assert capsys.readouterr().err == f"schedc: {source}: sample 100 is not a finite number; {remedy}\n"


@pytest.mark.parametrize("target", ["host", "m33", "a8", "aarch64"])
def test_verify_tries_the_door(wavenet: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["verify", str(wavenet), "-t", target, "--samples", "400", "--nonfinite", "zero"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "nonfinite=zero" in printed and printed.endswith("PASS\n") and "dB from float64" in printed


@pytest.mark.parametrize("value", [np.finfo(np.float32).max, -1e38])
def test_loud_is_not_infinite(value: float, lstm: Path) -> None:
    """Sums of large numbers overflow; nothing is said, by NumPy neither."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedc.load(lstm).process(np.full(9000, value, np.float32))
