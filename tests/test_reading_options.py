"""What decides how a capture is read is taken by every door through which captures come in, and minded there."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import soundfile
import typer

import schedc
from schedc.cli.main import app, main
from schedc.cli.options import FLAGS, READING
from schedc.frontend.build_graph import BuildOptions
from schedc.frontend.capture import Reading
from schedc.frontend.chains import read_source
from schedc.options import InterpretOptions, LoadOptions, ReadingOptions, choose

# The FiLM that old engines left out is warned of.
pytestmark = pytest.mark.filterwarnings("ignore::schedc.errors.SchedcWarning")
X = np.random.default_rng(2).normal(0, 0.3, 200).astype(np.float32)
DEFAULTS = {"slim": None, "core_0_5_5_layer1x1_post_film": False}
# Option of Python's -> another value than the default, how the command line says it, and a capture that minds.
CASES: dict[str, tuple[Any, list[str], str]] = {
    "slim": (0.0, ["--slim", "0"], "slimmable.nam"),
    "core_0_5_5_layer1x1_post_film": (True, ["--core-0-5-5-film"], "film.nam"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captures, a sibling of each, and a sound."""
    folder = tmp_path_factory.mktemp("captures")
    layers = {
        **dict.fromkeys(("input_size", "condition_size", "head_size"), 1),
        "channels": 2,
        "dilations": [1, 3],
        "kernel_size": 2,
        "activation": "Tanh",
        "head_bias": True,
    }
    slimmable = {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [1, 2]}}
    film = {"layer1x1_post_film": {"active": True, "shift": True, "groups": 1}}
    for name, more, count in (("slimmable", {"slimmable": slimmable}, 42), ("film", film, 58)):
        for seed, stem in enumerate((name, f"{name}_sibling")):
            document = {
                "version": "0.7.0",
                "architecture": "WaveNet",
                "sample_rate": 48000,
                "config": {"layers": [{**layers, **more}], "head_scale": 0.5},
                "weights": [*np.random.default_rng(seed).normal(0, 0.5, count - 1).tolist(), 0.5],
            }
            (folder / f"{stem}.nam").write_text(json.dumps(document), encoding="utf-8")
    soundfile.write(folder / "in.wav", X, 48000, subtype="FLOAT")
    return folder


def test_each_is_tried() -> None:
    assert set(CASES) == set(READING) == set(DEFAULTS)
    assert set(CASES) | {"prewarm"} == set(get_type_hints(ReadingOptions))
    assert set(Reading.__dataclass_fields__) == {"slim", "prewarm", "build"}
    assert set(BuildOptions.__dataclass_fields__) <= set(CASES)


@pytest.mark.parametrize("function", [schedc.load, schedc.chain, schedc.interpret, schedc.compile])
def test_functions_take_them(function: Callable[..., object]) -> None:
    assert set(get_type_hints(ReadingOptions)) <= set(inspect.signature(function).parameters)
    assert set(get_type_hints(ReadingOptions)) <= set(get_type_hints(InterpretOptions))
    assert set(get_type_hints(ReadingOptions)) <= set(get_type_hints(LoadOptions))


def test_commands_take_them() -> None:
    """All that take captures; ``pack`` has them from the report of the code (and may choose a size)."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    taking = {name: {o for p in c.params for o in p.opts} for name, c in commands.items() if "MODEL" in str_of(c)}
    assert set(taking) == {"compile", "run", "verify", "explain", "bench", "pack"}
    flags = {FLAGS[name].spelled for name in READING}
    assert [name for name, options in taking.items() if not flags <= options] == ["pack"]
    assert flags <= {option for parameter in commands["batch"].params for option in parameter.opts}


def str_of(command: Any) -> str:
    return " ".join(str(parameter.metavar) for parameter in command.params)


def wanted(path: Path, option: str, value: object) -> np.ndarray:
    """The interpreter's bits."""
    given: Any = {option: value}
    found: np.ndarray = schedc.interpret(path, X, "float32", **given)
    return found


@pytest.mark.parametrize("option", CASES)
def test_every_function_minds_them(option: str, place: Path) -> None:
    value, _, name = CASES[option]
    path, sibling = place / name, place / name.replace(".", "_sibling.")
    given: Any = {option: value}
    y, other = wanted(path, option, value), wanted(path, option, DEFAULTS[option])
    assert not np.array_equal(y, other)
    exact, other_exact = schedc.interpret(path, X, **given), schedc.interpret(path, X)
    assert np.max(np.abs(exact - y)) < 1e-5 < np.max(np.abs(exact - other_exact))
    p = schedc.load(path, **given)
    np.testing.assert_array_equal(p.process(X), y)
    p.set_weights(sibling)
    np.testing.assert_array_equal(p.process(X), wanted(sibling, option, value))
    p.reset()
    np.testing.assert_array_equal(p.process(X), wanted(sibling, option, value))
    with schedc.chain([path, path], **given) as chained:
        chain = chained.process(X)
    with schedc.chain([path, path]) as chained:
        assert not np.array_equal(chained.process(X), chain)
    graph = read_source([path, path], choose("host", given).reading).graph
    assert graph.digest() != read_source([path, path]).graph.digest()
    made = schedc.compile(path, target="m33", **given)
    assert dict(made.report)[option] == value
    assert schedc.pack(path, made.report) == schedc.pack(path, made) == made.weights
    assert schedc.pack(sibling, made) != made.weights
    plain = schedc.compile(path, target="m33")
    assert made.report["graph_digest"] != plain.report["graph_digest"]
    assert made.weights != plain.weights == schedc.pack(path, plain)


@pytest.mark.parametrize("option", CASES)
def test_every_command_minds_them(option: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value, spelled, name = CASES[option]
    path, model = place / name, str(place / name)
    assert main(["run", model, str(place / "in.wav"), str(tmp_path / "out.wav"), *spelled]) == 0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], wanted(path, option, value))
    assert main(["compile", model, "-t", "m33", "-o", str(tmp_path), *spelled]) == 0
    made = schedc.compile(path, target="m33", **{option: value})
    assert (tmp_path / path.with_suffix(".o").name).read_bytes() == made.code
    report = tmp_path / path.with_suffix(".json").name
    assert main(["pack", model, "--for", str(report), "-o", str(tmp_path / "w.bin")]) == 0
    assert (tmp_path / "w.bin").read_bytes() == made.weights
    capsys.readouterr()
    assert main(["explain", model, "-t", "m33", "--json", *spelled]) == 0
    assert json.loads(capsys.readouterr().out)["graph_digest"] == made.report["graph_digest"]
    assert main(["verify", model, "-t", "m33", "--samples", "50", *spelled]) == 0
    assert main(["bench", model, "--block", "64", "--json", *spelled]) == 0
    library = tmp_path / "library"
    library.mkdir()
    shutil.copy(path, library)
    assert main(["batch", str(library), "-t", "m33", "-o", str(tmp_path / "fleet"), "--jobs", "0", *spelled]) == 0
    (blob,) = (tmp_path / "fleet").rglob(f"{path.stem}.bin")
    assert read_source(path, choose("host", {option: value}).reading).graph.digest()[:8] in str(blob.parent)
