"""A target of one's own stands wherever a target's name does."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.effort import LONG

import schedc
import schedc.cache.compile_cache as compile_cache
from schedc.cli.main import main
from schedc.compiler import compile_graph, emit_plan
from schedc.errors import OptionError, UserError
from schedc.frontend.capture import read_capture
from schedc.options import choose, find_target
from schedc.planning import Plan
from schedc.targets.base import load_target, read_target
from schedc.targets.checks import leaves
from schedc.targets.keys import DESCRIPTION, Key
from schedc.targets.names import TARGET_NAMES

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "examples" / "captures"
DOCUMENT = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, wavenet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with the document's target and a small capture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "daisy.yaml").write_text(block("yaml"), encoding="utf-8")
    wavenet.rename("amp.nam")
    return tmp_path


@pytest.mark.parametrize("line", block("sh").splitlines(), ids=lambda line: line.split()[1])
def test_the_documents_commands(folder: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = line.split("#")[0].split()[1:]
    assert main([*arguments, *(["--samples", "300"] if "verify" in arguments else [])]) == 0
    out, err = capsys.readouterr()
    assert err == "" and ("daisy.yaml" in out or "Cortex-M7" in out)


def test_what_is_written_names_the_file_and_not_where_it_is(folder: Path) -> None:
    assert main(["compile", "amp.nam", "--target", str(folder / "daisy.yaml"), "-o", "build"]) == 0
    report = json.loads((folder / "build" / "amp.json").read_text())
    assert (report["target"], report["target_full_name"]) == (
        "daisy.yaml",
        "Cortex-M7 of an STM32H750 (Daisy Seed)",
    )
    assert report["estimate"]["clock_hz"] == 480e6
    assert "daisy.yaml" in (folder / "build" / "amp.h").read_text()
    for path in (folder / "build").iterdir():
        assert str(folder).encode() not in path.read_bytes(), path.name


def test_python_takes_a_path_or_a_text(folder: Path) -> None:
    """A text is for users without type checkers, who cannot tell a file of one's own from a misspelt name."""
    compiled: Any = schedc.compile
    by_path = schedc.compile("amp.nam", target=Path("daisy.yaml"))
    by_text = compiled("amp.nam", target="daisy.yaml")
    assert by_path.code == by_text.code and by_path.report == by_text.report
    (folder / "daisy.yml").write_text(block("yaml"), encoding="utf-8")
    assert compiled("amp.nam", target="daisy.yml").code == by_path.code
    with pytest.raises(UserError, match=r"^other\.yaml: no such file; check the name"):
        compiled("amp.nam", target="other.yaml")
    with pytest.raises(OptionError, match=r"there is no target './daisy'; known: .*; the file of one's own ends in "):
        compiled("amp.nam", target="./daisy")
    with pytest.raises(OptionError, match="target: 3 is neither a name nor a file; see schedc targets"):
        schedc.compile("amp.nam", target=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder.yaml", "is a folder"),
        ("pipe.yaml", "is not a regular file"),
        ("large.yaml", r"1048577 bytes is too large for a target \(limit 1048576\)"),
        ("gone.yaml", "no such file; check the name"),
        ("a\0b.yaml", r"cannot be read \(embedded null byte\)"),
    ],
)
def test_only_a_file_of_some_size_is_read(folder: Path, name: str, message: str) -> None:
    (folder / "folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    (folder / "large.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(UserError, match=message):
        find_target(name)


@pytest.mark.parametrize("command", ["compile", "verify", "explain", "bench", "batch", "analyze"])
def test_every_command_refuses_a_wrong_one_alike(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.yaml").write_text("based_on: m33\nblok: 3\n")
    more = {"batch": ["-o", "out", "--jobs", "0"], "analyze": ["--entry", "f"]}.get(command, [])
    given = "." if command == "batch" else "amp.nam"
    assert main([command, given, "--target", "bad.yaml", *more]) == 2
    assert capsys.readouterr() == ("", "schedc: bad.yaml: there is no key 'blok'; did you mean block?\n")


def test_batch_and_analyze_take_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", ".", "--target", "daisy.yaml", "-o", "out", "--jobs", "0"]) == 0
    (written,) = (folder / "out").rglob("*.json")
    assert json.loads(written.read_text())["target"] == "daisy.yaml"
    (folder / "fast.yaml").write_text("based_on: m33\nblock: 16\n")
    assert main(["compile", "amp.nam", "--target", "fast.yaml", "-o", "build"]) == 0
    capsys.readouterr()
    arguments = ["--entry", "amp_process", "--samples", "16", "--json", "--init", "amp_init/2"]
    buffers = ["buffer:400000", "file:build/amp_weights.bin", "buffer:64", "buffer:64", "16"]
    found = [word for buffer in buffers for word in ("--arg", buffer)]
    assert main(["analyze", "build/amp.o", "--target", "fast.yaml", *arguments, *found]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "fast.yaml"


def test_code_of_this_machine_by_a_description_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text(f"based_on: {find_target('host').name}\nfull_name: my computer\n")
    assert main(["verify", "amp.nam", "--target", "mine.yaml", "--samples", "500"]) == 0
    assert capsys.readouterr().out.startswith("amp: WaveNet for my computer, 1 core, on this machine\n")


def test_the_cache_knows_a_target_by_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emitted: list[str] = []

    def emit(plan: Plan, name: str, assembly: bool = False) -> Any:
        emitted.append(plan.options.target.file)
        return emit_plan(plan, name, assembly)

    monkeypatch.setattr(compile_cache, "emit_plan", emit)
    (folder / "else").mkdir()
    shutil.copy("daisy.yaml", "else/daisy.yaml")
    first = schedc.compile("amp.nam", target=Path("daisy.yaml"))
    assert schedc.compile("amp.nam", target=Path("else/daisy.yaml")).code == first.code
    assert emitted == ["daisy.yaml"]
    text = block("yaml") + "limits: {accumulators: 4}\n"
    Path("daisy.yaml").write_text(text, encoding="utf-8")
    assert schedc.compile("amp.nam", target=Path("daisy.yaml")).code != first.code
    assert emitted == ["daisy.yaml"] * 2


def test_keys_are_laid_over_the_base_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(
        "based_on: m33\nfacts: {clock_hz: {value: 2.0e+8, source: guess}, cores: null}\nlimits: {accumulators: 9}\n"
        "pipeline: {kinds: {fma: {issue: 1, latency: 4, source: guess}}, options: {bus_blocked: {value: 0, source: x}}}"
    )
    base, own = load_target("m33"), read_target(path)
    assert own.facts.keys() == base.facts.keys() - {"cores"}
    assert (own.fact("clock_hz"), own.fact("load_cycles")) == (2e8, base.fact("load_cycles"))
    assert (own.limits.accumulators, own.limits.rings) == (9, base.limits.rings)
    assert own.pipeline and base.pipeline and own.codegen == base.codegen
    changed = {kind for kind, timing in own.pipeline.kinds.items() if timing != base.pipeline.kinds[kind]}
    assert changed == {"fma"} and own.pipeline.options["bus_blocked"].value == 0


def test_the_names_of_facts_are_those_that_the_code_asks_for() -> None:
    """No key of the table is idle, and none is missing from it."""
    asked: set[str] = set()
    for top in ("schedc", "passes", "backends"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    asked.add(node.value)
    facts = DESCRIPTION["facts"]
    assert not isinstance(facts, Key)
    assert set(facts) <= asked
    assert all(set(load_target(name).facts) <= set(facts) for name in TARGET_NAMES)


def any_target(random_: random.Random) -> dict[str, Any]:
    """A description of allowed values; whether they go together is another matter."""
    data: dict[str, Any] = {"based_on": random_.choice(TARGET_NAMES)}
    keys = [(path, key) for path, key in leaves(DESCRIPTION) if key.kind != "text" and path != "based_on"]
    for path, key in random_.sample(keys, random_.randint(1, 6)):
        table = data
        *tables, last = path.split(".")
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = any_value(key, random_)
    return data


def any_value(key: Key, random_: random.Random) -> Any:
    if key.kind == "flag":
        return random_.random() < 0.5
    if key.words:
        return random_.choice(key.words) if key.kind == "word" else random_.sample(key.words, random_.randint(1, 2))
    number = random_.choice([key.least, key.most, random_.uniform(key.least, key.most), key.least * 2])
    number = min(max(number, key.least), key.most)
    number = int(number) if key.whole or key.kind == "whole number" else number
    if key.kind == "timing":
        return {"issue": number, "latency": random_.choice([0, 1, key.most]), "source": "guess"}
    return {"value": number, "source": "guess"} if key.kind == "fact" else number


@pytest.mark.parametrize("seed", range(300 if LONG else 8))
def test_whatever_a_file_says_it_compiles_or_is_refused(seed: int, tmp_path: Path) -> None:
    """Never an InternalError, and the bits are the interpreter's where the code runs here."""
    random_ = random.Random(seed)
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(any_target(random_)))
    capture = read_capture(CAPTURES / random_.choice(["a1_nano.nam", "lstm_1x16.nam"]))
    try:
        options = choose(path, {"cores": random_.choice([1, 2]), "block": random_.choice([None, 1, 5, 64])}).options
        compile_graph(capture.graph, options)
    except UserError as error:
        assert error.where.startswith((str(path), "cores", "split"))
