"""However a command ends, workers end with it and no unfinished file stays, at the latest after the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.linear_capture import linear_text

from schedc.cli.main import main
from schedc.fleet.workers import LocalWorkers
from schedc.termination import Terminated, terminable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
TESTS = Path(__file__).parents[1]
PATIENCE = 600  # seconds; nothing here waits for a clock but what hangs
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
# Put before a command: its first file is whole and about to take its place when it says so and stops.
STOP_BEFORE_MOVING = "import os, helpers.work; os.replace = helpers.work.hold; "
# Likewise for what a fleet's workers do.
STOP_AT_WORK = "import helpers.work, schedc.fleet.library as library; library.treat = helpers.work.hold; "


def begin(stop: str, arguments: Sequence[object]) -> subprocess.Popen[bytes]:
    """The command line in a process of its own, which says ``at work`` where ``stop`` makes it stop."""
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); {stop}from schedc.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = {**os.environ, "SCHEDC_CACHE": "off"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def end(process: subprocess.Popen[bytes], number: int, at_work: int = 1) -> tuple[int, bytes]:
    """Send a signal when so many are at work; (exit code, what was complained of) when the last of them is gone.

    Workers have the same standard output, so that it ends with the last process that holds it.
    """
    assert process.stdout
    while at_work:
        line = process.stdout.readline()
        assert line, process.communicate()
        at_work -= line == b"at work\n"
    process.send_signal(number)
    _, complaints = process.communicate(timeout=PATIENCE)
    return process.returncode, complaints


def left_in(folder: Path) -> list[str]:
    """Everything but what was there before, the inputs."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two captures and something to play."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("one.nam", "two.nam"):
        (folder / name).write_text(linear_text(3), encoding="utf-8")
    soundfile.write(folder / "di.wav", np.zeros(1000, np.float32), 48000, "FLOAT")
    return folder


def commands(inputs: Path, out: Path) -> dict[str, list[object]]:
    one = inputs / "one.nam"
    return {
        "compile": ["compile", one, "-t", "m33", "-o", out, "--dump-passes", out],
        "run": ["run", one, inputs / "di.wav", out / "out.wav"],
        "explain": ["explain", one, "-t", "m33", "--gantt", out / "gantt.svg"],
        "batch": ["batch", inputs, "-t", "m33", "-o", out, "-j", "0", "--render", inputs / "di.wav"],
    }


@pytest.mark.parametrize("command", ["compile", "run", "explain", "batch"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_command_leaves_unfinished_files(inputs: Path, tmp_path: Path, command: str, number: signal.Signals) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments = commands(inputs, out)[command]
    code, complaints = end(begin(STOP_BEFORE_MOVING, arguments), number)
    assert (code, complaints) == (CODES[number], b"")
    left = [path for path in left_in(out) if path != "batch.jsonl"]
    assert bool(left) == (number == signal.SIGKILL)
    assert all(path.rpartition("/")[2].startswith(".schedc-") or "/.schedc-" in f"/{path}" for path in left)
    assert main([str(argument) for argument in arguments]) == 0
    assert left_in(out) and not any(".schedc-" in path for path in left_in(out))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_one_who_gave_the_work(inputs: Path, tmp_path: Path, number: signal.Signals) -> None:
    """In the midst of it: nobody waits for the end of the work."""
    arguments = ["batch", inputs, "-t", "m33", "-o", tmp_path / "out", "-j", "2"]
    code, complaints = end(begin(STOP_AT_WORK, arguments), number, at_work=2)
    assert code == CODES[number]
    if number != signal.SIGKILL:  # then Python's helper process mentions what it tidies up
        assert complaints == b""
    assert not [path for path in left_in(tmp_path / "out") if ".schedc-" in path]


def test_closing_does_not_wait_for_what_is_at_work() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); import helpers.work; "
        "from schedc.fleet.workers import LocalWorkers; workers = LocalWorkers(2); "
        "work = workers.run(helpers.work.hold_but_the_first, [(n,) for n in range(3)]); "
        "print(next(work)); workers.close(); print('closed')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout.replace("at work\n", ""), done.stderr) == ("(0, 'done')\nclosed\n", "")


def test_workers_can_be_used_again_after_closing() -> None:
    workers = LocalWorkers(1)
    for _ in range(2):
        assert dict(workers.run(abs, [(-1,), (-2,)])) == {0: 1, 1: 2}
        workers.close()


def test_a_signal_is_an_exit_code_and_the_first_one_counts() -> None:
    with pytest.raises(Terminated) as ended, terminable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # cleaning up goes on
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_is_ignored_stays_so() -> None:
    """As nohup wants it, and handlers of a program that calls the command line."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
