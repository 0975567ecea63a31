"""No command writes over what it reads, by whatever name, nor two of its outputs into one file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.captures import EXAMPLES

import schedc
from schedc.artifact import file_names, write_files
from schedc.cli.main import main
from schedc.errors import UserError
from schedc.files.outputs import check_separate

NANO = {path.stem: path for path in EXAMPLES}["a1_nano"]
WAYS: dict[str, Callable[[Path, Path], Path]] = {}


def way(function: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    WAYS[function.__name__] = function
    return function


@way
def the_same_name(path: Path, folder: Path) -> Path:
    return path


@way
def a_roundabout_name(path: Path, folder: Path) -> Path:
    return path.parent / "sub" / ".." / path.name


@way
def a_symbolic_link(path: Path, folder: Path) -> Path:
    link = folder / f"link{path.suffix}"
    link.symlink_to(path)
    return link


@way
def a_link_to_a_link(path: Path, folder: Path) -> Path:
    (folder / "first").symlink_to(path)
    link = folder / f"second{path.suffix}"
    link.symlink_to(folder / "first")
    return link


@way
def a_hard_link(path: Path, folder: Path) -> Path:
    link = folder / f"hard{path.suffix}"
    os.link(path, link)
    return link


@way
def a_linked_folder(path: Path, folder: Path) -> Path:
    (folder / "there").symlink_to(path.parent)
    return folder / "there" / path.name


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    schedc.compile(NANO, target="m33", name="amp").write(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, compiled: Path) -> Path:
    """Everything that the commands read."""
    (tmp_path / "sub").mkdir()
    shutil.copy(NANO, tmp_path / "amp.nam")
    shutil.copy(NANO, tmp_path / "amp.wav")  # captures are told by their content
    shutil.copy(NANO, tmp_path / "amp.json")
    shutil.copy(compiled / "amp.json", tmp_path / "report.json")
    (tmp_path / "s.yaml").write_text("{}")
    (tmp_path / "t.yaml").write_text("based_on: m33\nfull_name: a board\n")
    soundfile.write(tmp_path / "in.wav", np.zeros(100), 48000)
    return tmp_path


# Arguments, with OUT for the output that is IN by another name.
COMMANDS = {
    "run, the capture": (["run", "amp.wav", "in.wav", "OUT"], "amp.wav"),
    "run, of a chain the second": (["run", "amp.nam", "amp.wav", "in.wav", "OUT"], "amp.wav"),
    "run, the sound": (["run", "amp.nam", "in.wav", "OUT"], "in.wav"),
    "run by force, the capture": (["run", "amp.wav", "in.wav", "OUT", "--force"], "amp.wav"),
    "pack, the capture": (["pack", "amp.nam", "--for", "report.json", "-o", "OUT"], "amp.nam"),
    "pack, the report": (["pack", "amp.nam", "--for", "report.json", "-o", "OUT"], "report.json"),
    "explain, a picture": (["explain", "amp.nam", "-t", "m33", "--cores", "2", "--gantt", "OUT"], "amp.nam"),
    "explain, a schedule": (["explain", "amp.nam", "-t", "m33", "--write-schedule", "OUT"], "amp.nam"),
    "explain, its schedule": (
        ["explain", "amp.nam", "-t", "m33", "--schedule", "s.yaml", "--write-schedule", "OUT"],
        "s.yaml",
    ),
    "explain, a picture for its target": (
        ["explain", "amp.nam", "-t", "t.yaml", "--cores", "2", "--gantt", "OUT"],
        "t.yaml",
    ),
    "explain, a schedule for its target": (["explain", "amp.nam", "-t", "t.yaml", "--write-schedule", "OUT"], "t.yaml"),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_is_an_input(
    command: str, way: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr("schedc.commands.explain.compile_cached", pytest.fail)  # it is said before work begins
    arguments, given = COMMANDS[command]
    output = WAYS[way](Path(given) if way == "the_same_name" else place / given, place)
    before = contents(place)
    assert main([str(output) if word == "OUT" else word for word in arguments]) == 2
    force = ", or add --force" if command == "run, the sound" else ""
    name = "" if str(output) == given else f", {given}"
    assert capsys.readouterr().err == f"schedc: {output}: would overwrite an input{name}; choose another place{force}\n"
    assert contents(place) == before


@pytest.mark.parametrize("by_link", [False, True])
def test_a_compilation_never_takes_its_captures_place(
    by_link: bool, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A capture that is called amp.json, in the folder where its report would go; or linked there."""
    folder, model = place, place / "amp.json"
    if by_link:
        folder = place / "sub"
        (folder / "amp.json").symlink_to(model)
    before = contents(place)
    name = f", {model}" if by_link else ""
    words = f"{folder / 'amp.json'}: would overwrite an input{name}; choose another place"
    with monkeypatch.context() as patch:
        patch.setattr("schedc.commands.compile.compile_chosen", pytest.fail)
        assert main(["compile", str(model), "-t", "m33", "-o", str(folder)]) == 2
    assert capsys.readouterr().err == f"schedc: {words}\n"
    with pytest.raises(UserError) as refusal:  # a report that is not schedc's own is not overwritten either
        schedc.compile(model, target="m33").write(folder)
    assert str(refusal.value).startswith(f"{folder / 'amp.json'}: is not schedc's, and would be overwritten")
    assert contents(place) == before


@pytest.mark.parametrize("option", ["--schedule", "--render"])
def test_a_fleets_ledger_takes_no_inputs_place(option: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger, source = place / "out" / "batch.jsonl", place / ("s.yaml" if option == "--schedule" else "in.wav")
    ledger.parent.mkdir()
    os.link(source, ledger)
    before = contents(place)
    arguments = ["batch", str(place / "amp.nam"), "-t", "m33", "-o", str(place / "out"), "--jobs", "0", option]
    assert main([*arguments, str(source)]) == 2
    assert capsys.readouterr().err == f"schedc: {ledger}: would overwrite an input, {source}; choose another place\n"
    assert contents(place) == before


def test_a_fleets_results_take_no_inputs_place(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The signal that is played lies where a capture's result would."""
    arguments = ["batch", str(place / "amp.nam"), "-t", "m33", "-o", str(place / "out"), "--jobs", "0", "--render"]
    assert main([*arguments, str(place / "in.wav")]) == 0
    (result,) = (place / "out").rglob("amp.wav")
    shutil.copy(place / "in.wav", result)
    (place / "out" / "batch.jsonl").unlink()
    before = result.read_bytes()
    assert main([*arguments, str(result)]) == 1
    assert f"{result}: would overwrite an input; choose another place" in capsys.readouterr().err
    assert result.read_bytes() == before


def test_a_signal_for_a_fleet_is_bounded(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every worker holds all of it."""
    wav = place / "in.wav"
    content = wav.read_bytes()
    wav.write_bytes(content[:40] + (2**29).to_bytes(4, "little") + content[44:])
    os.truncate(wav, 44 + 2**29)  # a hole
    arguments = ["batch", str(place / "amp.nam"), "-t", "m33", "-o", str(place / "out"), "--render", str(wav)]
    assert main(arguments) == 2
    words = f"--render: {wav} has 268,435,456 samples; give a file of at most 134,217,728, or use run"
    assert capsys.readouterr().err == f"schedc: {words}\n"


def test_dumps_do_not_take_an_inputs_place(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(place / "s.yaml", place / "sub" / "00-input.txt")
    arguments = ["compile", str(place / "amp.nam"), "-t", "m33", "--schedule", str(place / "sub" / "00-input.txt")]
    before = contents(place)
    assert main([*arguments, "-o", str(place / "new"), "--dump-passes", str(place / "sub")]) == 2
    assert "00-input.txt: would overwrite an input; choose another --dump-passes\n" in capsys.readouterr().err
    assert contents(place) == before


def test_an_input_that_comes_to_be_there_is_not_overwritten(tmp_path: Path) -> None:
    """Who writes asks again."""
    model = tmp_path / "amp.bin"
    model.write_bytes(b"precious")
    with pytest.raises(UserError, match="would overwrite an input; choose another place"):
        write_files(tmp_path, {"other.bin": b"", "amp.bin": b""}, [model])
    assert [path.name for path in tmp_path.iterdir()] == ["amp.bin"] and model.read_bytes() == b"precious"


@pytest.mark.parametrize("second", ["a.svg", "./a.svg", "A.SVG", "sub/../a.svg", "link.svg"])
def test_two_outputs_are_two_files(
    second: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that differ in case only are one file on many systems."""
    monkeypatch.chdir(place)
    (place / "link.svg").symlink_to("a.svg")
    command = ["explain", "amp.nam", "-t", "m33", "--cores", "2", "--gantt", "a.svg", "--write-schedule", second]
    assert main(command) == 2
    assert "would overwrite another output" in capsys.readouterr().err
    assert not (place / "a.svg").exists()


def test_files_that_are_there_may_differ_in_case(tmp_path: Path) -> None:
    """On systems that tell them apart."""
    (tmp_path / "in.wav").touch()
    (tmp_path / "IN.WAV").touch()
    if len(list(tmp_path.iterdir())) == 2:
        check_separate([tmp_path / "IN.WAV"], [tmp_path / "in.wav"])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files on Linux")
def test_an_open_file_has_another_name(place: Path) -> None:
    with (place / "amp.nam").open("rb") as file:
        name = Path(f"/proc/self/fd/{file.fileno()}")
        with pytest.raises(UserError, match="would overwrite an input"):
            check_separate([name], [place / "amp.nam"])
        with pytest.raises(UserError, match="would overwrite an input"):
            check_separate([place / "amp.nam"], [name])


def test_a_device_is_not_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "null").symlink_to("/dev/null")
    for output in ("/dev/null", str(place / "null")):
        assert main(["pack", str(place / "amp.nam"), "--for", str(place / "report.json"), "-o", output]) == 2
        assert capsys.readouterr().err == f"schedc: {output}: is not a regular file; choose another place\n"
    with pytest.raises(UserError, match="is not a regular file; choose another place"):
        write_files(Path("/dev"), {"null": b""})


def test_what_will_be_written_is_known_before(tmp_path: Path) -> None:
    for cores in (1, 2):
        for form in ("elf", "coff"):
            for texts in (False, True):
                made = schedc.compile(NANO, target="avx2", cores=cores, object_format=form, with_texts=texts)
                assert set(file_names(made.name, made.object_format, cores, texts)) == set(made.files())
