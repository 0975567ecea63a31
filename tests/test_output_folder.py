"""Captures that would be called alike do not take each other's place in a folder; one that is compiled again does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schedc
from schedc.cli.main import main
from schedc.errors import SchedcWarning, UserError

REMEDY = "choose another -o or --name, or delete it"


def capture(path: Path, *weights: float) -> Path:
    config = {"receptive_field": len(weights), "bias": False}
    document: dict[str, Any] = {"version": "0.5.4", "architecture": "Linear", "config": config, "sample_rate": 48000}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**document, "weights": list(weights)}), encoding="utf-8")
    return path


def compiled(*arguments: object) -> int:
    return main(["compile", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("first", "second"), [("a-b.nam", "a_b.nam"), ("AMP.nam", "amp.nam"), ("é.nam", "e.nam"), ("a.nam", "a.json")]
)
def test_another_captures_files_stay(
    first: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = tmp_path / "build"
    assert compiled(capture(tmp_path / first, 1.0), "-t", "m33", "-o", build) == 0
    before = contents(build)
    other = capture(tmp_path / second, 2.0)
    (report,) = build.glob("*.json")
    words = f"{report}: is another capture's, {first}; {REMEDY}"
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("schedc.commands.compile.compile_chosen", pytest.fail)  # it is said before work begins
        assert compiled(other, "-t", "m33", "-o", build) == 2
    assert capsys.readouterr().err == f"schedc: {words}\n"
    with pytest.raises(UserError) as refusal:
        schedc.compile(other, target="m33").write(build)
    assert str(refusal.value) == words
    assert contents(build) == before


def test_a_chain_is_not_the_captures_that_are_called_like_it(tmp_path: Path) -> None:
    build = tmp_path / "build"
    a, b, both = (capture(tmp_path / name, 1.0) for name in ("a.nam", "b.nam", "a_b.nam"))
    assert compiled(a, b, "-t", "m33", "-o", build) == 0
    assert compiled(both, "-t", "m33", "-o", build) == 2
    assert compiled(a, b, "-t", "a8", "-o", build) == 0


def test_compiling_again_just_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With other options, too; from where it was moved; into a folder with the files of others."""
    build, model = tmp_path / "build", capture(tmp_path / "amp.nam", 1.0)
    capture(tmp_path / "other.nam", 2.0)
    assert compiled(tmp_path / "other.nam", "-t", "m33", "-o", build) == 0
    for options in (["-t", "m33"], ["-t", "m33"], ["-t", "a8"], ["-t", "m33", "--cores", 1, "--block", 8]):
        assert compiled(model, *options, "-o", build) == 0
    moved = capture(tmp_path / "folder" / "amp.nam", 1.0)
    assert compiled(moved, "-t", "m33", "-o", build) == 0
    assert capsys.readouterr().err == ""
    schedc.compile(moved, target="m33").write(build)


def test_what_a_capture_of_the_same_name_leaves_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, old = tmp_path / "build", capture(tmp_path / "amp.nam", 1.0)
    new = capture(tmp_path / "folder" / "amp.nam", 2.0)
    words = f"{build / 'amp.json'}: what was compiled of a file of this name and other content is replaced"
    assert compiled(old, "-t", "m33", "-o", build) == 0
    assert compiled(new, "-t", "m33", "-o", build) == 0
    assert capsys.readouterr().err == f"schedc: warning: {words}\n"
    with pytest.warns(SchedcWarning) as warned:
        schedc.compile(old, target="m33").write(build)
    assert [str(one.message) for one in warned] == [words]


def test_a_name_that_was_asked_for_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As build systems do, which call every capture alike; what is replaced is said."""
    build, first, second = tmp_path / "build", capture(tmp_path / "a.nam", 1.0), capture(tmp_path / "b.nam", 2.0)
    assert compiled(first, "-t", "m33", "-o", build, "--name", "capture") == 0
    assert capsys.readouterr().err == ""
    assert compiled(second, "-t", "m33", "-o", build, "--name", "capture") == 0
    words = f"{build / 'capture.json'}: what was compiled of a.nam is replaced"
    assert capsys.readouterr().err == f"schedc: warning: {words}\n"
    with pytest.warns(SchedcWarning, match=r"what was compiled of b\.nam is replaced"):
        schedc.compile(first, target="m33", name="capture").write(build)


@pytest.mark.parametrize("file", ["amp.h", "amp.json"])
@pytest.mark.parametrize("content", [b"", b"/* my own */\n", b"[1]", b"{}", b"\xff" * 10, b"[" * 9999])
@pytest.mark.parametrize("name", [[], ["--name", "amp"]])
def test_what_is_not_ours_stays(
    file: str, content: bytes, name: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, model = tmp_path / "build", capture(tmp_path / "amp.nam", 1.0)
    build.mkdir()
    (build / file).write_bytes(content)
    assert compiled(model, "-t", "m33", "-o", build, *name) == 2
    assert capsys.readouterr().err == f"schedc: {build / file}: is not schedc's, and would be overwritten; {REMEDY}\n"
    assert contents(build) == {file: content}


@pytest.mark.parametrize("ending", [".o", "_weights.bin", "_weights.c", "_weights.S", ".ll", ".s"])
def test_what_no_report_tells_of_stays(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An object of the user's own ``amp.c``, for example."""
    build, model = tmp_path / "build", capture(tmp_path / "amp.nam", 1.0)
    build.mkdir()
    (build / f"amp{ending}").write_bytes(b"mine")
    assert compiled(model, "-t", "m33", "--emit-texts", "-o", build) == 2
    words = f"{build}/amp{ending}: has no amp.json beside it that tells of schedc, and would be overwritten; {REMEDY}"
    assert capsys.readouterr().err == f"schedc: {words}\n"
    assert contents(build) == {f"amp{ending}": b"mine"}
    made = schedc.compile(model, target="m33", with_texts=True)
    with pytest.raises(UserError) as refusal:
        made.write(build)
    assert str(refusal.value) == words


def test_inputs_stay_what_they_are_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compiled(capture(tmp_path / "a.nam", 1.0), "-t", "m33", "-o", ".", "--name", "amp") == 0
    content = capture(Path("amp_weights.bin"), 1.0).read_bytes()
    made = schedc.compile("amp_weights.bin", target="m33", name="amp")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir("folder")
    with pytest.warns(SchedcWarning), pytest.raises(UserError, match="would overwrite an input"):
        made.write("..")
    assert (tmp_path / "amp_weights.bin").read_bytes() == content


@pytest.mark.parametrize("folder", ["a\0b", "\ud800", "x" * 300, "amp.nam/b"])
def test_a_folder_that_cannot_be_is_the_users_error(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = schedc.compile(capture(tmp_path / "amp.nam", 1.0), target="m33")
    with pytest.raises(UserError, match="cannot be written: "):
        made.write(folder)


def test_reports_of_versions_that_did_not_say_are_replaced(tmp_path: Path) -> None:
    build, model = tmp_path / "build", capture(tmp_path / "amp.nam", 1.0)
    assert compiled(model, "-t", "m33", "-o", build) == 0
    report = json.loads((build / "amp.json").read_text())
    for captures in (None, 3, [3], "x"):
        (build / "amp.json").write_text(json.dumps({**report, "captures": captures}))
        assert compiled(model, "-t", "m33", "-o", build) == 0


def test_reports_name_the_captures(tmp_path: Path) -> None:
    a, b = capture(tmp_path / "a.nam", 1.0), capture(tmp_path / "日.nam", 2.0)
    found: Any = schedc.compile([a, b], target="m33").report["captures"]
    assert [one["file"] for one in found] == ["a.nam", "日.nam"]
    assert all(len(one["sha256"]) == 64 for one in found)
    schedc.compile(a, target="m33").write(tmp_path / "build")
    x = np.zeros(8, np.float32)
    np.testing.assert_array_equal(schedc.load(b).process(x), x)
