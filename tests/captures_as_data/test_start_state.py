"""Silence through an LSTM: machine code and interpreter come to the same bits, and verify does not take it on trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc
from schedc.backends.interpreter import Interpreter
from schedc.backends.weights.packing import StartRows, held_by
from schedc.cli.main import main
from schedc.compiler import compile_graph
from schedc.errors import UnsupportedError
from schedc.fleet.treatment import FleetOptions, Source, build, treat
from schedc.frontend.capture import Capture
from schedc.frontend.chains import read_source
from schedc.host import quick_silence
from schedc.host import start_state as host
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.weights import WeightTable
from schedc.options import choose, make_options
from schedc.passes.core import core_graph, core_weights
from schedc.reference import reference_interpreter
from schedc.targets.base import Target

BY_NAME = {path.stem: path for path in EXAMPLES}
SAMPLES = 1050
CONTRACTS = [Contract(), Contract("unfused", "flush"), Contract("unfused", math="fast")]
TARGETS: tuple[Literal["host", "m33", "a8"], ...] = ("host", "m33", "a8")


@pytest.fixture(scope="module")
def unsettled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LSTM that does not settle, at a rate that makes half a second of silence short."""
    path = write_sibling(BY_NAME["lstm_1x16"], tmp_path_factory.mktemp("lstm") / "lstm.nam", seed=1)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["sample_rate"] = 2 * SAMPLES
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def chain(unsettled: Path, tmp_path: Path) -> Path:
    """What an LSTM may stand before: convolutions with a past."""
    document = json.loads(BY_NAME["convnet"].read_text(encoding="utf-8"))
    document["sample_rate"] = 2 * SAMPLES
    path = tmp_path / "net.nam"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def same(a: StartRows, b: StartRows) -> bool:
    """``b`` may know more."""
    pairs = [(rows, b[node][:, -rows.shape[1] :]) for node, rows in a.items()]
    return all(np.array_equal(one.view(np.uint32), other.view(np.uint32)) for one, other in pairs)


def interpreted(capture: Capture, contract: Contract, samples: int) -> StartRows:
    """By the interpreter alone."""
    interpreter = reference_interpreter(capture, "float32", contract)
    interpreter.prewarm(samples)
    return held_by(interpreter)


@pytest.mark.parametrize("contract", CONTRACTS, ids=str)
def test_machine_code_leads_where_the_interpreter_does(unsettled: Path, chain: Path, contract: Contract) -> None:
    for capture in (read_source(unsettled), read_source([unsettled, chain]), read_source([chain, unsettled])):
        assert capture.prewarm_samples >= SAMPLES
        graph = core_graph(capture.graph)
        weights = core_weights(graph, capture.weights)
        found = host.silent_rows(graph, weights, contract, 300)
        assert same(interpreted(capture, contract, 300), found)


@pytest.fixture
def no_steps_by_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("the interpreter runs an LSTM cell step by step")

    monkeypatch.setattr(Interpreter, "run_cell", refuse)


@pytest.mark.usefixtures("no_steps_by_the_interpreter")
@pytest.mark.parametrize("target", TARGETS)
def test_no_command_has_the_interpreter_run_silence(
    unsettled: Path, chain: Path, tmp_path: Path, target: Literal["host", "m33", "a8"]
) -> None:
    """It takes a millisecond a sample and layer: minutes, for captures that trainers make."""
    for models in ([unsettled], [unsettled, chain], [chain, unsettled]):
        artifact = schedc.compile(models, target=target, name="lstm")
        assert schedc.pack(models, artifact) == artifact.weights
    source, options = Source(str(unsettled)), FleetOptions(choose(target))
    built = build(source, options, "lstm")
    assert treat(source, built, options, 2 * SAMPLES, None).blob == schedc.pack(unsettled, built.report)
    if target == "host":
        schedc.load(unsettled)


def test_the_interpreter_goes_on_where_machine_code_ended(unsettled: Path, chain: Path) -> None:
    capture = read_source([unsettled, chain])
    assert host.is_left_to_machine_code(capture, Contract())
    held = held_by(host.silent_interpreter(capture, Contract()))
    assert same(interpreted(capture, Contract(), capture.prewarm_samples), held)


def flip(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    """From silences of ``least`` samples on, machine code has a wrong bit."""
    original = host.silent_rows

    def wrong(graph: Graph, weights: WeightTable, contract: Contract, samples: int) -> StartRows:
        rows = original(graph, weights, contract, samples)
        if samples >= least:
            for array in rows.values():
                array.view(np.uint32)[0, -1] ^= 1
        return rows

    monkeypatch.setattr(host, "silent_rows", wrong)


@pytest.mark.parametrize("least", [1, SAMPLES], ids=["from the start", "at the end"])
@pytest.mark.parametrize("target", ["host", "m33"])
def test_verify_finds_a_wrong_silence(
    unsettled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], least: int, target: str
) -> None:
    flip(monkeypatch, least)
    assert main(["verify", str(unsettled), "--target", target, "--samples", "300"]) == 1
    assert capsys.readouterr().out.endswith("FAIL\n")


def test_verify_says_who_ran_the_silence(unsettled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(unsettled), "--samples", "300"]) == 0
    words = "silence 1,050 samples before, run by machine code here; the interpreter checked the first and last 500 "
    assert words in " ".join(capsys.readouterr().out.split())


def test_compile_writes_the_interpreters_start_state(unsettled: Path) -> None:
    capture = read_source(unsettled)
    for target in ("m33", "host"):
        artifact = schedc.compile(unsettled, target=target)
        compilation = compile_graph(capture.graph, make_options(target))
        graph = compilation.program.graph
        start = interpreted(capture, compilation.options.contract, capture.prewarm_samples)
        assert artifact.weights == compilation.packing.fill(graph, core_weights(graph, capture.weights), start)


@pytest.mark.parametrize("kind", ["settles at once", "cached", "new"])
def test_pack_loads_llvm_only_to_make_the_loop_for_silence(
    unsettled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    model = BY_NAME["a2_lite"] if kind == "settles at once" else unsettled
    schedc.compile(model, target="a8", name="it").write(tmp_path)
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    arguments = ["pack", str(model), "--for", str(tmp_path / "it.json"), "-o", str(tmp_path / "x.bin")]
    code = (
        f"import sys\nfrom schedc.cli.main import main\nassert main({arguments!r}) == 0\n"
        "print(any(m.startswith('llvmlite') for m in sys.modules))"
    )
    for expected in [True, False] if kind == "cached" else [kind == "new"]:
        ran = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
        assert ran.stdout.splitlines()[-1] == str(expected)
        assert (tmp_path / "x.bin").read_bytes() == (tmp_path / "it_weights.bin").read_bytes()


def test_a_machine_without_code_of_ours_interprets(unsettled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_machine() -> Target:
        raise UnsupportedError("this machine", "is another")

    monkeypatch.setattr(quick_silence, "host_target", other_machine)
    quick_silence.cell_code.cache_clear()
    try:
        capture = read_source(unsettled)
        graph = core_graph(capture.graph)
        found = host.silent_rows(graph, core_weights(graph, capture.weights), Contract(), 100)
        assert same(interpreted(capture, Contract(), 100), found)
        assert not host.is_left_to_machine_code(capture, Contract())
    finally:
        quick_silence.cell_code.cache_clear()
