"""docs/targets.md and the JSON Schema say what the loader's table says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.goldens import REFRESH
from helpers.target_docs import key_table, pipeline_table

from schedc.cli.main import main
from schedc.targets.instruction_sets import BY_ARCHITECTURE
from schedc.targets.json_schema import json_schema
from schedc.targets.names import TARGET_NAMES

DOCUMENT = Path(__file__).parents[2] / "docs" / "targets.md"


@pytest.mark.parametrize(("name", "table"), [("keys", key_table()), ("pipeline", pipeline_table())])
def test_the_tables_are_the_loaders(name: str, table: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    if os.environ.get(REFRESH):
        DOCUMENT.write_text(pattern.sub(lambda _: table, text, count=1), encoding="utf-8")
        return
    (found,) = pattern.findall(text)
    assert found == table, f"{REFRESH}=1 python -m pytest tests/targets writes it anew"


def test_the_document_names_every_architecture() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in BY_ARCHITECTURE if f"`{name}`" not in text] == []


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_the_descriptions_fit_the_schema(name: str) -> None:
    text = resources.files("schedc.targets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    fits(yaml.safe_load(text), json_schema(), name)


def test_the_schema_has_teeth() -> None:
    schema = json_schema()
    faults: list[object] = [{"bloc": 64}, {"block": "64"}, {"facts": {"clock_hz": 1e6}}, {"vectors": {"lanes": 17}}]
    for wrong in [*faults, {"mac": []}]:
        with pytest.raises(AssertionError):
            fits(wrong, schema, "")


def fits(value: object, schema: Mapping[str, Any], path: str) -> None:
    """The part of JSON Schema that the schema uses."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(is_a(value, kind) for kind in types), f"{path}: {value!r} is not {types}"
    if value is None:
        return
    assert value in schema.get("enum", [value]), path
    if isinstance(value, dict):
        assert set(value) <= set(schema["properties"]), path
        assert set(schema.get("required", ())) <= set(value), path
        for key, inner in value.items():
            fits(inner, schema["properties"][key], f"{path}.{key}")
    elif isinstance(value, list):
        assert len(value) >= schema["minItems"] and len(set(value)) == len(value), path
        for item in value:
            fits(item, schema["items"], path)
    elif isinstance(value, int | float) and not isinstance(value, bool) and "minimum" in schema:
        assert schema["minimum"] <= value <= schema["maximum"], path


def is_a(value: object, kind: str) -> bool:
    python = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    if kind in python:
        return isinstance(value, python[kind])
    number = isinstance(value, int) or (isinstance(value, float) and (kind == "number" or value.is_integer()))
    return number and not isinstance(value, bool)
