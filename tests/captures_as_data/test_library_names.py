"""What the captures of a library are called: every one has a name that no other has, on any file system."""

from __future__ import annotations

import os
import unicodedata
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import soundfile
from helpers.libraries import ENDINGS, Batch, ledger, results, run_batch, write
from hypothesis import given
from hypothesis import strategies as st

import schedc
from schedc.fleet import captures, library, treatment
from schedc.fleet.captures import find_captures
from schedc.fleet.treatment import Scan


@pytest.fixture
def batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    """What it makes is in ``tmp_path / "out"``."""
    return partial(run_batch, capsys, tmp_path / "out")


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Überamp") for form in ("NFC", "NFD"))
CLASHES = {
    "formats": ["amp.nam", "amp.namb"],
    "case of the ending": ["amp.nam", "amp.NAM", "amp.Nam"],
    "case of the name": ["amp.nam", "AMP.nam", "Amp.nam"],
    "case of a folder": ["Amps/amp.nam", "amps/amp.nam"],
    "all at once": ["amp.nam", "amp.NAM", "amp.namb", "AMP.nam", "AMP.NAMB"],
    "the way out is taken": ["amp.nam", "amp.namb", "amp_namb.nam", "amp.NAM", "amp_2.nam", "amp_2.namb"],
    "composed": [f"{COMPOSED}.nam", f"{DECOMPOSED}.nam"],
    "sharp s": ["groß.nam", "gross.nam", "GROSS.nam"],
    "of several architectures": ["amp.nam", "amp.namb"],
}


@pytest.mark.parametrize("kind", CLASHES)
def test_captures_that_would_have_one_name_get_two(tmp_path: Path, batch: Batch, kind: str) -> None:
    wanted = {}
    for number, name in enumerate(CLASHES[kind]):
        taps = 1 + number if "architectures" in kind else 1
        path = write(tmp_path / "in" / name, 0.1 + number, taps=taps)
        wanted[path] = schedc.compile(path, target="m33", name="x").weights
    if len(list((tmp_path / "in").rglob("*.*"))) < len(wanted):
        pytest.skip("this file system has one name for them")
    soundfile.write(tmp_path / "di.wav", np.ones(10, np.float32), 48000, "FLOAT")
    code, _, err = batch(tmp_path / "in", "--render", tmp_path / "di.wav")
    assert code == 0
    found = results(tmp_path / "out")
    assert sorted(found.values()) == sorted(wanted.values())
    assert set(results(tmp_path / "out", ".wav")) == set(found)
    assert len({unicodedata.normalize("NFD", name).casefold() for name in found}) == len(wanted)
    assert sorted(line["name"] for line in ledger(tmp_path / "out")) == sorted(found)
    renamed = [path for path, name in find_captures(str(tmp_path / "in")).files if path.stem != name.name]
    assert renamed
    assert [line.partition(" is called ")[0] for line in err.splitlines()] == [
        f"schedc: warning: {path}" for path in sorted(renamed, key=lambda path: (path.suffix != ".nam", path))
    ]
    again = batch(tmp_path / "in", "--render", tmp_path / "di.wav")
    assert again[0] == 0 and f"{len(wanted)} captures done by an earlier run" in again[1]


def test_what_a_capture_is_called_then(tmp_path: Path) -> None:
    names = ["amp.nam", "amp.namb", "amp.NAM", "AMP.nam", "amp_2.nam"]
    for number, name in enumerate(names):
        write(tmp_path / name, number)
    found = find_captures(str(tmp_path))
    called = {path.name: str(name) for path, name in found.files}
    assert called == {
        "AMP.nam": "AMP",
        "amp.nam": "amp_3",
        "amp_2.nam": "amp_2",
        "amp.NAM": "amp_4",
        "amp.namb": "amp_namb",
    }
    assert list(found.remarks) == [
        f"{tmp_path}/amp.nam is called amp_3, not to meet {tmp_path}/AMP.nam",
        f"{tmp_path}/amp.NAM is called amp_4, not to meet {tmp_path}/AMP.nam",
        f"{tmp_path}/amp.namb is called amp_namb, not to meet {tmp_path}/AMP.nam",
    ]


@given(st.lists(st.tuples(st.sampled_from("aAbß"), st.sampled_from(["", "_2", "_namb"]), st.sampled_from(ENDINGS))))
def test_names_are_always_the_files_own_or_said(parts: list[tuple[str, str, str]]) -> None:
    files = {Path("in", "".join(part)): PurePosixPath("".join(part)) for part in parts}
    remarks: list[str] = []
    names = captures._unique_names(files, remarks)
    assert names.keys() == files.keys()
    assert len({captures._folded(name) for name in names.values()}) == len(files)
    assert len(remarks) == sum(name != files[path].with_suffix("") for path, name in names.items())


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_file_that_is_reached_twice_is_taken_once(tmp_path: Path, batch: Batch) -> None:
    path = write(tmp_path / "in" / "sub" / "amp.nam", 0.5)
    (tmp_path / "in" / "sub" / "round").symlink_to("..")
    for pattern in ("**/*.nam", "*/../*/amp.nam", "sub/../sub/a*.nam"):
        found = find_captures(str(tmp_path / "in" / pattern))
        assert [os.path.realpath(file) for file, _ in found.files] == [str(path)], pattern
    (tmp_path / "in" / "other").symlink_to("sub")
    (tmp_path / "in" / "best.nam").symlink_to("sub/amp.nam")  # a name that the user gave it
    code, _, err = batch(tmp_path / "in")
    assert code == 0 and set(results(tmp_path / "out")) == {"sub/amp", "best"}
    assert err.splitlines() == [
        f"schedc: warning: {tmp_path}/in/other: a link to a folder, which is not searched",
        f"schedc: warning: {tmp_path}/in/sub/round: a link to a folder, which is not searched",
    ]


def test_a_capture_that_takes_anothers_place_is_counted(tmp_path: Path, batch: Batch) -> None:
    write(tmp_path / "one" / "amp.nam", 0.5)
    write(tmp_path / "two" / "amp.nam", 0.6)
    assert "took the place" not in batch(tmp_path / "one")[1]
    assert "1 capture took the place of another that an earlier run packed by that name" in batch(tmp_path / "two")[1]
    assert "took the place" not in batch(tmp_path / "two")[1]


def test_architectures_with_the_same_first_digits(
    tmp_path: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for taps in (1, 2):
        write(tmp_path / "in" / f"amp{taps}.nam", 0.5, taps=taps)
    same = "01234567"

    def alike(*arguments: Any) -> Scan:
        found = treatment.scan(*arguments)
        return Scan(same + found.digest[8:], found.architecture, found.rate_hz)

    def built(*arguments: Any) -> Any:
        made = treatment.build(*arguments)
        object.__setattr__(made, "digest", same + made.digest[8:])
        return made

    monkeypatch.setattr(library, "scan", alike)
    monkeypatch.setattr(library, "build", built)
    code, out, _ = batch(tmp_path / "in")
    assert code == 0 and "with 2 compilations" in out
    assert len({path.parent for path in (tmp_path / "out").rglob("*.bin")}) == 2
    write(tmp_path / "in" / "amp3.nam", 0.5, taps=3)
    assert batch(tmp_path / "in")[0] == 0
    assert len({path.parent for path in (tmp_path / "out").rglob("*.bin")}) == 3
