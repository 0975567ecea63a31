"""What a library's captures are, and at which rates they run: nothing is skipped, nothing unsaid."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from helpers.libraries import ENDINGS, Batch, ledger, results, run_batch, write

from schedc.cli.main import main
from schedc.errors import UserError
from schedc.fleet import treatment
from schedc.fleet.captures import find_captures
from schedc.fleet.library import rates_text
from schedc.frontend.nam_file import has_capture_suffix


@pytest.fixture
def batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    """What it makes is in ``tmp_path / "out"``."""
    return partial(run_batch, capsys, tmp_path / "out")


# -- what is a capture ---------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["folder", "pattern", "file"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_of_captures_in_any_case(tmp_path: Path, ending: str, ask: str) -> None:
    path = write(tmp_path / "in" / "sub" / f"amp{ending}", 0.5)
    (tmp_path / "in" / "sub" / "notes.txt").write_text("no capture")
    pattern = tmp_path / "in" / "**" / f"*{ending.lower()}"
    found = find_captures(str({"folder": tmp_path / "in", "pattern": pattern, "file": path}[ask]))
    name = "sub/amp" if ask == "folder" else "amp"
    assert found.files == [(path, PurePosixPath(name))]


def test_all_formats_are_packed_alike(tmp_path: Path, batch: Batch) -> None:
    for number, ending in enumerate(ENDINGS):
        write(tmp_path / "in" / f"amp{number}{ending}", 0.25)
    code, out, err = batch(tmp_path / "in")
    assert (code, err) == (0, "")
    assert "packed 6 captures with 1 compilation in " in out
    assert set(results(tmp_path / "out")) == {f"amp{number}" for number in range(6)}
    assert len(set(results(tmp_path / "out").values())) == 1


@pytest.mark.parametrize("name", ["amp.json", "amp", "amp.namc", "nam", "amp.nam.txt"])
def test_other_names_are_taken_from_those_who_ask_for_them(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 0.5)
    assert not has_capture_suffix(name)
    for text in (path, tmp_path / "*"):
        assert [found for found, _ in find_captures(str(text)).files] == [path]
    with pytest.raises(UserError, match=r"has no \.nam or \.namb files; give a folder or a pattern like"):
        find_captures(str(tmp_path))


def test_names_that_look_like_patterns(tmp_path: Path) -> None:
    path = write(tmp_path / "amp [live].nam", 0.5)
    assert find_captures(str(path)).files == [(path, PurePosixPath("amp [live]"))]
    write(tmp_path / "in [2024]" / "a.nam", 0.5)
    assert len(find_captures(str(tmp_path / "in [2024]")).files) == 1


@pytest.mark.skipif(os.name != "posix", reason="links, pipes")
def test_what_cannot_be_read_fails_and_does_not_hang(tmp_path: Path, batch: Batch) -> None:
    write(tmp_path / "in" / "amp.nam", 0.5)
    os.mkfifo(tmp_path / "in" / "pipe.nam")
    (tmp_path / "in" / "gone.nam").symlink_to("nowhere")
    (tmp_path / "in" / "folder.nam").mkdir()
    for text in (tmp_path / "in", tmp_path / "in" / "*.nam"):
        code, out, err = batch(text)
        assert code == 1
        assert "2 captures failed" in out
        assert f"schedc: {tmp_path}/in/pipe.nam: is not a regular file; " in err
        assert f"schedc: {tmp_path}/in/gone.nam: no such file; " in err


def test_a_folder_that_cannot_be_searched_fails(tmp_path: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in" / "amp.nam", 0.5)
    honest = os.walk

    def walk(root: Path, onerror: Callable[[OSError], None]) -> Any:
        onerror(PermissionError(13, "Permission denied", f"{root}/closed"))
        return honest(root)

    monkeypatch.setattr(os, "walk", walk)
    code, _, err = batch(tmp_path / "in")
    assert code == 1
    assert err == f"schedc: {tmp_path}/in/closed: cannot be searched: Permission denied\n"


# -- rates ---------------------------------------------------------------------------------


def test_rates_are_in_the_table_and_the_ledger_and_differences_are_said(tmp_path: Path, batch: Batch) -> None:
    rates = {"a": 44100, "b": 48000, "c": 96000, "d": None}
    for number, (name, rate) in enumerate(rates.items()):
        write(tmp_path / "in" / f"{name}.nam", number, rate)
    write(tmp_path / "in" / "other.nam", 1.0, 48000, taps=2)
    code, out, err = batch(tmp_path / "in")
    assert code == 0
    assert "44.1, 48 and 96 kHz (some not stated)" in out
    assert {line["name"]: line["rate_hz"] for line in ledger(tmp_path / "out")} == {
        **rates,
        "other": 48000,
    }
    (mixed,) = {path.parent.name for path in (tmp_path / "out").rglob("a.bin")}
    text = "44.1, 48 and 96 kHz (some not stated)"
    assert err == (
        f"schedc: warning: {mixed}: its captures are at {text}; play each at its own (rate_hz in batch.jsonl)\n"
    )


def test_no_file_of_the_code_states_a_rate(tmp_path: Path, batch: Batch) -> None:
    """Nor anything else that only the capture has that came first; so it is the same whichever it was."""
    made = []
    for rate in (44100, 96000):
        for number, one in enumerate((rate, 48000)):
            write(tmp_path / str(rate) / f"{number}.nam", number, one)
        assert main(["batch", str(tmp_path / str(rate)), "-t", "m33", "-o", str(tmp_path / f"o{rate}"), "-j", "0"]) == 0
        files = [path for path in (tmp_path / f"o{rate}").glob("*/*") if path.suffix != ".bin"]
        made.append({path.name: path.read_bytes() for path in files})
    assert made[0] == made[1]
    (header,) = (content.decode() for name, content in made[0].items() if name.endswith(".h"))
    (report,) = (json.loads(content) for name, content in made[0].items() if name.endswith(".json"))
    assert "#define" in header and "_SAMPLE_RATE:" in header
    assert not [line for line in header.splitlines() if line.startswith("#define") and "RATE" in line]
    assert report["sample_rate_hz"] is None and report["estimate"]["load_of_slowest_core"] is None
    (path,) = (tmp_path / "o96000").glob("*/*.json")
    assert main(["pack", str(tmp_path / "44100" / "0.nam"), "--for", str(path), "-o", str(tmp_path / "x.bin")]) == 0


def test_rates_of_an_earlier_run_count(tmp_path: Path, batch: Batch) -> None:
    write(tmp_path / "in" / "a.nam", 0.5, 44100)
    assert batch(tmp_path / "in")[2] == ""
    write(tmp_path / "in" / "b.nam", 0.6, 48000)
    assert "its captures are at 44.1 and 48 kHz;" in batch(tmp_path / "in")[2]


@pytest.mark.parametrize(
    ("rates", "text"),
    [
        ([], ""),
        ([48000.0], "48 kHz"),
        ([96000.0, 44100.0], "44.1 and 96 kHz"),
        ([None], "48 kHz (not stated)"),
        ([None, 48000.0], "48 kHz (some not stated)"),
        ([11025.0, 22050.0, 44100.0], "11.025, 22.05 and 44.1 kHz"),
    ],
)
def test_rates_in_words(rates: list[float | None], text: str) -> None:
    assert rates_text(set(rates)) == text


# -- code ----------------------------------------------------------------------------------


def test_code_from_the_folder_is_not_run(tmp_path: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write there could put anything into this process; code of ours is the same when it is made again."""
    for number, damaged in enumerate((False, False, True)):
        write(tmp_path / "in" / f"amp{number}.nam", 0.5 + number)
        if damaged:
            (path,) = (tmp_path / "out").glob("*/*.o")
            raw = path.read_bytes()
            path.write_bytes(raw.replace(raw[64:72], bytes(7) + b"\xcc"))  # behind the ELF header is code
            assert path.read_bytes() != raw
        monkeypatch.setattr(treatment, "_kept", {})
        code, out, err = batch(tmp_path / "in", "-t", "host", "--verify")
        assert (code, "with 0 compilations" in out) == (int(damaged), number > 0)
    reason = f"{path.stem}: the code is not what this version makes; start in another folder"
    assert err == f"schedc: {tmp_path}/in/amp2.nam: {reason}\n"
    assert set(results(tmp_path / "out")) == {"amp0", "amp1"}
