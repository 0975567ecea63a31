"""What the command line warns of, Python warns of: once, in schedc's category, at the user's line."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import schedc
from schedc.cli.main import main

X = np.zeros(20, np.float32)


def linear(path: Path, **top: object) -> Path:
    config = {"receptive_field": 2, "bias": False}
    document = {"version": "0.5.4", "architecture": "Linear", "config": config, "weights": [1.0, 0.5]}
    path.write_text(json.dumps({**document, "sample_rate": 48000, **top}))
    return path


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return linear(tmp_path / "odd.nam", version="0.7.9")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return linear(tmp_path / "slow.nam", sample_rate=44100)


def said(act: Callable[[], object]) -> list[str]:
    """The warnings of a call, which must stand at the caller's line and be of our kind."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    line = act.__code__.co_firstlineno  # of the lambda
    for one in caught:
        assert one.category is schedc.SchedcWarning
        assert (one.filename, one.lineno) == (__file__, line), f"{one.message} at {one.filename}:{one.lineno}"
    return [str(one.message) for one in caught]


def printed(capsys: pytest.CaptureFixture[str], *command: object) -> list[str]:
    """The warnings that a command prints."""
    assert main([str(part) for part in command]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("schedc: warning: ") for line in lines), lines
    return [line.removeprefix("schedc: warning: ") for line in lines]


def test_a_files_oddities_are_told_by_all_that_read_it(
    odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{odd}:version: file version 0.7.9 is newer than 0.7.0 and may hold features that are not known here"]
    artifact = schedc.compile(linear(tmp_path / "plain.nam"), name="odd")
    artifact.write(tmp_path)
    player = schedc.load(tmp_path / "plain.nam")
    assert said(lambda: schedc.load(odd)) == words
    assert said(lambda: schedc.chain([odd])) == words
    assert said(lambda: schedc.load([odd, odd])) == words * 2
    assert said(lambda: schedc.compile(odd)) == words
    assert said(lambda: schedc.interpret(odd, X)) == words
    assert said(lambda: schedc.pack(odd, artifact)) == words
    assert said(lambda: player.pack(odd)) == words
    assert said(lambda: player.set_weights(odd)) == words
    assert said(lambda: player.set_weights(player.weights)) == []
    soundfile.write(tmp_path / "in.wav", X, 48000)
    assert printed(capsys, "compile", odd, "-t", "host", "-o", tmp_path / "c") == words
    assert printed(capsys, "run", odd, tmp_path / "in.wav", tmp_path / "out.wav") == words
    assert printed(capsys, "pack", odd, "--for", tmp_path / "odd.json", "-o", tmp_path / "x.bin") == words
    assert printed(capsys, "verify", odd, "--samples", 50) == words
    assert printed(capsys, "explain", odd, "-t", "m33") == words


def test_another_rate_is_told(slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = schedc.compile(linear(tmp_path / "plain.nam"))
    artifact.write(tmp_path)
    player = schedc.load(tmp_path / "plain.nam")
    rates = f"{slow} is a capture at 44100 Hz, the {{}} one at 48000 Hz: play it at its own rate"
    packed, played = rates.format("code was compiled for"), rates.format("processor plays")
    assert said(lambda: schedc.pack(slow, artifact)) == [packed]
    assert said(lambda: player.pack(slow)) == []  # said when it is to be played
    assert said(lambda: player.set_weights(slow)) == [played]
    assert said(lambda: player.set_weights(slow)) == []  # what plays now is at that rate
    plain = player.pack(tmp_path / "plain.nam")
    back = "this is a capture at 48000 Hz, the processor plays one at 44100 Hz: play it at its own rate"
    assert said(lambda: player.set_weights(plain)) == [back]
    assert said(lambda: player.set_weights(player.pack(slow))) == [played.replace(str(slow), "this")]
    report, out = tmp_path / "plain.json", tmp_path / "x.bin"
    assert printed(capsys, "pack", slow, "--for", report, "-o", out) == [packed]


def test_more_stages_than_cores_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = Path(__file__).parents[2] / "examples" / "captures" / "a1_nano.nam"
    words = "cores: 2 stages, but a8 states 1 core"
    assert said(lambda: schedc.compile(capture, target="a8", cores=2)) == [words]
    assert printed(capsys, "compile", capture, "-t", "a8", "--cores", 2, "-o", tmp_path) == [f"--{words}"]


def test_the_command_line_heeds_no_filter_of_pythons(
    odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in ("ignore", "error", "once"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            assert len(printed(capsys, "explain", odd, "-t", "m33")) == 1


def test_a_remark_is_one_line(tmp_path: Path) -> None:
    strange = linear(tmp_path / "a\nb.nam", version="0.7.9")
    (line,) = said(lambda: schedc.load(strange))
    assert "\n" not in line and "a\\nb.nam" in line
