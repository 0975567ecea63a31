"""README and docs are run: their Python, their schedc commands, their C."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schedc.analyze import analyze_compilation
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.options import make_options

ROOT = Path(__file__).resolve().parent.parent


DOCUMENTS = ("README.md", "docs/captures.md", "docs/schedules.md")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language in the documents."""
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def checkout(folder: Path) -> Path:
    """What the README's commands need, in a folder of their own."""
    shutil.copytree(ROOT / "examples" / "captures", folder / "examples" / "captures")
    shutil.copytree(ROOT / "examples" / "captures", folder / "amps", ignore=shutil.ignore_patterns("*.wav", "*.md"))
    for name in ("amp", "a", "b", "other"):
        shutil.copy(ROOT / "examples" / "captures" / "a2_lite.nam", folder / f"{name}.nam")
    for name in ("capture", "pedal"):
        shutil.copy(ROOT / "examples" / "captures" / "a1_nano.nam", folder / f"{name}.nam")
    shutil.copy(ROOT / "examples" / "captures" / "di.wav", folder / "in.wav")
    return folder


def schedc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "schedc", *arguments)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """With a cache of its own: ``bench --tune`` keeps a schedule there, which other tests' compilations would use."""
    environment = {**os.environ, "SCHEDC_CACHE": str(folder / "cache")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def commands() -> list[list[list[str]]]:
    """The ``schedc ...`` lines of each shell block, comments cut off."""
    found = [
        [line.split("#")[0].split()[1:] for line in b.splitlines() if line.startswith("schedc ")] for b in blocks("sh")
    ]
    return [block for block in found if block]


@pytest.mark.parametrize("block", commands(), ids=lambda block: " ".join(block[0]))
def test_the_commands_work_one_after_the_other(block: list[list[str]], tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    for arguments in block:
        outcome = schedc(folder, *arguments)
        assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stderr


@pytest.mark.parametrize("source", blocks("yaml"))
def test_the_schedule_files_can_be_used(source: str, tmp_path: Path) -> None:
    (checkout(tmp_path) / "forced.yaml").write_text(source, encoding="utf-8")
    outcome = schedc(tmp_path, "compile", "amp.nam", "--target", "m33", "--schedule", "forced.yaml", "-o", "build")
    assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stderr


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.splitlines()[0])
def test_the_python_works(source: str, tmp_path: Path) -> None:
    run = python(checkout(tmp_path), "-W", "error", "-c", source)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
@pytest.mark.parametrize("source", blocks("c"), ids=["program"])
def test_the_c_compiles(source: str, tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    made = schedc(folder, "compile", "examples/captures/a2_lite.nam", "--target", "avx2", "-o", "build")
    assert made.returncode == 0, made.stderr
    (folder / "build" / "program.c").write_text(source, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c", "program.c", "-o", "program.o"]
    subprocess.run(["gcc", *flags], cwd=folder / "build", check=True)


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_documents_name_files_that_exist(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    ("row", "column", "name", "target", "mac"),
    [
        ("LSTM 1x16", 1, "lstm_1x16", "m33", "fused"),
        ("LSTM 1x16", 3, "lstm_1x16", "a8", "unfused"),
        ("LSTM 1x16", 4, "lstm_1x16", "aarch64", "fused"),
    ],
)
def test_predicted_figures_are_those_of_this_code(row: str, column: int, name: str, target: str, mac: str) -> None:
    """Some of the README's table, the quick ones; examples/predicted_cycles.py makes all of them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^\| {row} \| .*$", text, re.MULTILINE)
    graph = read_capture(ROOT / "examples" / "captures" / f"{name}.nam").graph
    report = analyze_compilation(compile_graph(graph, make_options(target, mac=mac)))
    found = [f"{report.mean:,.0f}", f"{report.worst:,.0f}"]
    stated = line.split(" | ")[column].removesuffix(" |").split(", ")
    assert stated == found[: len(stated)]
