"""The cache on disk: hits without LLVM, damage, eviction, many processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.effort import LONG
from helpers.siblings import write_sibling
from llvmlite import ir

import schedc
from schedc import compiler
from schedc.backends.llvm.module import ObjectCode, emit_object
from schedc.cache import keys
from schedc.cache.code_cache import CodeCache, default_cache
from schedc.cache.compile_cache import compile_cached
from schedc.cli.main import main
from schedc.compiler import compile_graph
from schedc.errors import SchedcWarning
from schedc.files.partial import PartialFile
from schedc.frontend.capture import read_capture
from schedc.host import code as code_here
from schedc.options import make_options
from schedc.targets.base import Target
from schedc.targets.names import TARGET_NAMES

BY_NAME = {path.stem: path for path in EXAMPLES}
LSTM, NET = BY_NAME["lstm_1x16"], BY_NAME["convnet"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    # Else code that an earlier test has loaded, and nobody has collected yet, need not go through the folder.
    monkeypatch.setattr(code_here, "_programs", WeakValueDictionary())
    return tmp_path / "cache"


KEY, OTHER = ("00" * 32, "0f" * 32)


def test_what_was_put_is_got(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path / "new" / "folder")
    assert cache.get(KEY) is None
    assert cache.put(KEY, b"code")
    assert cache.get(KEY) == b"code"
    assert (cache.info().entries, cache.info().total_bytes) == (1, 44)
    assert cache.clear() == 1
    assert cache.get(KEY) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "renamed"])
def test_a_damaged_entry_is_written_anew(tmp_path: Path, damage: str) -> None:
    cache = CodeCache(tmp_path)
    cache.put(KEY, b"code" * 100)
    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    key = OTHER if damage == "renamed" else KEY
    if damage == "renamed":
        path.rename(tmp_path / f"{OTHER}.code")
    else:
        path.write_bytes({"flip": raw[:200] + b"X" + raw[201:], "cut": raw[:-1], "empty": b""}[damage])
    assert cache.get(key) is None
    assert cache.put(key, b"new") and cache.get(key) == b"new"
    assert cache.clear() == 1
    assert not list(tmp_path.iterdir())


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path, most_bytes=3 * 140)
    keys = [f"{number:064x}" for number in range(4)]
    for number, key in enumerate(keys[:3]):
        cache.put(key, bytes(100))
        os.utime(tmp_path / f"{key}.code", ns=(number, number))
    assert cache.get(keys[0]) is not None  # used now
    cache.put(keys[3], bytes(100))
    assert sorted(path.stem for path in tmp_path.iterdir()) == [keys[0], keys[2], keys[3]]


def test_unfinished_writes_of_the_dead_are_swept_up(tmp_path: Path) -> None:
    """But not of the living, whoever and wherever they are."""
    write = "import os, sys; from schedc.files.partial import PartialFile; PartialFile(sys.argv[1]).__enter__(); "
    end = "os.kill(os.getpid(), 9)" if os.name == "posix" else "os._exit(1)"
    subprocess.run([sys.executable, "-c", write + end, str(tmp_path)])
    (left,) = tmp_path.iterdir()
    with PartialFile(tmp_path) as held:
        CodeCache(tmp_path).put(KEY, b"code")
        assert sorted(path.name for path in tmp_path.iterdir()) == [Path(held.path).name, f"{KEY}.code"]
    assert left.name.startswith(".schedc-")


def test_a_folder_that_cannot_be_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/zero")):
        cache = CodeCache(path)
        with pytest.warns(SchedcWarning, match="is not used: it is no folder, or below what is none; SCHEDC_CACHE"):
            assert not cache.put(KEY, b"code")
        assert cache.get(KEY) is None
        assert (cache.info().entries, cache.info().fault) == (0, "it is no folder, or below what is none")


def test_the_environment_moves_and_disables_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path))
    assert default_cache().folder == tmp_path
    monkeypatch.setenv("SCHEDC_CACHE", "OFF")
    assert default_cache().folder is None
    monkeypatch.delenv("SCHEDC_CACHE")
    folder = default_cache().folder
    assert folder is not None and folder.name == "schedc"


def test_the_key_follows_every_source_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("")
    (tmp_path / "sub" / "b.yaml").write_text("")
    before = list(keys._facts(tmp_path))
    assert len(before) == 2
    (tmp_path / "sub" / "b.yaml").write_text("x: 1")
    assert list(keys._facts(tmp_path)) != before


def test_keys_name_the_compiler_and_llvm() -> None:
    facts = keys._sources()
    for file in ("compiler.py", "select_kernels.py", "kernels.py", "avx2.yaml"):
        assert f"/{file} " in facts, file
    assert "llvmlite" in keys._llvm()


def test_a_second_process_loads_without_llvm(folder: Path) -> None:
    code = (
        "import sys, numpy, schedc\n"
        f"y = schedc.load({str(LSTM)!r}).process(numpy.ones(100))\n"
        "print(y.tobytes().hex(), any(m.startswith('llvmlite') for m in sys.modules))"
    )
    runs = [
        subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True) for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert (first[1], second[1]) == ("True", "False")
    assert first[0] == second[0]
    assert len(list(folder.iterdir())) == 2  # the capture's, and the loop for silence


def test_a_damaged_entry_is_built_again(folder: Path) -> None:
    x = np.ones(100, np.float32)
    wanted = schedc.load(NET).process(x)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    np.testing.assert_array_equal(schedc.load(NET).process(x), wanted)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("target", TARGET_NAMES)
@pytest.mark.parametrize("cores", [1, 2])
def test_cached_compilations_are_the_same_bytes_by_any_name(folder: Path, target: str, cores: int) -> None:
    """One entry an architecture: names are put into the object afterwards."""
    graph, options = read_capture(LSTM).graph, make_options(target, cores)
    for name in ("amp", "stage0_x", "code"):
        anew = compile_graph(graph, options, name).code.elf
        assert [compile_cached(graph, options, name).code.elf for _ in range(2)] == [anew] * 2
    assert len(list(folder.iterdir())) == 1


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that LLVM makes objects for in this process."""
    targets: list[str] = []

    def counted(code: ir.Module, target: Target, with_assembly: bool = False) -> ObjectCode:
        targets.append(target.name)
        return emit_object(code, target, with_assembly)

    monkeypatch.setattr(compiler, "emit_object", counted)
    return targets


@pytest.mark.parametrize("target", ["m33", "avx2"])
def test_compile_writes_the_same_files_from_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emitted: list[str], target: str
) -> None:
    other = write_sibling(NET, tmp_path / "other.nam", seed=1)
    command = ["compile", "--target", target, "--cores", "2", "-o"]
    for place, cache in (("fresh", "off"), ("first", str(folder)), ("second", str(folder))):
        monkeypatch.setenv("SCHEDC_CACHE", cache)
        assert main([*command, str(tmp_path / place), str(NET)]) == 0
    assert emitted == [target, target]  # the last one was known,
    assert main([*command, str(tmp_path / "third"), str(other)]) == 0
    assert len(emitted) == 2  # and so is any capture of the architecture
    fresh, first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / place).iterdir()}
        for place in ("fresh", "first", "second")
    )
    assert fresh == first == second


def test_explain_uses_it_too(folder: Path, emitted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["explain", str(NET), "--target", "m33"]) == 0
    assert emitted == ["m33"]
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]


def test_texts_and_dumps_are_made_anew(folder: Path, tmp_path: Path, emitted: list[str]) -> None:
    command = ["compile", str(NET), "--target", "m33", "-o", str(tmp_path / "out")]
    for more in ([], ["--emit-texts"], ["--dump-passes", str(tmp_path / "dumps")]):
        assert main([*command, *more]) == 0
    assert emitted == ["m33"] * 3
    assert (tmp_path / "out" / "convnet.s").stat().st_size > 1000
    assert list((tmp_path / "dumps").glob("*.dot"))


def test_many_processes_and_kills_leave_no_wrong_entry(tmp_path: Path) -> None:
    """A short form of soak_cache.py: writers of one folder, half of them killed at random."""
    soak = Path(__file__).with_name("soak_cache.py")
    seconds = "20" if LONG else "1.5"  # of a clock that starts when all are at work; the verdict counts no turns
    done = subprocess.run([sys.executable, str(soak), str(tmp_path), seconds], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
