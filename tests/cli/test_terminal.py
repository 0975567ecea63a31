"""What a terminal shows: nothing is wider than it, numbers are never cut; a pipe gets plain text and may be left."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Sequence
from itertools import cycle, product
from pathlib import Path

import pytest
from helpers.effort import LONG
from rich.cells import cell_len

import schedc.commands.progress as progress
import schedc.commands.tune as tune_module
import schedc.measure.bench as bench_module
import schedc.measure.cores as cores_module
import schedc.measure.schedules as schedules_module
from cli.conftest import Outcome, Run
from schedc.backends.llvm.peak import NativeLoops
from schedc.commands.console import count, cut, known_columns, micro_text, tell
from schedc.commands.tables import print_table
from schedc.targets.names import TARGET_NAMES

CAPTURES = Path(__file__).parents[2] / "examples" / "captures"
NAMES = ("a2_lite", "a2", "a1_nano", "convnet", "lstm_1x16")
# Every target with some capture, the quickly planned; all of them together in the long run.
SOME = ("a2_lite", "a1_nano", "lstm_1x16", "lstm_1x16", "lstm_1x16", "a2", "lstm_1x16", "convnet")
PAIRS = list(product(TARGET_NAMES, NAMES)) if LONG else list(zip(TARGET_NAMES, cycle(SOME)))
WIDTHS = (80, 120)


@pytest.fixture(autouse=True)
def nobody_says_how_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks that measure little."""
    for name, value in {"WARM_UP_NS": 100_000, "PASSES": 5, "PASS_NS": 10_000, "TIMED_NS": 100_000}.items():
        monkeypatch.setattr(bench_module, name, value)
    for name in ("ROUNDS", "PASSES"):
        monkeypatch.setattr(schedules_module, name, 1)
    monkeypatch.setattr(tune_module, "MOST_SCHEDULES", 3)
    monkeypatch.setattr(cores_module, "ROUNDS", 1)
    monkeypatch.setattr(NativeLoops, "peak_macs_per_ns", lambda self: 12.3)


def widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def assert_fits(outcome: Outcome, width: int) -> None:
    assert outcome.code == 0, outcome.err
    too_wide = [line for line in outcome.out.splitlines() if cell_len(line) > width]
    assert too_wide == []
    assert all(line == line.rstrip() for line in outcome.out.splitlines())


# -- every command ---------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "name"), PAIRS)
def test_explain_fits(run: Run, target: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("explain", CAPTURES / f"{name}.nam", "-t", target, "--details", "--cores", 1 + (target != "a8"))
    assert_fits(run(*arguments), 80)
    monkeypatch.setenv("COLUMNS", "120")
    assert_fits(run(*arguments), 120)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("width", "name"), [(80, "a" * 150), (80, "日本語のとても長い名前" * 6), (120, "a" * 150)])
def test_names_of_files_are_cut_and_numbers_are_not(
    run: Run, linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, name: str
) -> None:
    model = linear.rename(tmp_path / f"{name}.nam")
    folder = tmp_path / ("b" * 100)
    monkeypatch.setenv("COLUMNS", str(width))
    compiled = run("compile", model, "-t", "m33", "--cores", 1, "-o", folder, "--dump-passes", tmp_path / ("d" * 99))
    assert_fits(compiled, width)
    for path in folder.iterdir():
        assert any(line.endswith(f"  {path.stat().st_size:,}") for line in compiled.out.splitlines())
    assert "…" in compiled.out
    for arguments in (
        ("verify", model, "--samples", 50),
        ("explain", model, "-t", "a8"),
        ("bench", model, "--block", 16),
    ):
        assert_fits(run(*arguments), width)
    (report,) = folder.glob("*.json")
    assert_fits(run("pack", model, "--for", report, "-o", tmp_path / f"{'c' * 90}.bin"), width)
    gantt = run("explain", model, "-t", "a8", "--gantt", tmp_path / f"{'g' * 90}.svg")
    assert_fits(gantt, width)
    assert_fits(run("batch", tmp_path, "-t", "m33", "-o", tmp_path / ("o" * 90), "--jobs", 0), width)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("width", WIDTHS if LONG else WIDTHS[:1])
def test_measurements_fit(run: Run, wavenet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    assert_fits(run("bench", wavenet, "--cores", 2, "--block", 256), width)
    assert_fits(run("bench", wavenet, "--realtime", "--seconds", 0.05, "--block", 16), width)
    tuned = run("bench", wavenet, "--tune")
    assert_fits(tuned, width)
    assert_fits(run("cache", "info"), width)
    assert_fits(run("cache", "clear"), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_listed_fits(run: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in (("targets",), ("passes",), *(("targets", name) for name in TARGET_NAMES)):
        assert_fits(run(*arguments), width)
    commands = (
        "compile",
        "run",
        "verify",
        "explain",
        "bench",
        "analyze",
        "pack",
        "batch",
        "cache",
        "passes",
        "targets",
    )
    for command in commands:
        assert widest(run(command, "--help").out) <= width
    assert widest(run("--help").out) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("target", ["m33", "aarch64"])
def test_analyze_fits(
    run: Run, wavenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    folder = tmp_path / "b"
    assert run("compile", wavenet, "-t", target, "--block", 16, "-o", folder).code == 0
    buffers = ["buffer:400000", f"file:{folder / 'small_amp_weights.bin'}", "buffer:64", "buffer:64", "16"]
    arguments = ["--entry", "small_amp_process", "--samples", 16, "--init", "small_amp_init/2"]
    found = [word for buffer in buffers for word in ("--arg", buffer)]
    assert_fits(run("analyze", folder / "small_amp.o", "-t", target, *arguments, *found), width)


# -- tables and lines ------------------------------------------------------------------------


def table(capsys: pytest.CaptureFixture[str], titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    print_table(titles, rows)
    return capsys.readouterr().out.splitlines()


def test_a_wide_table_is_told_in_several(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[f"k{row}", *(str(10**place) for place in range(14))] for row in range(3)]
    lines = table(capsys, ["kernel", *(f">n{place}" for place in range(14))], rows)
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.startswith("kernel")]
    assert [head[0] for head in heads] == ["kernel"] * len(heads)
    assert [word for head in heads for word in head[1:]] == [f"n{place}" for place in range(14)]
    for row in rows:
        parts = [line.split()[1:] for line in lines if line.startswith(f"{row[0]} ")]
        assert [word for part in parts for word in part] == row[1:]


def test_what_cannot_be_shown_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert table(capsys, ["<name"], [["a\x1b[2Jb\nc"]])[1] == "a\\x1b[2Jb\\nc"
    tell("a\x1b[2Jb\u202ec", "label")
    assert capsys.readouterr().out == "label      a\\x1b[2Jb\\u202ec\n"


def test_text_wraps_in_its_column_and_names_are_whole_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ["/a/long/folder/" * 6 + "file.nam", "1,234", "words " * 30]
    whole = table(capsys, ["<file", ">bytes", "~what"], [row])
    assert any(line.startswith(f"{row[0]}  1,234  words") for line in whole)
    monkeypatch.setenv("COLUMNS", "80")
    fitted = table(capsys, ["<file", ">bytes", "~what"], [row])
    assert max(map(len, fitted)) <= 80
    assert sum(line.count("words") for line in fitted) == 30
    assert re.match(r"/a/long.*….*/file\.nam +1,234  words", fitted[1])


@pytest.mark.parametrize(
    ("text", "room", "found"),
    [
        ("short.nam", 9, "short.nam"),
        ("a_long_name.nam", 10, "a_l…me.nam"),
        ("日本語日本語.nam", 12, "日…本語.nam"),
        ("x" * 100, 1, "…"),
    ],
)
def test_cut(text: str, room: int, found: str) -> None:
    assert cut(text, room) == found
    assert cell_len(found) <= room


def test_where_the_dots_cannot_be_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        assert cut("a_long_name.nam", 10) == "a_...e.nam"


def test_lines_go_on_below_their_beginning(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tell("words " * 20, "label")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("label      words") and second.startswith(" " * 11 + "words")
    monkeypatch.setenv("COLUMNS", "40")
    tell("x" * 100, "label")
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) == 40 and "…" in line


@pytest.mark.parametrize(
    ("said", "known"), [("100", 100), ("3", 40), ("0", None), ("many", None), ("-5", None), ("", None)]
)
def test_who_says_how_wide(monkeypatch: pytest.MonkeyPatch, said: str, known: int | None) -> None:
    monkeypatch.setenv("COLUMNS", said)
    assert known_columns() == known


def test_microseconds() -> None:
    assert [micro_text(ns) for ns in (2450, 72_140, 3_189_900)] == ["2.45", "72.1", "3,190"]
    assert count(1, "sample") == "1 sample"


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("steps", [0, 3])
def test_progress_is_shown_on_terminals_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", shown := FakeTerminal())
    with progress.working("thinking", steps) as step:
        for _ in range(1000):  # until the clock of no patience has rung
            if "thinking" in shown.getvalue():
                break
            time.sleep(0.01)
        for _ in range(steps):
            step()
    assert "thinking" in shown.getvalue()
    assert ("3/3" in shown.getvalue()) == (steps == 3)
    assert shown.getvalue().endswith("\x1b[2K")  # its line is cleared


def test_no_progress_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    for stream, term in ((io.StringIO(), "xterm"), (FakeTerminal(), "dumb")):
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.working("thinking", 1) as step:
            step()
        assert stream.getvalue() == ""
