"""Unfinished files: gone when their writer is, whatever ended it; never while it lives; and no other file."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from schedc.artifact import write_files
from schedc.files import partial as partial_files
from schedc.files.partial import PartialFile, put_files, sweep

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks as POSIX systems have them")


def killed_while_writing(folder: Path) -> list[Path]:
    """What a killed process leaves that had staged two files."""
    program = (
        "import os, signal, sys, schedc.files.partial as p; from pathlib import Path; "
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "p.put_files(Path(sys.argv[1]), {'a': b'1', 'b': b'2'})"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)])
    assert done.returncode == -signal.SIGKILL
    return sorted(folder.rglob("*"))


def test_what_the_dead_leave_is_swept(tmp_path: Path) -> None:
    left = killed_while_writing(tmp_path)
    assert len(left) == 4  # the file that is locked, the staging folder, two files in it
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_whoever_writes_there_next_sweeps(tmp_path: Path) -> None:
    killed_while_writing(tmp_path)
    write_files(tmp_path, {"c": b"3"})
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    """Also where they are of this very process."""
    with PartialFile(tmp_path) as partial:
        staging = Path(partial.path).with_suffix(".files")
        staging.mkdir()
        sweep(tmp_path)
        assert staging.is_dir()
        partial.write(b"whole")
        partial.finish("done")
    assert (tmp_path / "done").read_bytes() == b"whole"
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [staging.name, "done"]


@pytest.mark.parametrize(
    "name", [".schedc-notes.partial", f".schedc-{'0' * 15}g.partial", f"schedc-{'0' * 16}.partial", ".schedc-x.files"]
)
def test_names_that_are_not_ours_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"the user's")
    sweep(tmp_path)
    assert (tmp_path / name).read_bytes() == b"the user's"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f".schedc-{'0' * 16}.partial"
    (tmp_path / "theirs").write_bytes(b"the user's")
    if kind == "link":
        path.symlink_to("theirs")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, "theirs"])


def test_a_sweeper_that_is_quicker_takes_nothing_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is seen before its writer has locked it: the writer notices and takes another."""
    lock, swept = partial_files._lock, []

    def after_a_sweep(file: int) -> bool | None:
        monkeypatch.setattr(partial_files, "_lock", lock)
        swept.extend(os.listdir(tmp_path))
        sweep(tmp_path)
        return lock(file)

    monkeypatch.setattr(partial_files, "_lock", after_a_sweep)
    put_files(tmp_path, {"a": b"1"})
    assert len(swept) == 1
    assert os.listdir(tmp_path) == ["a"]


def test_where_there_are_no_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed_while_writing(tmp_path)

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refused)
    write_files(tmp_path, {"c": b"3"})
    assert sorted(tmp_path.rglob("*")) == sorted([*left, tmp_path / "c"])


def test_all_or_none(tmp_path: Path) -> None:
    """Nothing is in its place before everything is written."""
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(OSError):
        put_files(tmp_path, {"a": b"1", "folder/b": b"2"})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"before")]


def test_permissions_are_those_of_a_file_made_the_ordinary_way(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put_files(tmp_path, {"a": b"1"})
        with PartialFile(tmp_path) as partial:
            partial.finish("b")
        with PartialFile(tmp_path, private=True) as partial:
            partial.finish("c")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abc"] == [0o640, 0o640, 0o600]
