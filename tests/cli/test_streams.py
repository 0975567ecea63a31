"""Standard output as programs meet it: real terminals, pipes, readers that leave, streams that are closed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from cli.conftest import Run
from schedc.cli.main import main

CAPTURES = Path(__file__).parents[2] / "examples" / "captures"
COMMAND = [sys.executable, "-m", "schedc"]


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
@pytest.mark.parametrize(("width", "variable"), [(80, "NO_COLOR"), (120, None)])
def test_a_terminal_is_filled_but_not_overrun(width: int, variable: str | None) -> None:
    """Bold only where it is wanted; the same words as elsewhere."""
    chosen = {variable: "1"} if variable else {}
    lines = on_terminal(["explain", str(CAPTURES / "lstm_1x16.nam"), "-t", "m33", "--cores", "2"], width, chosen)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(cell_len, plain)) <= width
    assert any("\x1b[1m" in line for line in lines) == (variable is None)
    assert not any("\x1b" in line for line in plain)
    piped = subprocess.run(
        [*COMMAND, "explain", CAPTURES / "lstm_1x16.nam", "-t", "m33", "--cores", "2"],
        capture_output=True, text=True, check=True, env=without_width(),
    )  # fmt: skip
    if width == 80:
        assert [line.rstrip() for line in plain] == piped.stdout.splitlines()
    assert "\x1b" not in piped.stdout and max(map(cell_len, piped.stdout.splitlines())) <= 80


def without_width() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}


def on_terminal(arguments: Sequence[str], width: int, chosen: dict[str, str]) -> list[str]:
    """What a command shows on a terminal of its own."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {**without_width(), "TERM": "xterm", **chosen}
    with subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["targets"], 0),
        (["targets", "m33"], 0),
        (["--help"], 0),
        (["targets", "m34"], 2),
    ],
)
def test_a_reader_that_leaves_changes_nothing(arguments: list[str], code: int) -> None:
    """``| head``: the exit code says how the work went, whether or not somebody reads of it."""
    for stream in ("stdout", "stderr"):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([*COMMAND, *arguments], check=False, capture_output=False, **{  # type: ignore[call-overload]
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer
        })  # fmt: skip
        os.close(writer)
        assert done.returncode == code
        said = done.stderr if stream == "stdout" else done.stdout
        assert b"Broken" not in said and b"Traceback" not in said and b"Exception" not in said


def test_work_goes_on_when_its_reader_has_left(run: Run, wavenet: Path, tmp_path: Path) -> None:
    """The first line is written, the reader leaves, and all files are there."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        shown = sys.stdout
        sys.stdout = gone
        try:
            code = main(["compile", str(wavenet), "-t", "m33", "-o", str(tmp_path / "b")])
        finally:
            sys.stdout = shown
    assert code == 0
    assert (tmp_path / "b" / "small_amp.o").exists()


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
@pytest.mark.parametrize(
    ("line", "code"), [("targets >&-", 0), ("targets m34 2>&-", 2), ("--help >&-", 0), ("targets >&- 2>&-", 0)]
)
def test_closed_streams(line: str, code: int) -> None:
    done = subprocess.run(f"{sys.executable} -m schedc {line}", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_what_an_encoding_lacks_is_escaped(linear: Path, tmp_path: Path) -> None:
    model = linear.rename(tmp_path / "日本.nam")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*COMMAND, "compile", str(model), "-t", "m33", "-o", str(tmp_path / "語")]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == 0
    assert rb"\u8a9e" in done.stdout
