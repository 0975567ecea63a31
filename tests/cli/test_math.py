"""``--math fast``: another contract, in every command and in Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schedc
from cli.conftest import Run
from schedc.backends.weights.blob_reader import check_blob
from schedc.errors import ArchitectureMismatch

NANO = Path(__file__).parents[2] / "examples" / "captures" / "a1_nano.nam"


def test_the_contract_stands_in_report_header_and_blob(run: Run, wavenet: Path, tmp_path: Path) -> None:
    outcome = run("compile", wavenet, "-t", "m33", "--math", "fast", "-o", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "contract   mac=fused subnormals=keep math=fast nonfinite=keep" in outcome.out.splitlines()
    assert "mac=fused subnormals=keep math=fast nonfinite=keep" in (tmp_path / "small_amp.h").read_text()
    report = json.loads((tmp_path / "small_amp.json").read_text())
    assert report["contract"]["math"] == report["packing"]["contract"]["math"] == "fast"
    exact, fast = (schedc.compile(wavenet, target="m33", math=math) for math in ("exact", "fast"))
    assert fast.weights == (tmp_path / "small_amp_weights.bin").read_bytes()
    packing: Any = exact.report["packing"]
    with pytest.raises(ArchitectureMismatch):
        check_blob(fast.weights, bytes.fromhex(packing["layout_digest"]), len(exact.weights))


def test_a_pack_for_fast_code_is_for_fast_code(wavenet: Path, tmp_path: Path) -> None:
    artifact = schedc.compile(wavenet, target="m33", math="fast")
    artifact.write(tmp_path)
    assert schedc.pack(wavenet, tmp_path / "small_amp.json") == artifact.weights


@pytest.mark.parametrize("target", ["host", "m33", "a8"])
def test_verify(run: Run, wavenet: Path, target: str) -> None:
    outcome = run("verify", wavenet, "-t", target, "--math", "fast", "--samples", 300)
    assert outcome.code == 0 and "math=fast" in outcome.out and outcome.out.rstrip().endswith("PASS")


def test_python_gives_the_interpreters_bits() -> None:
    x = np.random.default_rng(0).normal(0.0, 0.3, 400).astype(np.float32)
    fast, exact = (schedc.load(NANO, math=math).process(x) for math in ("fast", "exact"))
    assert (fast == schedc.interpret(NANO, x, "float32", math="fast")).all()
    assert 0 < np.abs(fast - exact).max() < 1e-5


def test_run_and_bench(run: Run, wavenet: Path, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "in.wav", np.zeros(200, np.float32), 48000)
    assert run("run", wavenet, tmp_path / "in.wav", tmp_path / "out.wav", "--math", "fast").code == 0
    assert run("bench", wavenet, "--block", 16, "--math", "fast").code == 0


def test_explain_says_what_it_gains(run: Run, wavenet: Path, linear: Path) -> None:
    assert "--math fast is predicted to take" in run("explain", wavenet, "-t", "a8").out
    assert "--math exact is predicted to take" in run("explain", wavenet, "-t", "a8", "--math", "fast").out
    assert "--math" not in run("explain", linear, "-t", "a8").out


@pytest.mark.parametrize("command", ["compile", "verify", "run", "bench", "explain"])
def test_another_name_is_refused(run: Run, wavenet: Path, tmp_path: Path, command: str) -> None:
    import soundfile

    soundfile.write(tmp_path / "in.wav", np.zeros(20, np.float32), 48000)
    files = [tmp_path / "in.wav", tmp_path / "out.wav"] if command == "run" else []
    target = [] if command in ("run", "bench") else ["-t", "m33"]
    outcome = run(command, wavenet, *files, *target, "--math", "quick")
    assert outcome.code == 2
    assert outcome.err == "schedc: --math: 'quick' is not a kind of tanh and sigmoid; use exact or fast\n"
