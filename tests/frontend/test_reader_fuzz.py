"""Whatever a document holds, the reader answers with a model or one line; never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

from helpers.effort import examples_per_test
from hypothesis import given
from hypothesis import strategies as st

from schedc.errors import ModelFileError, UserError
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import ContainerModel
from schedc.frontend.nam_file import read_nam_document
from schedc.frontend.slimming import select_model
from schedc.frontend.weight_stream import unpack


def document(architecture: str, weights: int, **config: object) -> dict[str, Any]:
    return {
        "version": "0.7.0",
        "architecture": architecture,
        "config": config,
        "weights": [0.5] * weights,
        "sample_rate": 48000,
        "metadata": {"loudness": -20, "date": {"year": 2027, "month": 1}},
    }


FIR = document("Linear", 3, receptive_field=2, bias=True, implementation="auto")
LSTM = document("LSTM", 70, num_layers=1, input_size=1, hidden_size=3)
CONVNET = document(
    "ConvNet", 33, channels=2, dilations=[1, 2], batchnorm=True, activation="ReLU", groups=1, out_channels=1
)
SLIMMABLE = document(
    "WaveNet",
    34,
    layers=[
        {
            "input_size": 1,
            "condition_size": 1,
            "channels": 2,
            "dilations": [1, 3],
            "kernel_size": 1,
            "activation": {"type": "LeakyHardtanh", "min_val": -1},
            "head_size": 1,
            "head_bias": True,
            "slimmable": {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [1, 2]}},
        }
    ],
    head_scale=0.5,
)
EVERYTHING = document(
    "WaveNet",
    93,
    in_channels=1,
    condition_dsp=FIR,
    head={"channels": 2, "out_channels": 1, "kernel_sizes": [1, 2], "activation": "Tanh", "in_channels": 1},
    head_scale=0.5,
    layers=[
        {
            "input_size": 1,
            "condition_size": 1,
            "channels": 2,
            "bottleneck": 2,
            "dilations": [1, 3],
            "kernel_sizes": [1, 2],
            "activation": [{"type": "PReLU", "negative_slopes": [1, 2]}, "Hardtanh"],
            "gating_mode": ["gated", "none"],
            "secondary_activation": ["Sigmoid", None],
            "groups_input": 1,
            "groups_input_mixin": 1,
            "layer1x1": {"active": True, "groups": 1},
            "head1x1": {"active": True, "out_channels": 2, "groups": 2},
            "head": {"out_channels": 1, "kernel_size": 2, "bias": True, "head_dilation": 1},
            "conv_pre_film": {"active": True, "shift": True, "groups": 1},
            "activation_pre_film": {"shift": False},
            "head1x1_post_film": False,
        }
    ],
)
CONTAINER = document(
    "SlimmableContainer",
    0,
    submodels=[{"max_value": 0.3, "model": SLIMMABLE}, {"max_value": 1.0, "model": LSTM}],
)
DOCUMENTS = [FIR, LSTM, CONVNET, SLIMMABLE, EVERYTHING, CONTAINER]


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


ODD_VALUES: list[object] = [
    *(None, True, False, -1, 0, 1, 2, 3, 4096, 2**31 - 1, 2**31, 10**30, 10**400),
    *(0.5, -0.0, 3.0, 1e39, float("inf"), float("nan")),
    *("", "x", "Tanh", "\n\x1b", "\ud800", "é" * 1000),
    *([], [[]], [1], [None], ["Tanh", "Tanh"], [1] * 5000, deep(50), deep(200)),
    *({}, {"type": "PReLU"}, {"active": True}, {"": {}}, FIR, CONTAINER),
]


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of every value in ``node`` but its root; of long arrays only the first three."""
    found: list[tuple[str | int, ...]] = []
    members: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, dict):
        members = node.items()
    elif isinstance(node, list):
        members = list(enumerate(node))[:3]
    for key, value in members:
        found += [(*path, key), *places(value, (*path, key))]
    return found


def mutated(base: dict[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    result = copy.deepcopy(base)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(result)))
        place: Any = result
        for key in parents:
            place = place[key]
        if draw(st.booleans()):
            place[last] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        else:
            del place[last]
        if not result:
            break
    return result


@st.composite
def odd_documents(draw: st.DrawFn) -> str:
    return json.dumps(mutated(draw(st.sampled_from(DOCUMENTS)), draw))


def use(text: str | bytes, slim: float | None) -> None:
    """Reads, selects and unpacks; only the errors that users get to see may come out."""
    try:
        file = read_nam_document(text, "odd.nam")
        assert all(warning.isprintable() for warning in file.warnings)
        chosen = select_model(file, slim)
    except UserError as refusal:
        assert str(refusal).isprintable()
        assert len(str(refusal)) < 500
        return
    assert prewarm_samples(chosen) >= 0
    assert not isinstance(chosen.model, ContainerModel)
    unpack(chosen.model)


def test_the_unmutated_documents_are_read() -> None:
    for base in DOCUMENTS:
        assert read_nam_document(json.dumps(base), "a.nam").warnings == ()


@examples_per_test(400)
@given(odd_documents(), st.sampled_from([None, 0.0, 0.5, 1.0]))
def test_a_mutated_document_is_a_model_or_one_line(text: str, slim: float | None) -> None:
    use(text, slim)


@examples_per_test(200)
@given(st.sampled_from(DOCUMENTS), st.data())
def test_damaged_bytes_are_a_model_or_one_line(base: dict[str, Any], data: st.DataObject) -> None:
    content = bytearray(json.dumps(base).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 5))
        content[start : start + length] = data.draw(st.binary(max_size=4))
        content = content or bytearray(b"0")
    use(bytes(content), None)


@examples_per_test(200)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_in_one_line(content: bytes) -> None:
    try:
        read_nam_document(content, "any.nam")
    except ModelFileError as refusal:
        assert str(refusal).isprintable()
        return
    raise AssertionError("60 random bytes are no model")
