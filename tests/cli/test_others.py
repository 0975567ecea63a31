"""``bench``, ``passes``, ``targets``, ``--version``, and the program as a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import schedc
import schedc.measure.bench as bench_module
from cli.conftest import Run
from schedc.backends.llvm.peak import NativeLoops
from schedc.options import make_options
from schedc.passes.core import core_passes
from schedc.planning import planning_passes
from schedc.targets.base import load_target
from schedc.targets.names import TARGET_NAMES


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks that measure little, quickly."""
    for name, value in {"WARM_UP_NS": 100_000, "PASSES": 5, "PASS_NS": 10_000, "TIMED_NS": 100_000}.items():
        monkeypatch.setattr(bench_module, name, value)


@pytest.mark.usefixtures("quick")
def test_bench_prints_a_row_for_each_block(run: Run, wavenet: Path) -> None:
    outcome = run("bench", wavenet, "--block", 8, "--block", 64)
    assert (outcome.code, outcome.err) == (0, "")
    lines = re.sub(r"\n(?=\S.*, 1 core$)", " ", outcome.out, flags=re.MULTILINE).splitlines()
    assert lines[0].startswith("small amp.nam: WaveNet, ") and " MACs per sample, " in lines[0]
    assert lines[1].startswith("peak ") and lines[1].endswith("MAC/ns (measured: fused multiply-adds in registers)")
    assert [line.split()[0] for line in lines[4:6]] == ["8", "64"]


@pytest.mark.usefixtures("quick")
def test_bench_json(run: Run, stereo_linear: Path) -> None:
    report = json.loads(run("bench", stereo_linear, "--block", 16, "--json").out)
    (row,) = report["blocks"]
    assert report["peak_macs_per_ns"] > 1
    assert row["block"] == 16
    assert 0 < row["fastest_ns_per_sample"] <= row["ns_per_sample"]
    assert row["call_p50_ns"] <= row["call_p99_ns"] <= row["call_max_ns"]
    assert 0 < row["share_of_peak"] < 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "m33"], "schedc: --target: this machine cannot run m33 code; measure on one that can"),
        (["--target", "avx2", "--cores", "2"], "schedc: --cores: threads run code for this machine only"),
        (["--target", "m3"], "schedc: --target: there is no target 'm3'"),
    ],
)
def test_bench_refuses_what_cannot_be_measured(run: Run, wavenet: Path, arguments: list[str], words: str) -> None:
    outcome = run("bench", wavenet, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(words)


@pytest.mark.usefixtures("quick")
def test_bench_of_another_target(run: Run, wavenet: Path) -> None:
    outcome = run("bench", wavenet, "--block", 16, "--target", "avx2")
    if outcome.code:  # not an x86 machine
        assert outcome.err.startswith("schedc: --target: this machine cannot run avx2 code")
    else:
        assert load_target("avx2").full_name in outcome.out


def test_the_peak_is_plausible() -> None:
    target = make_options("host").target
    peak = NativeLoops(target).peak_macs_per_ns(tries=20, rounds=50_000)
    assert 0.25 * target.vectors.lanes < peak < 16 * target.vectors.lanes  # some GHz, up to two units


def test_passes_are_listed_in_order_with_a_line_each(run: Run) -> None:
    outcome = run("passes")
    rows = [line.split(maxsplit=2) for line in outcome.out.splitlines()]
    passes = [*core_passes(), *planning_passes(make_options("m33"))]
    assert [row[:2] for row in rows] == [[f"{i:02}", step.name] for i, step in enumerate(passes, 1)]
    assert all(len(row[2]) > 20 for row in rows)


def test_targets(run: Run) -> None:
    outcome = run("targets")
    rows = [line.split() for line in outcome.out.splitlines()]
    assert [row[0] for row in rows[1 : 1 + len(TARGET_NAMES)]] == list(TARGET_NAMES)
    assert outcome.out.splitlines()[-1].startswith("host   ")


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_a_target_with_every_fact_and_source(run: Run, name: str) -> None:
    outcome = run("targets", name)
    target = load_target(name)
    assert outcome.out.startswith(f"{name}: {target.full_name}\n")
    rows = re.sub(r"\n {12,}(?=\S)", " ", outcome.out).splitlines()  # sources go on in the next line
    for key, fact in target.facts.items():
        (line,) = [line for line in rows if line.split()[:1] == [key]]
        assert float(line.split()[1]) == fact.value
        assert line.endswith(fact.source)
    for kind, timing in (target.pipeline.kinds if target.pipeline else {}).items():
        (line,) = [line for line in rows if line.split()[:1] == [kind] and line.endswith(timing.source)]
        assert [float(word) for word in line.split()[1:4]] == [timing.issue, timing.latency, timing.blocks]


def test_version_and_help(run: Run) -> None:
    assert run("--version").out == f"schedc {schedc.__version__}\n"
    bare = run()
    assert bare.code == 2
    assert bare.out == run("--help").out
    for command in ("compile", "run", "verify", "explain", "bench", "passes", "targets"):
        outcome = run(command, "--help")
        assert outcome.code == 0
        assert outcome.out.startswith(f"Usage: schedc {command} ")


def program(*arguments: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schedc", *arguments]
    return subprocess.run(command, text=True, timeout=600, **keywords)  # type: ignore[call-overload, no-any-return]


def test_the_program_as_a_process() -> None:
    done = program("--version", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"schedc {schedc.__version__}\n", "")
    done = program("targets", "m34", capture_output=True)
    assert done.returncode == 2
    assert done.stderr.startswith("schedc: --target: there is no target 'm34'; did you mean m33?")


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = program("targets", "m33", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_not_a_bug() -> None:
    with Path("/dev/full").open("w") as full:
        done = program("passes", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "schedc: standard output: No space left on device\n")
