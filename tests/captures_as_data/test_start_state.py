"""Silence through an LSTM: machine code and interpreter come to the same bits, and verify does not take it on trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc
from schedc.backends.packing import StartRows, held_by, start_state
from schedc.chains import read_source
from schedc.cli import main
from schedc.compiler import compile_graph
from schedc.host import code as code_here
from schedc.host import start_state as host
from schedc.ir.contract import Contract
from schedc.options import make_options
from schedc.planning import Capture, core_graph, core_weights

BY_NAME = {path.stem: path for path in EXAMPLES}
SAMPLES = 1050
KEPT = [Contract(), Contract(mac="unfused")]  # what a host of any kind keeps


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
    graph = core_graph(capture.graph)
    return start_state(graph, core_weights(graph, capture.weights), contract, samples)


@pytest.mark.parametrize("contract", KEPT, ids=str)
def test_machine_code_leads_where_the_interpreter_does(unsettled: Path, chain: Path, contract: Contract) -> None:
    for capture in (read_source(unsettled), read_source([unsettled, chain])):
        assert capture.prewarm_samples >= SAMPLES
        found = host.machine_silence(capture, contract, 300)
        assert found is not None
        assert same(interpreted(capture, contract, 300), found)


def test_the_interpreter_goes_on_where_machine_code_ended(unsettled: Path, chain: Path) -> None:
    capture = read_source([unsettled, chain])
    assert host.is_left_to_machine_code(capture, Contract())
    held = held_by(host.silent_interpreter(capture, Contract()))
    assert same(interpreted(capture, Contract(), capture.prewarm_samples), held)


@pytest.mark.parametrize(
    ("model", "contract"),
    [("a2_lite", Contract()), ("lstm_1x16", Contract("unfused", "flush"))],
    ids=["no LSTM", "A8's"],
)
def test_what_the_interpreter_keeps_to_itself(model: str, contract: Contract) -> None:
    """Nothing to gain, or (on x86) a contract that this machine does not keep."""
    if host.host_options(contract) is not None and model != "a2_lite":
        pytest.skip("this machine keeps every contract")
    assert host.machine_silence(read_source(BY_NAME[model]), contract, 100) is None


def flip(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    """From silences of ``least`` samples on, machine code has a wrong bit."""
    original = host.machine_silence

    def wrong(capture: Capture, contract: Contract, samples: int, may_compile: bool = True) -> StartRows | None:
        rows = original(capture, contract, samples, may_compile)
        if rows is not None and samples >= least:
            for array in rows.values():
                array.view(np.uint32)[0, -1] ^= 1
        return rows

    monkeypatch.setattr(host, "machine_silence", wrong)


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
    words = (
        "silence    1,050 samples before, run by machine code here; the interpreter checked the first and last 500\n"
    )
    assert words in capsys.readouterr().out


def test_compile_writes_the_interpreters_start_state(unsettled: Path) -> None:
    capture = read_source(unsettled)
    for target in ("m33", "host"):
        artifact = schedc.compile(unsettled, target=target)
        assert artifact.weights == compile_graph(capture.graph, make_options(target)).pack(capture)


@pytest.mark.parametrize("cached", [False, True])
def test_pack_uses_code_that_is_there_and_no_llvm(
    unsettled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    schedc.compile(unsettled, target="m33", name="lstm").write(tmp_path)
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    if cached:
        options = host.host_options(Contract())
        assert options is not None
        monkeypatch.setattr(code_here, "_programs", WeakValueDictionary())  # else it need not go to the cache
        code_here.host_program(read_source(unsettled).graph, options)
    arguments = ["pack", str(unsettled), "--for", str(tmp_path / "lstm.json"), "-o", str(tmp_path / "x.bin")]
    code = (
        "import sys\nfrom schedc.backends.interpreter import Interpreter\nfrom schedc.cli import main\n"
        "warmed = []\noriginal = Interpreter.prewarm\n"
        "Interpreter.prewarm = lambda *given: (warmed.append(1), original(*given))\n"
        f"assert main({arguments!r}) == 0\n"
        f"assert bool(warmed) is {not cached}\n"
        "assert not [m for m in sys.modules if m.startswith('llvmlite')]"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert (tmp_path / "x.bin").read_bytes() == (tmp_path / "lstm_weights.bin").read_bytes()
