"""Whatever is given for a file to read: regular ones of bounded size are read, nothing else is waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import schedc
from schedc.commands.analyze import AnalyzeRequest, analyze_object
from schedc.errors import UserError
from schedc.files.inputs import read_input
from schedc.fleet.ledger import Ledger
from schedc.schedule_file import read_schedule
from schedc.sound.files import read_info

ROOT = Path(__file__).parents[1]
LITE = ROOT / "examples" / "captures" / "a2_lite.nam"
HUGE = 2**40  # bytes, none of them on the disk


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Kind of file -> a place where there is one."""
    places = {kind: tmp_path / kind for kind in ("fifo", "socket", "folder", "sparse", "loop", "dangling")}
    os.mkfifo(places["fifo"])
    places["folder"].mkdir()
    with places["sparse"].open("wb") as file:
        file.truncate(HUGE)
    places["loop"].symlink_to(places["loop"])
    places["dangling"].symlink_to(tmp_path / "nothing")
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(places["socket"]))
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        terminal = os.openpty()
        for end in terminal:
            stack.callback(os.close, end)
        yield {
            **{kind: str(place) for kind, place in places.items()},
            "zero": "/dev/zero",
            "pipe": f"/proc/self/fd/{reader}",
            "terminal": os.ttyname(terminal[1]),
            "missing": str(tmp_path / "none"),
            "long": str(tmp_path / ("x" * 300)),
        }


def reason(kind: str) -> str:
    no_file = ("fifo", "socket", "zero", "pipe", "terminal")
    if kind in no_file:
        return "is not a regular file"
    if kind == "sparse":
        return f"{HUGE} bytes is too large for "
    words = {"folder": "is a folder", "missing": "no such file", "dangling": "no such file"}
    words |= {"loop": "cannot be read (Too many levels of", "long": "cannot be read (File name too long)"}
    return words[kind]


def analyze(path: str, **more: object) -> None:
    analyze_object(AnalyzeRequest(Path(path), "m33", "f", **more))  # type: ignore[arg-type]


READERS: dict[str, Callable[[str], object]] = {
    "capture": schedc.load,
    "chain": lambda path: schedc.chain([LITE, path]),
    "report": lambda path: schedc.pack(LITE, path),
    "blob": lambda path: read_input(path, 100, "a blob"),
    "schedule": read_schedule,
    "object": analyze,
    "sound": lambda path: read_info(Path(path)),
}
KINDS = ("fifo", "socket", "zero", "pipe", "terminal", "folder", "sparse", "missing", "dangling", "loop", "long")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="kinds of files of Linux")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_of_bounded_size_are_read(odd: dict[str, str], reader: str, kind: str) -> None:
    if (reader, kind) == ("sound", "sparse"):
        pytest.skip("sound files of any length are read in pieces")
    with pytest.raises(UserError) as refusal:
        READERS[reader](odd[kind])
    where, _, what = str(refusal.value).partition(": ")
    assert what.startswith(reason(kind)) and (where == odd[kind] or kind == "long")  # of which the middle is left out


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "sparse"])
def test_a_fleets_ledger_is_a_file_too(odd: dict[str, str], kind: str, tmp_path: Path) -> None:
    ledger = tmp_path / "out" / "batch.jsonl"
    ledger.parent.mkdir()
    ledger.symlink_to(odd[kind])
    with pytest.raises(UserError) as refusal:
        Ledger(ledger, "key")
    assert str(refusal.value).startswith(f"{ledger}: {reason(kind)}")


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(bytes(100))
    assert read_input(path, 100, "a thing") == bytes(100)
    with pytest.raises(UserError) as refusal:
        read_input(path, 99, "a thing", "give less")
    assert str(refusal.value) == f"{path}: 100 bytes is too large for a thing (limit 99); give less"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="files of Linux whose size is not told")
def test_a_file_that_hides_its_size_is_bounded(tmp_path: Path) -> None:
    assert read_input("/proc/self/status", 10**6, "a thing").startswith(b"Name:")
    with pytest.raises(UserError, match=r"11 bytes is too large for a thing \(limit 10\)"):
        read_input("/proc/self/status", 10, "a thing")


def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and opening."""
    path, real = tmp_path / "some", os.open
    path.write_bytes(b"x")

    def swapped(name: str, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return real(name, flags)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(UserError, match="is not a regular file"):
        read_input(path, 10, "a thing")
