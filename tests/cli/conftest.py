"""Small captures and sound files, and the command line called in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from schedc.cli.main import main

Run = Callable[..., "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of standard output, those that go on in the next put together."""
        return re.sub(r"\n {11}(?=\S)", " ", self.out).splitlines()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("compile", path, ...)``: the command line in this process."""

    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


def write_capture(path: Path, architecture: str, config: object, weights: list[float], **top: object) -> Path:
    document = {"version": "0.5.4", "architecture": architecture, "config": config, "weights": weights, **top}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def wavenet(tmp_path: Path) -> Path:
    """A WaveNet of two channels and three layers, at 48 kHz."""
    layers = {
        "input_size": 1,
        "condition_size": 1,
        "channels": 2,
        "head_size": 1,
        "kernel_size": 2,
        "dilations": [1, 2, 4],
        "activation": "Tanh",
        "gated": False,
        "head_bias": False,
    }
    weights = [*np.random.default_rng(3).normal(0.0, 0.5, 2 + 3 * 18 + 2).tolist(), 0.5]
    config = {"layers": [layers], "head": None, "head_scale": 0.5}
    return write_capture(tmp_path / "small amp.nam", "WaveNet", config, weights, sample_rate=48000)


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    """y[t] = x[t]: the shortest capture there is, at 48 kHz."""
    config = {"receptive_field": 1, "bias": False}
    return write_capture(tmp_path / "wire.nam", "Linear", config, [1.0], sample_rate=48000)


@pytest.fixture
def stereo_linear(tmp_path: Path) -> Path:
    """Two channels in, two out."""
    config = {"receptive_field": 1, "bias": False, "in_channels": 2, "out_channels": 2}
    return write_capture(tmp_path / "stereo.nam", "Linear", config, [1.0], sample_rate=48000)


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """``wav(samples, rate=48000, subtype="PCM_16")`` writes a file; samples are [n] or [n, channels]."""

    def write(samples: object, rate: int = 48000, subtype: str = "PCM_16", name: str = "in.wav") -> Path:
        path = tmp_path / name
        soundfile.write(path, np.asarray(samples), rate, subtype=subtype)
        return path

    return write
