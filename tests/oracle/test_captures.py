"""The trained captures of examples/captures: as shaped as they claim, and heard alike by both sides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from oracle_harness import Config, Signal, assert_same, from_nam, schedc_output, trainer_output

CAPTURES = Path(__file__).parents[2] / "examples" / "captures"
# From NAM_FORMAT.md 6.3 and 2.4 by hand.
WEIGHTS = {"a2_lite": 1871, "a1_nano": 842, "lstm_1x16": 1201}


def load(name: str) -> Config:
    document: Config = json.loads((CAPTURES / f"{name}.nam").read_text())
    return document


def take(samples: int) -> Signal:
    """The loud first chord of di.wav, `[samples]`."""
    x, rate = soundfile.read(CAPTURES / "di.wav")
    assert rate == 48_000
    return np.asarray(x[:samples], dtype=np.float64)


def imported(document: Config) -> Any:
    """The trainer's own network of a file, every parameter in it."""
    return from_nam.init_from_nam(document).eval()


@pytest.mark.parametrize("name", WEIGHTS)
def test_shape(name: str) -> None:
    document = load(name)
    assert len(document["weights"]) == WEIGHTS[name]
    assert document["version"] == "0.7.0"
    assert document["sample_rate"] == 48_000
    assert document["metadata"]["training"]["validation_esr"] < 0.05


@pytest.mark.parametrize("name", ["a2_lite", "a1_nano"])
def test_wavenet_capture(name: str) -> None:
    x = take(12_000)
    wanted = trainer_output(imported(load(name)), x, pad_start=True)
    assert_same(schedc_output(CAPTURES / f"{name}.nam", x, prewarm=True), wanted)


def test_lstm_capture() -> None:
    x = take(6000)
    wanted = trainer_output(imported(load("lstm_1x16")), x, pad_start=False)
    assert_same(schedc_output(CAPTURES / "lstm_1x16.nam", x, prewarm=False), wanted)


@pytest.mark.parametrize(("index", "size"), [(0, 0.0), (0, 0.499), (1, 0.5), (1, None)])
def test_container_capture(index: int, size: float | None) -> None:
    x = take(9000)
    entry = load("a2")["config"]["submodels"][index]
    wanted = trainer_output(imported(entry["model"]), x, pad_start=True)
    assert_same(schedc_output(CAPTURES / "a2.nam", x, prewarm=True, slim=size), wanted)
