"""Choosing a size of a container or a slimmable WaveNet."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from schedc.errors import UserError
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import LinearModel, ModelDocument, RecurrentModel, WaveNetModel
from schedc.frontend.nam_file import read_nam_document
from schedc.frontend.slimming import select_model
from schedc.frontend.weight_stream import unpack


def document(architecture: str, weights: list[float], **config: object) -> dict[str, Any]:
    return {"version": "0.7.0", "architecture": architecture, "config": config, "weights": weights}


def fir(taps: int) -> dict[str, Any]:
    return document("Linear", [float(taps)] * taps, receptive_field=taps, bias=False)


def slimmable(allowed: list[int] | None, **changes: object) -> dict[str, Any]:
    kwargs = {} if allowed is None else {"allowed_channels": allowed}
    return {
        "input_size": 1,
        "condition_size": 1,
        "channels": 4,
        "kernel_size": 2,
        "dilations": [1],
        "activation": "ReLU",
        "gating_mode": "gated",
        "head_size": 1,
        "head_bias": True,
        "slimmable": {"method": "slice_channels_uniform", "kwargs": kwargs},
        **changes,
    }


def wavenet(count: int, *arrays: dict[str, Any]) -> dict[str, Any]:
    weights = [float(i) for i in range(count)]
    return document("WaveNet", weights, layers=list(arrays), head_scale=count - 1)


# 4 (rechannel) + 64 + 8 (conv) + 8 (mixin) + 16 + 4 (layer1x1) + 5 (head) + 1 (scale)
ONE_ARRAY = wavenet(110, slimmable(None))


def select(raw: dict[str, Any], slim: float | None) -> ModelDocument:
    return select_model(read_nam_document(json.dumps(raw), "a.nam"), slim)


def selected_wavenet(raw: dict[str, Any], slim: float | None) -> WaveNetModel:
    model = select(raw, slim).model
    assert isinstance(model, WaveNetModel)
    return model


def container(*sizes: tuple[float, dict[str, Any]]) -> dict[str, Any]:
    submodels = [{"max_value": limit, "model": model} for limit, model in sizes]
    return document("SlimmableContainer", [], submodels=submodels)


@pytest.mark.parametrize(
    ("slim", "taps"), [(-1, 2), (0, 2), (0.4999, 2), (0.5, 3), (0.9, 4), (1, 4), (7, 4), (None, 4)]
)
def test_a_threshold_belongs_to_the_next_submodel(slim: float | None, taps: int) -> None:
    model = select(container((0.5, fir(2)), (0.9, fir(3)), (1.0, fir(4))), slim).model
    assert isinstance(model, LinearModel)
    assert model.receptive_field == taps


def test_a_container_inside_keeps_its_largest_size() -> None:
    lstm = document("LSTM", [0.0] * 70, num_layers=1, input_size=1, hidden_size=3)
    inner = container((0.5, fir(2)), (1.0, lstm))
    assert isinstance(select(container((0.5, inner), (1.0, fir(3))), 0.1).model, RecurrentModel)


def test_a_slimmable_wavenet_inside_keeps_its_full_size() -> None:
    model = selected_wavenet(container((0.5, ONE_ARRAY), (1.0, fir(3))), 0.0)
    assert model.arrays[0].channels == 4
    assert not model.slimmable


@pytest.mark.parametrize(("slim", "channels"), [(0, 1), (0.24, 1), (0.25, 2), (0.5, 3), (0.75, 4), (1, 4), (None, 4)])
def test_the_size_chooses_among_the_allowed_widths(slim: float | None, channels: int) -> None:
    model = selected_wavenet(ONE_ARRAY, slim)
    assert model.arrays[0].channels == channels
    assert not model.slimmable


def test_every_tensor_keeps_its_leading_rows_and_columns() -> None:
    full = unpack(selected_wavenet(ONE_ARRAY, None))
    model = selected_wavenet(ONE_ARRAY, 0.25)
    narrow = unpack(model)
    assert {name: tensor.shape for name, tensor in narrow.items()} == {
        "array0.rechannel.weight": (2, 1),
        "array0.layer0.conv.weight": (4, 2, 2),
        "array0.layer0.conv.bias": (4,),
        "array0.layer0.mixin.weight": (4, 1),
        "array0.layer0.layer1x1.weight": (2, 2),
        "array0.layer0.layer1x1.bias": (2,),
        "array0.head.weight": (1, 2, 1),
        "array0.head.bias": (1,),
        "head_scale": (1,),
    }
    conv = full["array0.layer0.conv.weight"]
    np.testing.assert_array_equal(narrow["array0.layer0.conv.weight"], conv[:4, :2])
    np.testing.assert_array_equal(narrow["head_scale"], [109])
    assert not model.weights.flags.writeable


def test_two_arrays_are_narrowed_together() -> None:
    first = slimmable([2, 4], head_size=2, gating_mode="none", bottleneck=3)
    second = slimmable([1, 2], input_size=4, channels=2, gating_mode="none")
    model = selected_wavenet(wavenet(88, first, second), 0.0)
    sizes = [(array.input_size, array.channels, array.bottleneck, array.head.out_channels) for array in model.arrays]
    assert sizes == [(1, 2, 1, 1), (2, 1, 1, 1)]


def test_prewarming_counts_the_longest_path() -> None:
    assert prewarm_samples(select(ONE_ARRAY, 0.0)) == 2
    assert prewarm_samples(select(fir(5), None)) == 0


@pytest.mark.parametrize("slim", [-0.1, 1.1, math.inf])
def test_a_width_is_chosen_from_0_to_1(slim: float) -> None:
    with pytest.raises(UserError) as refusal:
        select(ONE_ARRAY, slim)
    assert str(refusal.value) == (
        f"slim: {slim:g} is outside the sizes of a.nam; give a size from 0 (smallest) to 1 (full)"
    )


@pytest.mark.parametrize("raw", [ONE_ARRAY, fir(2), container((1.0, fir(2)))])
def test_not_a_number_is_no_size(raw: dict[str, Any]) -> None:
    with pytest.raises(UserError) as refusal:
        select(raw, math.nan)
    assert str(refusal.value) == "slim: not a number; give a size from 0 (smallest) to 1 (full)"


def test_a_plain_model_has_nothing_to_slim() -> None:
    with pytest.raises(UserError) as refusal:
        select(fir(2), 1.0)
    assert str(refusal.value) == "slim: a.nam has only one size; leave the size out"


HEAD_OF_TWO_TAPS = {"out_channels": 1, "kernel_size": 2, "bias": True}
ONE_SLOPE_PER_CHANNEL = {"type": "PReLU", "negative_slopes": [0.1, 0.2, 0.3, 0.4]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            wavenet(78, slimmable(None, groups_input=2)),
            "groups_input: a model with 2 groups cannot be made narrower",
        ),
        (
            wavenet(114, slimmable(None, head=HEAD_OF_TWO_TAPS)),
            "head.kernel_size: a model whose head has 2 taps cannot be made narrower",
        ),
        (
            wavenet(110, slimmable(None, secondary_activation=ONE_SLOPE_PER_CHANNEL)),
            "activation: a model with one PReLU slope per channel cannot be made narrower",
        ),
    ],
)
def test_what_only_the_full_size_can_have(raw: dict[str, Any], message: str) -> None:
    assert selected_wavenet(raw, 1.0).arrays[0].channels == 4
    with pytest.raises(UserError) as refusal:
        select(raw, 0.0)
    assert str(refusal.value) == f"a.nam:config.layers[0].{message}; choose the full size"


def test_a_size_whose_arrays_do_not_fit_together() -> None:
    head1x1 = {"active": True, "out_channels": 2, "groups": 1}
    first = slimmable([2, 4], head_size=2, gating_mode="none")
    second = slimmable([1, 2], input_size=4, channels=2, gating_mode="none", head1x1=head1x1)
    with pytest.raises(UserError) as refusal:
        select(wavenet(110, first, second), 0.0)
    assert str(refusal.value) == (
        "a.nam:config.layers[1].head1x1.out_channels: at size 0 this is 2, but is added to the head of the "
        "layer array before, which has 1 channels; choose the full size"
    )
