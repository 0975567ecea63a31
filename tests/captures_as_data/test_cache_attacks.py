"""Code from the cache runs in the user's process: what another user could have put there is not read.

What needs a second user is in test_cache_users.py.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
from helpers.cache_entries import entry
from helpers.captures import EXAMPLES

import schedc
from schedc.backends.llvm.stage_runner import RUN_SYMBOL, runner_object
from schedc.cache import code_cache
from schedc.cache.code_cache import CodeCache
from schedc.cache.private_folder import PrivateFolder, UnsafeFolder
from schedc.cache.tuned import keep_tuned, with_tuned
from schedc.cli.main import main
from schedc.errors import InternalError, SchedcWarning
from schedc.files.partial import PartialFile
from schedc.frontend.capture import read_capture
from schedc.host import code as code_here
from schedc.host.executable_memory import MappedCode
from schedc.options import make_options
from schedc.schedule import ScheduleOverrides

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and permissions of POSIX")
LSTM = next(path for path in EXAMPLES if path.stem == "lstm_1x16")
KEY, OTHER = "ab" * 32, "cd" * 32
NAME = f"{KEY}.code"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cache's folder, and in it an entry that is as it should be."""
    assert CodeCache(tmp_path / "cache").put(KEY, b"code")
    return tmp_path / "cache"


@pytest.fixture
def said() -> Iterator[Callable[[], list[str]]]:
    """The warnings so far."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [str(warning.message) for warning in caught if warning.category is SchedcWarning]


# -- entries -------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o222])
def test_entries_are_the_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        stored = CodeCache(tmp_path / "new" / "cache").put(KEY, b"code")
    finally:
        os.umask(before)
    assert stored or umask == 0o222  # where the user may not write himself
    made = [tmp_path / "new", tmp_path / "new" / "cache"]
    assert all(not stat.S_IMODE(path.stat().st_mode) & ~0o700 for path in made if path.exists())
    if stored:
        assert stat.S_IMODE((made[-1] / NAME).stat().st_mode) == 0o600


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def hard_linked(path: Path) -> None:
    os.link(path, path.with_name("elsewhere"))


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


ATTACKS: dict[str, Callable[[Path], None]] = {
    "others can write": lambda path: path.chmod(0o606),
    "its group can write": lambda path: path.chmod(0o620),
    "link": linked,
    "hard link": hard_linked,
    "pipe": made_a_pipe,
    "folder": made_a_folder,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_entry_that_others_could_have_written_is_not_read(folder: Path, attack: str) -> None:
    cache = CodeCache(folder)
    assert cache.get(KEY) == b"code"
    ATTACKS[attack](folder / NAME)
    elsewhere = folder / "elsewhere"
    before = elsewhere.read_bytes() if elsewhere.exists() else b""
    assert cache.get(KEY) is None
    replaced = cache.put(KEY, b"ours")
    assert replaced == (attack != "folder")
    assert cache.get(KEY) == (b"ours" if replaced else None)
    assert not elsewhere.exists() or elsewhere.read_bytes() == before  # what a link led to is as it was
    assert not list(folder.glob(".schedc-*"))


def test_an_entry_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    assert CodeCache(tmp_path).put(KEY, bytes(1000))
    assert CodeCache(tmp_path, most_bytes=999).get(KEY) is None
    assert CodeCache(tmp_path, most_bytes=1000).get(KEY) == bytes(1000)


def test_measured_schedules_are_as_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    graph, options = read_capture(LSTM).graph, make_options("host")
    assert keep_tuned(graph, options, ScheduleOverrides())
    assert with_tuned(graph, options).tuned
    (path,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    linked(path)
    assert not with_tuned(graph, options).tuned


def test_only_hashes_are_keys(tmp_path: Path) -> None:
    for key in ("../x", "", "AB" * 32, "ab" * 32 + "\n"):
        with pytest.raises(InternalError, match="is no key of the cache"):
            CodeCache(tmp_path).put(key, b"")


# -- folders -------------------------------------------------------------------------------


# What is opened to others: how far, whether it is the folder or the one around it.
FOLDERS = {
    "others can write": (0o757, False),
    "its group can write": (0o770, False),
    "sticky": (0o1777, False),
    "others can move it": (0o777, True),
}


@pytest.mark.parametrize("attack", FOLDERS)
def test_a_folder_that_others_can_write_to_is_not_used_and_that_is_said_once(
    folder: Path, attack: str, said: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    mode, around = FOLDERS[attack]
    opened = folder.parent if around else folder
    opened.chmod(mode)
    cache = CodeCache(folder)
    files = sorted(folder.iterdir())
    for _ in range(2):
        assert cache.get(KEY) is None
        assert not cache.put(OTHER, b"code")
        assert cache.clear() == 0
    assert sorted(folder.iterdir()) == files
    reason = f"others can write to {opened} (mode {mode:o}: chmod go-w {opened})"
    whole = f"the code cache in {folder} is not used: {reason}; SCHEDC_CACHE moves it, or turns it off"
    assert said() == [whole]
    assert (cache.info().entries, cache.info().fault) == (0, reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDC_CACHE", str(folder))
        patch.setattr(code_cache, "_said", set())
        assert main(["cache", "info"]) == 0
        shown = capsys.readouterr()
        assert f"not used {reason} entries" in " ".join(shown.out.split()) and not shown.err
        assert main(["cache", "clear"]) == 0
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == ("deleted 0 entries\n", f"schedc: warning: {whole}\n")


def test_safe_ways_to_a_folder(folder: Path, tmp_path: Path, said: Callable[[], list[str]]) -> None:
    """Sticky folders such as /tmp, links of one's own, ways back."""
    (tmp_path / "links").mkdir()
    tmp_path.chmod(0o1777)
    (tmp_path / "links" / "whole").symlink_to(folder)
    (tmp_path / "links" / "part").symlink_to("../cache")
    (tmp_path / "links" / "up").symlink_to("./..")
    ways = ["cache", "links/whole", "links/part", "links/up/cache", "links/../cache", "./cache"]
    for way in ways:
        assert CodeCache(tmp_path / way).get(KEY) == b"code", way
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "links")
        assert CodeCache(Path("../cache")).get(KEY) == b"code"
    (tmp_path / "links" / "round").symlink_to("round")
    assert CodeCache(tmp_path / "links" / "round").get(KEY) is None
    assert not said()


def test_links_of_others_are_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    """Who waits in /tmp for a name that does not exist yet could lead the cache to any other folder of the user's."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    honest = os.stat

    def as_another_users(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        facts = list(honest(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks))
        if path == "link":
            facts[stat.ST_UID] += 1
        return os.stat_result(facts)

    assert CodeCache(link).get(KEY) == b"code"
    monkeypatch.setattr(os, "stat", as_another_users)
    assert CodeCache(link).get(KEY) is None
    assert f"{link} is a link of another user's" in said()[0]


def test_a_folder_that_is_swapped_while_open_stays_the_same(folder: Path, tmp_path: Path) -> None:
    """Also between checking and opening: each step is taken in what is already open."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / NAME).write_bytes(entry(KEY, b"evil"))
    with PrivateFolder(folder) as opened:
        folder.rename(tmp_path / "moved")
        theirs.rename(folder)
        raw = opened.read(NAME, 1000)
        assert raw is not None and raw.endswith(b"code")
        opened.write(f"{OTHER}.code", b"more")
        opened.delete(NAME)
    assert [path.name for path in (tmp_path / "moved").iterdir()] == [f"{OTHER}.code"]
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_planted_code_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    """The right key, a right hash, other code, in a folder where anybody could have put it."""
    x = np.ones(64, np.float32)
    folder = tmp_path / "cache"
    monkeypatch.setenv("SCHEDC_CACHE", str(folder))
    monkeypatch.setattr(code_here, "_programs", WeakValueDictionary())
    wanted = schedc.load(LSTM).process(x)
    for path in folder.iterdir():
        raw = path.read_bytes()[40:]
        text = raw.index(b"\x7fELF") + 64  # behind the ELF header is code
        path.write_bytes(entry(path.stem, raw[:text] + bytes(len(raw) - text)))
    folder.chmod(0o777)
    monkeypatch.setattr(code_here, "_programs", WeakValueDictionary())
    np.testing.assert_array_equal(schedc.load(LSTM).process(x), wanted)
    assert len(said()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="anonymous files")
def test_loaded_code_cannot_be_changed_through_its_file() -> None:
    code = MappedCode([runner_object(make_options("host").target)])
    assert code.address(RUN_SYMBOL)
    names = [name for name in os.listdir("/proc/self/fd") if _leads_to(f"/proc/self/fd/{name}", "/memfd:schedc")]
    assert names
    for file in [os.open(f"/proc/self/fd/{name}", os.O_RDWR) for name in names]:
        with pytest.raises(PermissionError):
            os.write(file, b"x")
        with pytest.raises(PermissionError):
            os.ftruncate(file, 0)
        os.close(file)


def _leads_to(link: str, start: str) -> bool:
    try:
        return os.readlink(link).startswith(start)
    except FileNotFoundError:  # what the folder itself was read with
        return False


# -- what goes -----------------------------------------------------------------------------


def test_nothing_of_the_users_own_is_deleted(tmp_path: Path) -> None:
    """A folder that was there before, with names like ours and contents like ours, but never both."""
    theirs = {
        "tmp-notes.txt": b"notes",
        "my.code": entry(KEY, b"code"),
        f"{'AB' * 32}.code": entry(KEY, b"code"),
        f"{OTHER}.code": b"schedule of a concert",
        f"{OTHER}.code.bak": entry(KEY, b"code"),
        ".schedc-notes.partial": b"notes",
        f".schedc-{'0' * 16}.partial.txt": b"notes",
        "schedc1": b"schedc1\n",
    }
    for name, content in theirs.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "folder.code").mkdir()
    (tmp_path / f"{'12' * 32}.code").symlink_to(tmp_path / "my.code")
    before = sorted(path.name for path in tmp_path.iterdir())
    cache = CodeCache(tmp_path, most_bytes=100)
    for key in (KEY, "01" * 32):  # there is no room for both
        assert cache.put(key, bytes(90))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, f"{'01' * 32}.code"])
    assert cache.clear() == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert all((tmp_path / name).read_bytes() == content for name, content in theirs.items())


def test_a_write_that_is_interrupted_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PartialFile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        CodeCache(folder).put(OTHER, b"code")
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_unsafe_folders_are_told_from_missing_ones(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), PrivateFolder(tmp_path / "missing"):
        pass
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeFolder), PrivateFolder(tmp_path):
        pass
    shutil.rmtree(tmp_path)
