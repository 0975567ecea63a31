"""The README is run: its Python, its schedc commands, its C."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def checkout(folder: Path) -> Path:
    """What the README's commands need, in a folder of their own."""
    shutil.copytree(ROOT / "examples" / "captures", folder / "examples" / "captures")
    shutil.copy(ROOT / "examples" / "captures" / "a2_lite.nam", folder / "amp.nam")
    shutil.copy(ROOT / "examples" / "captures" / "a1_nano.nam", folder / "capture.nam")
    shutil.copy(ROOT / "examples" / "captures" / "di.wav", folder / "in.wav")
    return folder


def schedc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schedc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def commands() -> list[list[str]]:
    """Every ``schedc ...`` line of the shell blocks, comments cut off."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.split("#")[0].split()[1:] for line in lines if line.startswith("schedc ")]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_the_commands_of_the_readme_work(arguments: list[str], tmp_path: Path) -> None:
    outcome = schedc(checkout(tmp_path), *arguments)
    assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stderr


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.splitlines()[0])
def test_the_python_of_the_readme_works(source: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=checkout(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
@pytest.mark.parametrize("source", blocks("c"), ids=["program"])
def test_the_c_of_the_readme_compiles(source: str, tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    made = schedc(folder, "compile", "examples/captures/a2_lite.nam", "--target", "avx2", "-o", "build")
    assert made.returncode == 0, made.stderr
    (folder / "build" / "program.c").write_text(source, encoding="utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c", "program.c", "-o", "program.o"]
    subprocess.run(["gcc", *flags], cwd=folder / "build", check=True)


def test_the_readme_names_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / target).exists(), target
