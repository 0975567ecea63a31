"""A library of captures: one compilation per architecture, resumable, one broken file never stops the rest."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling
from helpers.work import plus, ten_over

import schedc
from schedc import compiler
from schedc.backends.llvm import module
from schedc.cli.main import main
from schedc.fleet import treatment
from schedc.fleet.workers import DIED, Failure, InlineWorkers, LocalWorkers, Workers
from schedc.targets.names import TargetName

BY_NAME = {path.stem: path for path in EXAMPLES}
LITE, CONVNET = BY_NAME["a2_lite"], BY_NAME["convnet"]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Five captures of two architectures, two broken files, one that is none."""
    folder = tmp_path / "library"
    (folder / "sub").mkdir(parents=True)
    for number in range(3):
        write_sibling(LITE, folder / f"lite{number}.nam", seed=number)
    for number in range(2):
        write_sibling(CONVNET, folder / "sub" / f"net{number}.nam", seed=number)
    (folder / "cut.nam").write_bytes(LITE.read_bytes()[:1000])
    (folder / "sub" / "empty.nam").write_text("{}")
    (folder / "notes.txt").write_text("no capture")
    return folder


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets of all objects that LLVM emits in this process."""
    emitted: list[str] = []
    original = module.emit_object

    def counted(code: object, target: object, with_assembly: bool = False) -> object:
        emitted.append(target.name)  # type: ignore[attr-defined]
        return original(code, target, with_assembly)  # type: ignore[arg-type]

    monkeypatch.setattr(compiler, "emit_object", counted)
    monkeypatch.setattr(treatment, "_kept", {})
    monkeypatch.setenv("SCHEDC_CACHE", "off")
    return emitted


def run(library: Path, out: Path, *more: object) -> int:
    arguments = ["batch", str(library), "--target", "host", "-o", str(out), "-j", "0", *map(str, more)]
    return main(arguments)


def test_one_compilation_per_architecture(
    library: Path, tmp_path: Path, compilations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(library, out) == 1  # two files are broken
    assert len(compilations) == 2
    printed = capsys.readouterr()
    assert "packed 5 captures with 2 compilations in " in printed.out
    assert "2 captures failed" in printed.out
    assert f"schedc: {library}/sub/empty.nam: version: this key is missing" in printed.err
    assert len(printed.err.splitlines()) == 2
    for path in library.rglob("*[0-9].nam"):
        (blob,) = out.rglob(f"{path.stem}.bin")
        assert blob.relative_to(out).parts[1:-1] == path.relative_to(library).parts[:-1]
        assert blob.read_bytes() == schedc.compile(path, name="x").weights


def test_a_later_run_goes_on(
    library: Path, tmp_path: Path, compilations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(library, out)
    capsys.readouterr()
    compilations.clear()
    run(library, out)
    assert "5 captures done by an earlier run" in capsys.readouterr().out
    write_sibling(LITE, library / "lite1.nam", seed=9)  # changed
    next(out.rglob("net0.bin")).unlink()  # lost
    with (out / "batch.jsonl").open("a") as file:
        file.write('{"key": "cut o')  # the line under way when the machine went down
    run(library, out)
    printed = capsys.readouterr().out
    assert "packed 2 captures with 0 compilations" in printed
    assert "3 captures done by an earlier run" in printed
    assert not compilations
    run(library, out)
    assert "5 captures done by an earlier run" in capsys.readouterr().out
    run(library, out, "--block", 32)  # other code
    assert "packed 5 captures with 2 compilations" in capsys.readouterr().out


def test_other_math_is_other_code(
    library: Path, tmp_path: Path, compilations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where one run after the other writes into the same folder."""
    out, path = tmp_path / "out", library / "lite1.nam"
    for math in ("exact", "fast", "exact"):
        run(library, out, "--math", math)
        printed = capsys.readouterr().out
        assert "packed 5 captures with 2 compilations" in printed
        assert "earlier run" not in printed
        (blob,) = out.rglob("lite1.bin")
        assert blob.read_bytes() == schedc.compile(path, name="x", math=math).weights
        (report,) = blob.parent.glob("*.json")
        assert json.loads(report.read_text(encoding="utf-8"))["packing"]["contract"]["math"] == math
    run(library, out)  # what is there is what the default makes
    assert "5 captures done by an earlier run" in capsys.readouterr().out


def test_code_that_a_failed_run_wrote_is_not_taken_for_an_earlier_ones(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, slow = tmp_path / "out", tmp_path / "slow.wav"
    soundfile.write(slow, np.zeros(100, np.float32), 22050)
    run(library, out)
    run(library, out, "--block", 32, "--render", slow)  # compiles, then refuses each capture for its rate
    assert "7 captures failed" in capsys.readouterr().out  # two files are broken anyway
    run(library, out)
    assert "packed 5 captures with 2 compilations" in capsys.readouterr().out
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*/*.json")]
    assert {report["max_block_frames"] for report in reports} == {64}


@pytest.mark.parametrize("target", ["m33", "host"])
def test_fast_math_is_rendered_and_verified(tmp_path: Path, compilations: list[str], target: str) -> None:
    """For m33 by code made for this machine, for the host by the very code."""
    x = np.random.default_rng(1).normal(0, 0.5, 500).astype(np.float32)
    soundfile.write(tmp_path / "di.wav", x, 48000, "FLOAT")
    path, out = write_sibling(BY_NAME["a1_nano"], tmp_path / "nano.nam", seed=1), tmp_path / "out"
    wanted = {math: schedc.load(path, math=math).process(x) for math in ("exact", "fast")}
    assert (wanted["exact"] != wanted["fast"]).any()
    more = ["--render", str(tmp_path / "di.wav"), "--verify", "--math", "fast"]
    assert main(["batch", str(path), "-t", target, "-o", str(out), "-j", "0", *more]) == 0
    y, _ = soundfile.read(next(out.rglob("nano.wav")), dtype="float32")
    np.testing.assert_array_equal(y, wanted["fast"])


def test_rendering_and_verifying(
    library: Path, tmp_path: Path, compilations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(1).normal(0, 0.1, 500).astype(np.float32)
    soundfile.write(tmp_path / "di.wav", x, 48000, "FLOAT")
    (library / "sub" / "net1.nam").unlink()
    run(library, tmp_path / "out", "--render", tmp_path / "di.wav", "--verify")
    assert "packed, verified, rendered 4 captures with 2 compilations" in capsys.readouterr().out
    assert len(compilations) == 2  # what plays is the code that was written
    for path in library.rglob("*[0-9].nam"):
        (wav,) = (tmp_path / "out").rglob(f"{path.stem}.wav")
        y, rate = soundfile.read(wav, dtype="float32")
        assert rate == 48000
        np.testing.assert_array_equal(y, schedc.load(path).process(x))


def test_a_wrong_bit_fails_the_capture(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Wrong:
        passed = False

    monkeypatch.setattr(treatment, "verify_compilation", lambda *_: Wrong)
    assert run(library, tmp_path / "out", "--verify") == 1
    assert "verify: the code's bits differ from the interpreter's" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.bin"))


@pytest.mark.parametrize("target", ["m33", "a8", "host"])
def test_silence_through_an_lstm_is_the_interpreters(tmp_path: Path, target: TargetName) -> None:
    """It is run by machine code of the same contract, where there is such for this machine."""
    path = write_sibling(BY_NAME["lstm_1x16"], tmp_path / "lstm.nam", seed=1)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["sample_rate"] = 1000  # half a second of silence is then soon interpreted
    path.write_text(json.dumps(document), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["batch", str(tmp_path / "l*.nam"), "-t", target, "-o", str(out), "-j", "0"]) == 0
    (blob,) = out.rglob("lstm.bin")
    assert blob.read_bytes() == schedc.compile(path, target=target).weights


@pytest.mark.parametrize("workers", [InlineWorkers(), LocalWorkers(2)], ids=["inline", "local"])
def test_errors_and_shared_values(workers: Workers) -> None:
    workers.share(100)
    try:
        results = dict(workers.run(ten_over, [(5,), (0,), (2,)]))
        assert (results[0], results[2]) == (2.0, 5.0)
        assert isinstance(results[1], Failure)
        assert "ZeroDivisionError: division by zero" in results[1].reason
        assert dict(workers.run(plus, [(1,), (2,)], shared=True)) == {0: 101, 1: 102}
    finally:
        workers.close()


def test_a_worker_that_dies_costs_one_job() -> None:
    workers = LocalWorkers(2)
    try:
        results = dict(workers.run(ten_over, [(number,) for number in (1, -1, 2, -1, 5, 10)]))
    finally:
        workers.close()
    assert results == {0: 10, 1: Failure(DIED), 2: 5, 3: Failure(DIED), 4: 2, 5: 1}


@pytest.fixture
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
    gc.collect()  # what Dask has left open is reported here, where its warnings are let pass, and in no later test


@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_dask_cluster_does_the_same(
    cluster: str, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(library, tmp_path / "here")
    capsys.readouterr()
    run(library, tmp_path / "there", "--scheduler", cluster)
    assert "packed 5 captures with 2 compilations" in capsys.readouterr().out
    here, there = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.bin")}
        for folder in (tmp_path / "here", tmp_path / "there")
    )
    assert here == there


def test_refusals(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(empty, tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        f"schedc: {empty}: has no .nam or .namb files; give a folder or a pattern like 'amps/*.nam'\n"
    )
    assert run(library, tmp_path / "out", "-j", "-1") == 2
    assert capsys.readouterr().err == "schedc: --jobs: -1 processes; give 0 (work in this process) to 1024\n"
    assert run(library, tmp_path / "out", "--math", "rough") == 2
    assert capsys.readouterr().err == "schedc: --math: 'rough' is not a kind of tanh and sigmoid; use exact or fast\n"
    assert run(library, library / "notes.txt") == 2
