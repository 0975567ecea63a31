"""The code cache among users: nobody gets code from another one.

Two users where the tests may become others (as root), else a process that takes itself for somebody else.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from helpers.cache_entries import entry

from schedc.cache.code_cache import CodeCache
from schedc.errors import SchedcWarning

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and permissions of POSIX")
KEY, OTHER = "ab" * 32, "cd" * 32
NAME = f"{KEY}.code"
VICTIM, ATTACKER = 64001, 64002
IS_ROOT = os.name == "posix" and os.geteuid() == 0


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder where everybody gets in."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_user(number: int, what: Callable[[], object]) -> str:
    """What ``what`` returns, in words, in a process of another user."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
            os.write(writer, repr(what()).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    return said


def owned(path: Path, by: int, mode: int) -> Path:
    path.mkdir(exist_ok=True)
    os.chown(path, by, by)
    path.chmod(mode)
    return path


def quiet(call: Callable[[], object]) -> Callable[[], object]:
    def called() -> object:
        warnings.simplefilter("ignore")
        return call()

    return called


need_users = pytest.mark.skipif(
    not (IS_ROOT and sys.platform.startswith("linux")), reason="needs root, to become two other users"
)


@need_users
def test_two_users_share_nothing(shared: Path) -> None:
    """A home of the victim's, a cache that the attacker made first, entries and links that he put there."""
    home = owned(shared / "home", VICTIM, 0o755)
    assert as_user(VICTIM, lambda: CodeCache(home / "cache").put(KEY, b"code")) == "True"
    assert as_user(VICTIM, lambda: CodeCache(home / "cache").get(KEY)) == repr(b"code")
    assert as_user(ATTACKER, lambda: (home / "cache" / NAME).read_bytes()).startswith("PermissionError")
    assert as_user(ATTACKER, quiet(lambda: CodeCache(home / "cache").get(KEY))) == "None"

    theirs = owned(shared / "theirs", ATTACKER, 0o755)
    as_user(ATTACKER, lambda: (theirs / NAME).write_bytes(entry(KEY, b"evil")))
    assert (theirs / NAME).read_bytes() == entry(KEY, b"evil")
    assert as_user(VICTIM, quiet(lambda: CodeCache(theirs).get(KEY))) == "None"
    assert as_user(VICTIM, lambda: CodeCache(theirs).get(KEY)).startswith("SchedcWarning")

    os.chown(home / "cache", VICTIM, VICTIM)
    (home / "cache").chmod(0o777)  # a victim who is careless, for a moment
    as_user(ATTACKER, lambda: (home / "cache" / NAME).unlink())
    as_user(ATTACKER, lambda: (home / "cache" / NAME).write_bytes(entry(KEY, b"evil")))
    assert (home / "cache" / NAME).read_bytes() == entry(KEY, b"evil")
    assert as_user(VICTIM, quiet(lambda: CodeCache(home / "cache").get(KEY))) == "None"
    (home / "cache").chmod(0o700)
    assert as_user(VICTIM, lambda: CodeCache(home / "cache").get(KEY)) == "None"  # it is still the attacker's file


@need_users
def test_two_users_in_a_sticky_folder(shared: Path) -> None:
    """SCHEDC_CACHE=/tmp/x: what the attacker makes there first, a folder or a link, is not used."""
    tmp, clone = owned(shared / "tmp", 0, 0o1777), owned(shared / "clone", VICTIM, 0o755)
    as_user(VICTIM, lambda: (clone / NAME).write_bytes(entry(KEY, b"evil")))  # it came with somebody's repository
    as_user(ATTACKER, lambda: (tmp / "folder").mkdir(0o777))
    as_user(ATTACKER, lambda: (tmp / "link").symlink_to(clone))
    for cache in (CodeCache(tmp / "folder"), CodeCache(tmp / "link")):
        assert as_user(VICTIM, quiet(partial(cache.put, KEY, b"ours"))) == "False"
        assert as_user(VICTIM, quiet(partial(cache.get, KEY))) == "None"
    assert as_user(VICTIM, lambda: CodeCache(tmp / "own").put(KEY, b"ours")) == "True"
    assert as_user(ATTACKER, lambda: (tmp / "own").rename(tmp / "moved")).startswith("PermissionError")
    assert as_user(VICTIM, lambda: CodeCache(tmp / "own").get(KEY)) == repr(b"ours")


@need_users
def test_root_trusts_no_users_cache(shared: Path) -> None:
    """``sudo schedc`` with the user's home: what the user wrote is not run by root, and nothing of root's is left."""
    home = owned(shared / "home", VICTIM, 0o755)
    as_user(VICTIM, lambda: CodeCache(home / "cache").put(KEY, b"evil"))
    with pytest.warns(SchedcWarning, match="belongs to another user"):
        assert CodeCache(home / "cache").get(KEY) is None
    assert not CodeCache(home / "cache").put(OTHER, b"root's")
    assert [path.name for path in (home / "cache").iterdir()] == [NAME]


def test_a_folder_of_another_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that takes itself for somebody else, where the tests cannot become others."""
    assert CodeCache(tmp_path / "cache").put(KEY, b"code")
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.warns(SchedcWarning, match="belongs to another user") as said:
        assert CodeCache(tmp_path / "cache").get(KEY) is None
        assert not CodeCache(tmp_path / "cache").put(OTHER, b"code")
    assert len(said) == 1


def test_a_file_of_another_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, honest = CodeCache(tmp_path / "cache"), os.fstat

    def as_another_users(file: int) -> os.stat_result:
        facts = list(honest(file))
        if stat.S_ISREG(int(facts[stat.ST_MODE])):
            facts[stat.ST_UID] += 1
        return os.stat_result(facts)

    assert cache.put(KEY, b"code") and cache.get(KEY) == b"code"
    monkeypatch.setattr(os, "fstat", as_another_users)
    assert cache.get(KEY) is None
