"""What a target's file may not say, each in one line that names file and key."""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedc.backends.codegen_check import check_codegen
from schedc.backends.llvm.codegen_probe import missing_function
from schedc.errors import UserError
from schedc.targets.base import load_target, read_target
from schedc.targets.checks import check_keys, leaves
from schedc.targets.instruction_sets import Machine
from schedc.targets.keys import DESCRIPTION, PIPELINE_KINDS, Key
from schedc.targets.names import TARGET_NAMES
from schedc.targets.rules import check_whole

KEYS = dict(leaves(DESCRIPTION))
CASES = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text(encoding="utf-8"))


def refusal(folder: Path, text: str) -> str:
    """The message, without the file's path, which begins it."""
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_target(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable() and len(message) < 600
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("case", CASES["keys"], ids=lambda case: case["says"][:50])
def test_a_key_by_itself(tmp_path: Path, case: dict[str, str]) -> None:
    assert refusal(tmp_path, case["file"]) == case["says"].replace("(targets)", ", ".join(TARGET_NAMES))


@pytest.mark.parametrize("case", CASES["whole"], ids=lambda case: case["says"][:50])
def test_what_does_not_go_together(tmp_path: Path, case: dict[str, str]) -> None:
    assert refusal(tmp_path, f"based_on: {case['based_on']}\n{case['file']}") == case["says"]


@pytest.mark.parametrize("path", KEYS)
def test_every_key_refuses_another_kind_and_a_misspelling(path: str) -> None:
    *tables, name = path.split(".")
    for key, value, place in ((name, [[]], path), (f"{name}q", 1, ".".join(tables))):
        data: Any = {key: value}
        for table in reversed(tables):
            data = {table: data}
        with pytest.raises(UserError) as caught:
            check_keys(data, "F")
        assert caught.value.where.startswith(f"F: {place}" if place else "F")
        if key != name:
            assert caught.value.remedy == f"did you mean {name}?"


@pytest.mark.parametrize("path", [path for path, key in KEYS.items() if key.least < key.most])
def test_every_number_has_bounds(path: str) -> None:
    key = KEYS[path]
    for value in (key.most * 2 + 1, key.least - 1, float("inf"), -float("inf"), float("nan"), 10**30):
        with pytest.raises(UserError, match=f"F: {path}.* cannot be; give "):
            check_keys(nested(path, row(key, value)), "F")


def nested(path: str, value: object) -> dict[str, Any]:
    data = value
    for name in reversed(path.split(".")):
        data = {name: data}
    assert isinstance(data, dict)
    return data


def row(key: Key, value: float) -> object:
    """What stands behind a key that holds this number."""
    if key.kind == "fact":
        return {"value": value, "source": "guess"}
    return {"issue": value, "latency": 1, "source": "guess"} if key.kind == "timing" else value


def described(name: str) -> dict[str, Any]:
    text = resources.files("schedc.targets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return check_keys(yaml.safe_load(text), name)


@pytest.mark.parametrize("name", ["m33", "a8", "avx2", "aarch64"])
def test_nothing_that_is_needed_can_be_left_out(name: str) -> None:
    """Each key of a whole description in turn: it is asked for by its path, or has a default."""
    whole = described(name)
    for path, key in KEYS.items():
        data = copy.deepcopy(whole)
        *tables, last = path.split(".")
        table = data
        for step in tables:
            table = table.get(step, {})
        if last not in table:
            continue
        del table[last]
        if key.needed == "never" and not path.startswith("pipeline."):
            check_whole(data, "F")
        elif key.default is None:
            with pytest.raises(UserError, match="F: "):
                check_whole(data, "F")


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_code_of_schedcs_own_targets_is_closed(name: str) -> None:
    assert missing_function(load_target(name)) == ""


def test_the_emulators_are_the_emulators() -> None:
    assert KEYS["emulator"].words == ("", *(machine.value for machine in Machine))
    assert set(KEYS["pipeline.model"].words) == set(PIPELINE_KINDS)


@pytest.mark.parametrize("case", CASES["codegen"], ids=lambda case: case["says"][:50])
def test_what_llvm_cannot_do_is_found_before_it_is_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], case: dict[str, Any]
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump({"based_on": case["based_on"], "codegen": case["codegen"]}))
    with pytest.raises(UserError) as caught:
        check_codegen(read_target(path))
    assert str(caught.value).startswith(f"{path}: {case['says']}")
    assert capfd.readouterr() == ("", "")


def test_a_processor_without_fused_ones_may_do_without(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("based_on: avx2\ncodegen: {cpu: x86-64, features: ''}\nvectors: {lanes: 4}\nmac: [unfused]\n")
    check_codegen(read_target(path))


def test_code_that_is_not_closed_is_the_fault_of_its_target() -> None:
    """Whatever the trial did not try."""
    from schedc.backends.llvm.codegen_probe import probe_module
    from schedc.backends.llvm.module import emit_object
    from schedc.errors import InternalError

    target = load_target("avx2")
    target = replace(target, codegen=replace(target.codegen, cpu="x86-64", features=""))
    with pytest.raises(InternalError, match="needs the undefined symbol 'fmaf'"):
        emit_object(probe_module(target), target)
    own = replace(target, file="my.yaml")
    with pytest.raises(UserError, match=r"^my\.yaml: codegen\.features: code would call fmaf, "):
        emit_object(probe_module(own), own)
