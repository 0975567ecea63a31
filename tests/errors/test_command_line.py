"""The exact words of every refusal on the command line: one line, exit code 2, nothing left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Run

import schedc.commands.run as run_module
import schedc.options
from schedc.errors import InternalError
from schedc.targets.names import TARGET_NAMES

Wav = Callable[..., Path]

TARGETS = f"known: {', '.join(TARGET_NAMES)}, host"


def refused(run: Run, *arguments: object) -> str:
    """The line that was printed, without its ``schedc: ``."""
    outcome = run(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("schedc: ") and outcome.err.endswith("\n") and outcome.err.count("\n") == 1
    return outcome.err[len("schedc: ") : -1]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cores", 0], "--cores: 0 cores; give 1 to 8"),
        (["--cores", 9], "--cores: 9 cores; give 1 to 8"),
        (["--block", -1], "--block: -1 frames; give 1 to 8192"),
        (["--block", 0], "--block: 0 frames; give 1 to 8192"),
        (["--block", 8193], "--block: 8193 frames; give 1 to 8192"),
        (["--split", "a,b"], "--split: 'a,b' is not a list of kernel numbers; write it like 14 or 6,12"),
        (["--split", ""], "--split: '' is not a list of kernel numbers; write it like 14 or 6,12"),
        (["--split", "1", "--cores", 3], "--split: 1 cut(s) make 2 stages, not 3"),
        (["--mac", "half"], "--mac: 'half' is not a kind of multiply-accumulate; use fused or unfused"),
        (["--slim", "nan"], "--slim: nan is no size; give a size from 0 (smallest) to 1 (full)"),
    ],
)
@pytest.mark.parametrize("command", ["compile", "explain", "verify"])
def test_options(run: Run, wavenet: Path, command: str, arguments: list[object], message: str) -> None:
    before = files(wavenet.parent)
    output = ["-o", wavenet.parent / "new"] if command == "compile" else []
    assert refused(run, command, wavenet, "-t", "m33", *arguments, *output) == message
    assert files(wavenet.parent) == before


@pytest.mark.parametrize("command", ["compile", "explain", "verify"])
def test_targets(run: Run, wavenet: Path, command: str) -> None:
    hint = f"--target: there is no target 'm34'; did you mean m33? {TARGETS}"
    assert refused(run, command, wavenet, "--target", "m34") == hint
    unfused = "--mac: a8 cannot do fused multiply-accumulates; use unfused"
    assert refused(run, command, wavenet, "--target", "a8", "--mac", "fused") == unfused


def test_target_list(run: Run) -> None:
    assert refused(run, "targets", "zzz") == f"--target: there is no target 'zzz'; {TARGETS}"


def test_names_and_models(run: Run, wavenet: Path, tmp_path: Path) -> None:
    assert refused(run, "compile", wavenet, "-t", "m33", "--name", "9x").startswith(
        "--name: '9x' is not a C identifier; "
    )
    missing = tmp_path / "none.nam"
    no_file = f"{missing}: no such file; give the path of a .nam capture"
    for arguments in (["compile", missing, "-t", "m33"], ["verify", missing], ["bench", missing]):
        assert refused(run, *arguments) == no_file
    one_size = f"--slim: {wavenet} has only one size; leave the size out"
    assert refused(run, "bench", wavenet, "--slim", "0.5") == one_size
    assert refused(run, "verify", wavenet, "--samples", 0) == "--samples: 0 samples; give 1 to 10000000"
    assert refused(run, "bench", wavenet, "--block", 0) == "--block: 0 frames; give 1 to 8192"


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--blok"], "no such option: --blok"),
        (["frob"], "no such command 'frob'"),
        (["compile"], "missing argument 'MODEL...'"),
        (["compile", "a.nam"], "missing option '--target' / '-t'"),
        (["compile", "a.nam", "-t", "m33", "--cores", "x"], "invalid value for '--cores': "),
        (["run", "in.wav", "out.wav"], "missing argument 'MODEL...'"),
        (["run", "a.nam", "in.wav"], "missing argument 'OUT.wav'"),
        (["run", "a.nam", "b.NAMB", "in.wav", "--float"], "missing argument 'OUT.wav'"),
        (["run", "a.nam"], "missing argument 'IN.wav'"),
        (["passes", "a"], "got unexpected extra argument"),
    ],
)
def test_usage(run: Run, arguments: list[object], start: str) -> None:
    line = refused(run, *arguments)
    assert line.startswith(start)
    assert line.endswith(" --help")


def test_output_folders(run: Run, wavenet: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    under = wavenet / "x"
    for option, rest in (("-o", []), ("--dump-passes", ["-o", tmp_path / "new"])):
        line = refused(run, "compile", wavenet, "-t", "m33", option, under, *rest)
        assert line == f"{under}: cannot be written: {wavenet} is not a folder; choose another {option}"
    assert files(tmp_path) == before


def test_read_only_folder(run: Run, wavenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _, mode: not mode & os.W_OK)  # chmod would not stop root
    line = refused(run, "compile", wavenet, "-t", "m33", "-o", tmp_path / "new")
    assert line == f"{tmp_path / 'new'}: cannot be written: no permission for {tmp_path}; choose another -o"


def test_failed_write_takes_the_dumps_back(
    run: Run, wavenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def fail_at_the_header(source: Path, target: Path) -> None:
        if str(target).endswith(".h"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_at_the_header)
    before = files(tmp_path) | {"dumps", "new"}
    line = refused(run, "compile", wavenet, "-t", "m33", "-o", tmp_path / "new", "--dump-passes", tmp_path / "dumps")
    assert line.startswith(f"{tmp_path / 'new'}: cannot be written: ")
    assert {name for name in files(tmp_path) if not name.startswith("new/small_amp")} == {
        name for name in before if not name.startswith("new/small_amp")
    }


GIVE = "give a WAV, FLAC, AIFF or other sound file with a header"


def test_inputs_of_run(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    missing, text, folder = tmp_path / "none.wav", tmp_path / "text.wav", tmp_path / "folder"
    text.write_text("hello")
    folder.mkdir()
    raw = tmp_path / "in.raw"  # nothing tells its rate or its samples
    raw.write_bytes(np.zeros(1000, np.int16).tobytes())
    cases = {
        missing: f"{missing}: no such file; {GIVE}",
        text: f"{text}: is no sound file that can be read; {GIVE}",
        folder: f"{folder}: is a folder; {GIVE}",
        raw: f"{raw}: is no sound file that can be read; {GIVE}",
    }
    empty = wav([], name="empty.wav")
    cases[empty] = f"{empty}: holds no samples"
    other = wav(np.zeros(9), rate=44100, name="other.wav")
    cases[other] = f"{other}: is at 44100 Hz, the model runs at 48000 Hz; convert the file, or add --resample"
    broken = wav([0.0, 0.5, np.nan], subtype="FLOAT", name="nan.wav")
    before = files(tmp_path)
    for source, message in cases.items():
        assert refused(run, "run", linear, source, out) == message
    message = f"{broken}: sample 2 is not a finite number; mend the file, or take such samples as 0: --nonfinite zero"
    assert refused(run, "run", linear, broken, out, "--nonfinite", "keep") == message
    assert files(tmp_path) == before


def test_channels_of_run(run: Run, stereo_linear: Path, wav: Wav, tmp_path: Path) -> None:
    source = wav(np.zeros(9))
    message = f"{source}: has 1 channel, the model takes 2; give a file with as many channels"
    assert refused(run, "run", stereo_linear, source, tmp_path / "out.wav") == message


def test_outputs_of_run(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    source = wav(np.zeros(9))
    (tmp_path / "f.wav").mkdir()
    (tmp_path / "null.wav").symlink_to("/dev/null")
    before = files(tmp_path)
    cases = {
        tmp_path / "f.wav": f"{tmp_path / 'f.wav'}: is a folder; give the name of a file",
        tmp_path / "null.wav": f"{tmp_path / 'null.wav'}: is not a regular file; choose another place",
        tmp_path / "no" / "x.wav": (
            f"{tmp_path / 'no' / 'x.wav'}: cannot be written: there is no folder {tmp_path / 'no'}; make it first"
        ),
    }
    for output, message in cases.items():
        assert refused(run, "run", linear, source, output) == message
    assert files(tmp_path) == before


def test_resample_without_the_package(
    run: Run, linear: Path, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soxr", None)
    source = wav(np.zeros(9), rate=44100)
    message = "--resample: needs the package soxr; install it with: pip install soxr"
    assert refused(run, "run", linear, source, tmp_path / "out.wav", "--resample") == message


def test_dask_that_is_not_there(run: Run, linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    message = "--scheduler: needs the package distributed, which is Dask's; install it with: pip install distributed"
    arguments = ("batch", linear.parent, "-t", "m33", "-o", tmp_path / "out", "--scheduler", "tcp://nowhere:1")
    assert refused(run, *arguments) == message


def test_a_bug_is_one_line_and_a_traceback_on_request(run: Run, linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InternalError("the verifier\nfound %x broken")

    monkeypatch.setattr(schedc.options, "choose", fail)
    outcome = run("verify", linear)
    line = "schedc: internal error (please report this as a bug of schedc): the verifier\\nfound %x broken\n"
    assert (outcome.code, outcome.out, outcome.err) == (70, "", line)
    monkeypatch.setenv("SCHEDC_DEBUG", "1")
    outcome = run("verify", linear)
    assert outcome.code == 70
    assert outcome.err.startswith("Traceback") and outcome.err.endswith(line)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.EIO, "Input/output error", "a\nb"), "a\\nb: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_laid_to_standard_output_only_if_it_was_that(
    run: Run, linear: Path, fault: OSError, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(schedc.options, "choose", fail)
    outcome = run("verify", linear)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"schedc: {line}\n")


def test_any_other_exception_is_a_bug_too(
    run: Run, linear: Path, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("layer3")

    source = wav(np.zeros(9))
    before = files(tmp_path)
    monkeypatch.setattr(run_module, "played_through", fail)
    outcome = run("run", linear, source, tmp_path / "out.wav")
    line = "schedc: internal error (please report this as a bug of schedc): KeyError: 'layer3'\n"
    assert (outcome.code, outcome.err) == (70, line)
    assert files(tmp_path) == before
