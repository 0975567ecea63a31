"""Names of captures in every form, one or several in a row, in every function; and what is no name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.conftest import write_capture
from helpers.siblings import write_sibling

import schedc
from schedc.errors import OptionError, UserError

X = np.random.default_rng(9).normal(0.0, 0.2, 60).astype(np.float32)
Answer = Callable[[Any], bytes]


class AsBytes:
    """``__fspath__`` may give bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


class AsNumber:
    def __fspath__(self) -> int:
        return 3


@pytest.fixture(scope="module")
def fir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "fir.nam"
    return write_capture(path, "Linear", {"receptive_field": 3, "bias": False}, [0.5, 0.25, -1.0], sample_rate=48000)


@pytest.fixture(scope="module")
def functions(fir: Path) -> dict[str, Answer]:
    """By name: what a function makes of the captures it is given, in bytes."""
    one, two = (schedc.load([fir] * count) for count in (1, 2))
    made = [schedc.compile([fir] * count, target="m33", name="nano") for count in (1, 2)]

    def several(path: Any) -> bool:
        return isinstance(path, list | tuple) and len(path) == 2

    def set_weights(path: Any) -> bytes:
        processor = two if several(path) else one
        processor.set_weights(path)
        return processor.process(X).tobytes()

    return {
        "compile": lambda path: schedc.compile(path, target="m33", name="nano").weights,
        "load": lambda path: schedc.load(path).process(X).tobytes(),
        "chain": lambda path: schedc.chain(path).process(X).tobytes(),
        "interpret": lambda path: schedc.interpret(path, X, "float32").tobytes(),
        "pack": lambda path: schedc.pack(path, made[several(path)]),
        "Processor.pack": lambda path: (two if several(path) else one).pack(path).data.tobytes(),
        "set_weights": set_weights,
    }


def test_a_path_in_any_form(functions: dict[str, Answer], fir: Path) -> None:
    forms = [fir, str(fir), os.fsencode(fir), AsBytes(fir), [fir], (os.fsencode(fir),)]
    for name, act in functions.items():
        assert len({act(form) for form in forms}) == 1, name


def test_captures_in_a_row_everywhere(functions: dict[str, Answer], fir: Path) -> None:
    inner = np.frombuffer(functions["load"](fir), np.float32)
    with schedc.load([fir, fir]) as pair:
        wanted = pair.process(X).tobytes()
    for name in ("load", "chain", "interpret", "set_weights"):
        assert functions[name]([fir, os.fsencode(fir)]) == functions[name]((str(fir), fir)) == wanted
    assert functions["compile"]([fir, fir]) == functions["pack"]([fir, fir])
    assert wanted != inner.tobytes()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (3, "path: 3 is neither a path nor a list of paths"),
        (None, "path: None is neither a path nor a list of paths"),
        ({"a.nam"}, "path: {'a.nam'} is neither a path nor a list of paths"),
        ([], "path: there are no captures; give at least one"),
        ((), "path: there are no captures; give at least one"),
        ([3], "path: 3 is not a path"),
        (["a.nam", None], "path: None is not a path"),
        ([["a.nam"]], "path: ['a.nam'] is not a path"),
        (bytearray(b"amp.nam"), "path: 97 is not a path"),
        (AsNumber(), "path: <"),
    ],
)
def test_what_is_no_path(functions: dict[str, Answer], path: Any, words: str) -> None:
    for act in functions.values():
        with pytest.raises(OptionError) as refusal:
            act(path)
        assert str(refusal.value).startswith(words) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("path", ["no such.nam", b"no such \xff.nam", "nul\0.nam", b"nul\0.nam", ""])
def test_what_cannot_be_read(functions: dict[str, Answer], path: Any) -> None:
    for act in functions.values():
        with pytest.raises(UserError) as refusal:
            act(path)
        assert "\n" not in str(refusal.value) and "internal" not in str(refusal.value)


def test_other_arguments_of_the_wrong_kind(fir: Path) -> None:
    artifact = schedc.compile(fir, target="m33")
    compile_any: Any = schedc.compile
    pack_any: Any = schedc.pack
    interpret_any: Any = schedc.interpret
    write_any: Any = artifact.write
    no_report = "is neither a report, nor its path, nor an Artifact"
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: pack_any(fir, 3), f"compiled: 3 {no_report}"),
        (lambda: pack_any(fir, None), f"compiled: None {no_report}"),
        (lambda: pack_any(fir, artifact, slim="s"), "slim: 's' is not a number"),
        (lambda: pack_any(fir, artifact, prewarm=1), "prewarm: 1 is neither True nor False"),
        (lambda: compile_any(fir, 3), "target: 3 is neither a name nor a file; see schedc targets"),
        (lambda: compile_any(fir, name=3), "name: 3 is not text"),
        (lambda: compile_any(fir, name=""), "name: '' is not a C identifier"),
        (lambda: compile_any(fir, schedule=b"none.yaml"), "none.yaml: "),
        (lambda: interpret_any(fir, X, "half"), "precision: 'half' is none; use float32 or float64"),
        (lambda: interpret_any(fir, X, contract="fused"), "contract: 'fused' is not a Contract"),
        (lambda: write_any(3), "folder: 3 is not a path"),
    ]
    for act, words in cases:
        with pytest.raises(UserError) as refusal:
            act()
        assert str(refusal.value).startswith(words)


def test_a_report_and_a_folder_in_any_form(fir: Path, tmp_path: Path) -> None:
    artifact = schedc.compile(fir, target="m33", name="nano")
    artifact.write(os.fsencode(tmp_path / "out"))
    report = tmp_path / "out" / "nano.json"
    other = write_sibling(fir, tmp_path / "other.nam", seed=1)
    blobs = [schedc.pack(other, form) for form in (report, str(report), os.fsencode(report), artifact)]
    assert set(blobs) == {schedc.pack(other, artifact.report)}
