"""``schedc compile`` and ``schedc explain``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Run
from schedc.commands.console import clock_text, percent
from schedc.commands.explain import verdict
from schedc.reports.explain import Fit, memory_by_stage, other_contracts, total_cycles
from schedc.reports.report import kernel_facts

LITE = Path(__file__).parents[2] / "examples" / "captures" / "a2_lite.nam"


def test_compile_writes_what_it_lists(run: Run, wavenet: Path, tmp_path: Path) -> None:
    outcome = run("compile", wavenet, "-t", "m33", "--cores", 2, "-o", tmp_path / "b", "--emit-texts")
    assert (outcome.code, outcome.err) == (0, "")
    names = {path.name for path in (tmp_path / "b").iterdir()}
    endings = (".o", "_weights.bin", ".h", ".json", "_weights.c", "_weights.S", ".ll", ".s")
    assert names == {"schedc_rings.h", "small_amp_pipeline.h", *(f"small_amp{ending}" for ending in endings)}
    lines = outcome.out.splitlines()
    assert lines[0] == "small_amp: WaveNet for m33, 2 cores, blocks of up to 48 samples"
    for path in (tmp_path / "b").iterdir():
        (line,) = [line for line in lines if line.split()[:1] and line.startswith(f"{path} ")]
        assert line.endswith(f" {path.stat().st_size:,}")
    assert "latency    0 samples; 48 with the stages running at the same time" in lines
    assert "contract   mac=fused subnormals=keep math=exact nonfinite=keep" in lines
    assert outcome.lines[-1].startswith("predicted  ") and "(not measured)" in outcome.lines[-1]
    assert outcome.out.isascii()


@pytest.mark.parametrize(
    ("target", "fp_mode", "said"),
    [
        ("m33", "own", "whatever the caller has set in FPSCR; afterwards that is as before"),
        ("m33", "caller", "The caller promises that FPSCR says to nearest, subnormals kept"),
        ("avx2", "caller", "no exception trapped (0x1f80 but for flags)"),
        ("aarch64", "own", "whatever the caller has set in FPCR; afterwards that is as before"),
        ("a8", "own", "NEON has none: whatever FPSCR holds, it rounds to nearest"),
        ("a8", "caller", "NEON has none: whatever FPSCR holds, it rounds to nearest"),
    ],
)
def test_header_and_report_say_who_sets_the_floating_point_mode(
    run: Run, linear: Path, tmp_path: Path, target: str, fp_mode: str, said: str
) -> None:
    options = ("--fp-mode", fp_mode, "--visibility", "default")
    outcome = run("compile", linear, "-t", target, *options, "--name", "amp", "-o", tmp_path / "b")
    assert (outcome.code, outcome.err) == (0, "")
    comment = " ".join((tmp_path / "b" / "amp.h").read_text().partition("*/")[0].replace(" * ", " ").split())
    assert said in comment
    report = json.loads((tmp_path / "b" / "amp.json").read_text())
    assert (report["fp_mode"], report["visibility"]) == (fp_mode, "default")
    assert ".hidden" not in (tmp_path / "b" / "amp_weights.S").read_text()


@pytest.mark.parametrize(
    ("option", "word", "message"),
    [
        ("--fp-mode", "mine", "'mine' is not a way to set the floating-point mode; use own or caller"),
        ("--visibility", "protected", "'protected' is not a visibility of symbols; use hidden or default"),
    ],
)
def test_words_that_are_none(run: Run, linear: Path, tmp_path: Path, option: str, word: str, message: str) -> None:
    outcome = run("compile", linear, "-t", "m33", option, word, "-o", tmp_path / "b")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"schedc: {option}: {message}\n")
    assert not (tmp_path / "b").exists()


def test_dumps_appear_whole(run: Run, linear: Path, tmp_path: Path) -> None:
    assert run("compile", linear, "-t", "a8", "-o", tmp_path / "b", "--dump-passes", tmp_path / "d").code == 0
    names = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert names[:2] == ["00-input.dot", "00-input.txt"]
    assert names[-2:] == ["07-plan-arena.txt", "kernel-fir.dot"]
    assert len(names) == 17


def test_split_implies_the_number_of_cores(run: Run, wavenet: Path, tmp_path: Path) -> None:
    outcome = run("compile", wavenet, "-t", "m33", "--split", "1,2", "-o", tmp_path / "b")
    assert outcome.code == 0
    assert outcome.err == "schedc: warning: --cores: 3 stages, but m33 states 2 cores\n"
    assert json.loads((tmp_path / "b" / "small_amp.json").read_text())["cores"] == 3


def test_warnings_of_the_reader(run: Run, linear: Path, tmp_path: Path) -> None:
    linear.write_text(linear.read_text() + " x")
    outcome = run("compile", linear, "-t", "host", "-o", tmp_path / "b")
    assert outcome.code == 0
    assert outcome.err == f"schedc: warning: {linear}: 1 characters after the document are ignored\n"


def test_explain_says_first_what_comes_of_it_and_its_sums_are_right(run: Run) -> None:
    outcome = run("explain", LITE, "-t", "m33", "--cores", 2)
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in outcome.out and outcome.out.isascii()
    assert outcome.out.splitlines()[1] == "Too slow by 12.8 %; all of it fits (predicted, not measured)."
    assert any(line.endswith(" of 532,480 bytes RAM") for line in outcome.lines)
    assert "--mac unfused is predicted to take" in outcome.out
    rows = [line.split() for line in outcome.out.splitlines() if line.startswith("array0.")]
    (total,) = [line.split() for line in outcome.out.splitlines() if line.startswith("total")]
    for column in (1, 2, 3):
        assert sum(number(row[column]) for row in rows) == number(total[column])
    assert sum(number(row[7]) for row in rows) == pytest.approx(number(total[4]), abs=0.1)


def test_explain_tells_of_every_kernel_on_request(run: Run) -> None:
    outcome = run("explain", LITE, "-t", "m33", "--cores", 2, "--details")
    report = json.loads(run("explain", LITE, "-t", "m33", "--cores", 2, "--json").out)
    lines = outcome.out.splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("kernel ")))
    rows = [line.split() for line in lines[begin + 1 : begin + 25]]
    assert [row[0] for row in rows] == [kernel["name"] for kernel in report["kernels"]]
    assert [number(row[3]) for row in rows] == [kernel["macs_per_sample"] for kernel in report["kernels"]]
    assert any(line.startswith("runner-up  the next best tile") for line in lines)
    assert any(line.split()[:2] == ["stage", "kernels"] for line in lines)
    assert "--details" not in outcome.out


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize(
    ("options", "verdict", "first"),
    [
        ((), "Too slow, 2.2 times over; all of it fits (predicted, not measured).", "--cores 2 --mac unfused"),
        (("--mac", "unfused"), "Too slow by 64.8 %; all of it fits", "--cores 2"),
        (("--cores", "2", "--mac", "unfused"), "In real time, 1.17 times over; all of it fits", None),
    ],
)
def test_explain_says_what_would_help_and_that_holds(
    run: Run, options: tuple[str, ...], verdict: str, first: str | None
) -> None:
    """The best change first; asked for, it takes what was promised."""
    lines = run("explain", LITE, "-t", "m33", *options).out.splitlines()
    assert lines[1].startswith(verdict)
    heads = [place for place, line in enumerate(lines) if line.startswith("change ")]
    assert bool(heads) == bool(first)
    if first:
        row = lines[heads[0] + 1]
        assert row.startswith(f"{first} ")
        promised = number(row.removeprefix(first).split()[0])
        report = json.loads(run("explain", LITE, "-t", "m33", *options, *first.split(), "--json").out)
        assert max(report["estimate"]["cycles_per_sample_of_stages"]) <= promised * 1.001


def test_nothing_is_offered_that_does_not_help(run: Run, linear: Path) -> None:
    outcome = run("explain", linear, "-t", "a8")
    assert "In real time, " in outcome.out.splitlines()[1]
    assert "change " not in outcome.out


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (0.0, "In real time"),
        (0.5, "In real time, 2 times over"),
        (1.128, "Too slow by 12.8 %"),
        (2.5, "Too slow, 2.5 times over"),
    ],
)
def test_verdicts(load: float, text: str) -> None:
    assert verdict(load, None) == f"{text} (predicted, not measured)."
    assert verdict(load, Fit(100, 101, 5)) == f"{text}; it does not fit (predicted, not measured)."


def test_explain_json_is_the_report(run: Run, wavenet: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "blocks.svg", tmp_path / "schedule.yaml"]
    options = ["--json", "--gantt", outputs[0], "--write-schedule", outputs[1]]
    printed = json.loads(run("explain", wavenet, "-t", "aarch64", *options).out)
    assert all(path.stat().st_size for path in outputs)
    run("compile", wavenet, "-t", "aarch64", "-o", tmp_path / "b")
    assert printed == json.loads((tmp_path / "b" / "small_amp.json").read_text())


@pytest.mark.parametrize(
    ("name", "block", "axes"),
    [("a2_lite", "64", {"frames"}), ("a2_lite", "1", {"channels"}), ("lstm_1x16", "64", {"units", "frames"})],
)
def test_the_report_says_what_is_across_the_lanes(run: Run, name: str, block: str, axes: set[str]) -> None:
    report = json.loads(run("explain", LITE.with_stem(name), "-t", "avx2", "--block", block, "--json").out)
    assert {kernel["axis"] for kernel in report["kernels"]} == axes
    assert all(re.fullmatch(r"\d+x\d+", kernel["tile"]) for kernel in report["kernels"])


def test_memory_and_other_contracts() -> None:
    from schedc.compiler import compile_graph
    from schedc.frontend.capture import read_capture
    from schedc.options import make_options

    compilation = compile_graph(read_capture(LITE).graph, make_options("m33", 2))
    stages = memory_by_stage(compilation)
    assert [stage.rings + stage.scratch + stage.other for stage in stages] == [stage.state for stage in stages]
    assert all(stage.rings > 0 and stage.scratch >= 0 and stage.other >= 0 for stage in stages)
    assert stages[0].handoff > 0 == stages[1].handoff
    (other,) = other_contracts(compilation)
    assert other.option == "--mac unfused"
    assert other.cycles_per_sample < total_cycles(kernel_facts(compilation))


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.5504, "155 %"), (0.9999, "100 %"), (0.32, "32.0 %"), (0.01, "1.0 %"), (0.00023, "0.023 %")]
)
def test_percent(ratio: float, text: str) -> None:
    assert percent(ratio) == text


def test_clocks() -> None:
    assert (clock_text(150e6), clock_text(2.4e9)) == ("150 MHz", "2.4 GHz")
