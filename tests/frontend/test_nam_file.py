"""What a sound document becomes, and what it warns about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schedc.frontend.history import history_floats, prewarm_samples
from schedc.frontend.model import (
    ActivationSpec,
    ConvNetModel,
    Film,
    FilmSite,
    Gating,
    Head1x1,
    LayerHead,
    RecurrentModel,
    WaveNetModel,
)
from schedc.frontend.nam_file import read_nam_document, read_nam_file
from schedc.frontend.slimming import select_model
from schedc.frontend.weight_stream import count, tensors
from schedc.ir.ops import ActivationKind

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TEN_DILATIONS = [2**i for i in range(10)]


def document(architecture: str, weights: int, **config: object) -> dict[str, Any]:
    return {"version": "0.7.0", "architecture": architecture, "config": config, "weights": [0.5] * weights}


def layer_array(**changes: object) -> dict[str, Any]:
    return {
        "input_size": 1,
        "condition_size": 1,
        "channels": 2,
        "dilations": [1, 3],
        "kernel_size": 1,
        "activation": "ReLU",
        "head_size": 1,
        "head_bias": True,
        **changes,
    }


FIR = document("Linear", 2, receptive_field=2, bias=False)


def read_wavenet(raw: dict[str, Any]) -> WaveNetModel:
    model = read_nam_document(json.dumps(raw), "a.nam").document.model
    assert isinstance(model, WaveNetModel)
    return model


def warnings_of(raw: dict[str, Any]) -> tuple[str, ...]:
    return read_nam_document(json.dumps(raw), "a.nam").warnings


# -- what is read


def test_the_standard_a1_shape_counts_as_published() -> None:
    first = layer_array(channels=16, dilations=TEN_DILATIONS, kernel_size=3, head_size=8, head_bias=False)
    second = layer_array(input_size=16, channels=8, dilations=TEN_DILATIONS, kernel_size=3)
    raw = document("WaveNet", 13802, layers=[first, second], head_scale=0.5)
    file = read_nam_document(json.dumps(raw), "a.nam")
    model = file.document.model
    assert isinstance(model, WaveNetModel)
    assert (count(model), history_floats(model), prewarm_samples(file.document)) == (13802, 49104, 4093)
    assert file.document.sample_rate is None
    assert not model.weights.flags.writeable


def test_a_layer_array_is_read_as_written() -> None:
    array = layer_array(
        bottleneck=4,
        kernel_sizes=[2, 3],
        activation=[{"type": "LeakyReLU"}, "Softsign"],
        gating_mode=["none", "blended"],
        secondary_activation=["", {"type": "PReLU", "negative_slopes": [1, 2, 3, 4]}],
        head1x1={"active": True, "out_channels": 6, "groups": 2},
        conv_pre_film={"shift": False},
        head={"out_channels": 1, "kernel_size": 5, "bias": False, "head_dilation": 2},
    )
    del array["kernel_size"]
    model = read_wavenet(document("WaveNet", 185, layers=[array], head_scale=0.5))
    (read,) = model.arrays
    leaky, soft = read.layers
    assert leaky.activation == ActivationSpec(ActivationKind.LEAKY_RELU, (0.009999999776482582,))
    assert (leaky.kernel_size, leaky.gating, leaky.secondary) == (2, Gating.NONE, None)
    assert (soft.dilation, soft.gating) == (3, Gating.BLENDED)
    assert soft.secondary == ActivationSpec(ActivationKind.PRELU, (1.0, 2.0, 3.0, 4.0))
    assert (read.head1x1, read.head) == (Head1x1(6, 2), LayerHead(1, 5, False, 2))
    assert read.films == {FilmSite.CONV_PRE: Film(shift=False, groups=1)}


def test_the_old_gated_flag_means_a_sigmoid_gate() -> None:
    model = read_wavenet(document("WaveNet", 50, layers=[layer_array(gated=True)], head_scale=0.5))
    assert {layer.secondary for layer in model.arrays[0].layers} == {ActivationSpec(ActivationKind.SIGMOID)}


def test_the_streams_of_the_small_architectures() -> None:
    raw = document("ConvNet", 33, channels=2, dilations=[1, 2], batchnorm=True, activation="ReLU")
    model = read_nam_document(json.dumps(raw), "a.nam").document.model
    assert isinstance(model, ConvNetModel)
    assert tensors(model)[:6] == [
        ("block0.conv.weight", (2, 1, 2)),
        ("block0.batchnorm.mean", (2,)),
        ("block0.batchnorm.variance", (2,)),
        ("block0.batchnorm.gamma", (2,)),
        ("block0.batchnorm.beta", (2,)),
        ("block0.batchnorm.epsilon", (1,)),
    ]
    raw = document("LSTM", 70, num_layers=1, input_size=1, hidden_size=3) | {"sample_rate": 8000}
    file = read_nam_document(json.dumps(raw), "a.nam")
    assert isinstance(file.document.model, RecurrentModel)
    assert tensors(file.document.model)[0] == ("layer0.lstm.weight", (12, 4))
    assert prewarm_samples(file.document) == 4000


@pytest.mark.skipif(not GOLDEN.exists(), reason="no golden files beside the checkout")
def test_the_golden_files_count_as_recorded() -> None:
    for record in json.loads((GOLDEN / "index.json").read_text(encoding="utf-8")):
        document = select_model(read_nam_file(GOLDEN / record["nam"]), record["slim"])
        # The one LSTM without a sample rate: the engine feeds it a block, schedc half a second at 48 kHz.
        expected = 24000 if record["nam"] == "lstm_no_sample_rate.nam" else record["prewarm_samples"]
        assert prewarm_samples(document) == expected, record["npz"]
        assert document.model.out_channels == record["out_channels"], record["npz"]


# -- what is read with a warning


@pytest.mark.parametrize(
    ("raw", "warning"),
    [
        (FIR | {"version": "0.7.1"}, "version: file version 0.7.1 is newer than 0.7.0 and may hold"),
        (FIR | {"version": "0.07.0"}, "version: file version '0.07.0' has leading zeros"),
        (FIR | {"weights": [0.5, 2**70]}, "weights[1]: an integer beyond 64 bits is odd here"),
        (
            FIR | {"metadata": {"date": {"year": 2026, "month": 4}}},
            "config.receptive_field: trainers up to August 2026 wrote the taps in reverse",
        ),
        (
            document("WaveNet", 34, layers=[layer_array()], head_scale=0.6),
            "config.head_scale: 0.6 is not used: the last weight is the scale (0.5)",
        ),
        (
            document("WaveNet", 34, layers=[layer_array(kernel_sise=3)], head_scale=0.5),
            "config.layers[0].kernel_sise: unknown key, ignored; did you mean 'kernel_size'?",
        ),
        (
            document("WaveNet", 34, layers=[layer_array(groups_1x1=3)], head_scale=0.5),
            "config.layers[0].groups_1x1: unknown key, ignored; did you mean 'layer1x1.groups'?",
        ),
        (
            document("WaveNet", 34, layers=[layer_array(slimmable={})], head_scale=0.5),
            "config.layers[0].slimmable: slimmable without a method",
        ),
        (
            document(
                "WaveNet",
                34,
                layers=[layer_array(activation={"type": "Hardtanh", "max_val": 2})],
                head_scale=0.5,
            ),
            "config.layers[0].activation: Hardtanh limits are ignored",
        ),
        (
            document("WaveNet", 42, layers=[layer_array(layer1x1_post_film={"shift": False})], head_scale=0.5),
            "config.layers[0].layer1x1_post_film: the C++ engine up to 0.5.5 applies it in blended layers only",
        ),
        (
            document("WaveNet", 22, layers=[layer_array(layer1x1={"active": False, "groups": 1})], head_scale=0.5),
            "config.layers[0].layer1x1: inactive: the residual passes unchanged",
        ),
        (
            document(
                "WaveNet",
                36,
                layers=[layer_array()],
                head={
                    "channels": 1,
                    "out_channels": 1,
                    "kernel_sizes": [1],
                    "activation": {"name": "Tanh"},
                },
                head_scale=0.5,
            ),
            'config.head.activation: the activation is given as "name"',
        ),
        (
            document("SlimmableContainer", 1, submodels=[{"max_value": 1, "model": FIR}]),
            "weights: a container has no weights of its own; these are ignored",
        ),
    ],
)
def test_odd_but_sound_documents_warn(raw: dict[str, Any], warning: str) -> None:
    (found,) = warnings_of(raw)
    assert found.startswith(f"a.nam:{warning}")


def test_a_mark_before_and_bytes_after_the_document() -> None:
    content = b"\xef\xbb\xbf" + json.dumps(FIR).encode() + b"  \x00xyz\n"
    file = read_nam_document(content, "a.nam")
    assert file.warnings == ("a.nam: 5 characters after the document are ignored",)


def test_warnings_end_somewhere() -> None:
    raw = document("Linear", 2, receptive_field=2, bias=False, **{f"x{i}": 0 for i in range(1000)})
    warnings = warnings_of(raw)
    assert len(warnings) == 51
    assert warnings[-1] == "a.nam: further warnings are left out"
