"""Every refusal of the reader, with its exact words: the table is reject_cases.yaml.

The last test reads a list of documents and recommended reactions when it lies beside the checkout
(``../shared/golden/reject_cases.json``).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedc.errors import ModelFileError
from schedc.frontend.nam_file import read_nam_document

TABLE = Path(__file__).with_name("reject_cases.yaml")
SHARED_CASES = Path(__file__).parents[2].parent / "shared" / "golden" / "reject_cases.json"


def document(architecture: str, weights: int, **config: object) -> dict[str, Any]:
    return {
        "version": "0.7.0",
        "architecture": architecture,
        "config": config,
        "weights": [0.5] * weights,
        "sample_rate": 48000,
    }


def layer_array(input_size: int, channels: int, dilations: list[int], head_size: int) -> dict[str, Any]:
    return {
        "input_size": input_size,
        "condition_size": 1,
        "channels": channels,
        "dilations": dilations,
        "kernel_size": 3,
        "activation": "Tanh",
        "head_size": head_size,
        "head_bias": False,
    }


LINEAR = document("Linear", 3, receptive_field=2, bias=True)
LSTM = document("LSTM", 70, num_layers=1, input_size=1, hidden_size=3)
SOUND = {
    "linear": LINEAR,
    "lstm": LSTM,
    "two_outputs": document("LSTM", 74, num_layers=1, input_size=1, hidden_size=3, out_channels=2),
    "convnet": document("ConvNet", 33, channels=2, dilations=[1, 2], batchnorm=True, activation="ReLU"),
    "wavenet": document(
        "WaveNet", 130, layers=[layer_array(1, 3, [1, 2], 2), layer_array(3, 2, [8], 1)], head_scale=0.5
    ),
    "one_array": document("WaveNet", 97, layers=[layer_array(1, 3, [1, 2], 1)], head_scale=0.5),
    "container": document(
        "SlimmableContainer",
        0,
        submodels=[{"max_value": 0.5, "model": LSTM}, {"max_value": 1.0, "model": LINEAR}],
    ),
}


def change(document: dict[str, Any], path: str, value: object) -> None:
    """Puts ``value`` at the dotted ``path``, as the table's head explains."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in parents:
        place = place[part]
    if value == "GONE":
        del place[last]
    elif isinstance(value, str) and value.startswith("BASE "):
        place[last] = copy.deepcopy(SOUND[value.removeprefix("BASE ")])
    else:
        place[last] = value


def own_cases() -> list[Any]:
    table: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return [pytest.param(case, id=name) for name, case in table.items()]


def shared_cases() -> list[Any]:
    if not SHARED_CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no {SHARED_CASES}"))]
    cases = json.loads(SHARED_CASES.read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("base", SOUND.values(), ids=SOUND.keys())
def test_the_unchanged_documents_are_sound(base: dict[str, Any]) -> None:
    assert read_nam_document(json.dumps(base), "a.nam").warnings == ()


@pytest.mark.parametrize("case", own_cases())
def test_a_refusal_names_file_place_fault_and_remedy(case: dict[str, Any]) -> None:
    (base,) = case.keys() - {"error"}
    document = copy.deepcopy(SOUND[base])
    for path, value in case[base].items():
        change(document, path, value)
    with pytest.raises(ModelFileError) as refusal:
        read_nam_document(json.dumps(document), "a.nam")
    assert str(refusal.value) == f"a.nam:{case['error']}"


@pytest.mark.parametrize("case", shared_cases())
def test_the_recommended_reactions(case: dict[str, str]) -> None:
    """`accept` may still warn about head_scale: those documents do have another last weight."""
    if case["recommended"] == "reject":
        with pytest.raises(ModelFileError):
            read_nam_document(case["text"], "case.nam")
        return
    warnings = read_nam_document(case["text"], "case.nam").warnings
    others = [warning for warning in warnings if ".head_scale: " not in warning]
    assert bool(others) == (case["recommended"] == "accept-with-warning")
