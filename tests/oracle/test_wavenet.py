"""WaveNets of every shape the trainer can build: schedc computes what the trainer computes."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_harness import (
    SAMPLE_RATE,
    Config,
    assert_agrees,
    assert_same,
    layer_array,
    schedc_output,
    signal,
    torch,
    wavenet,
)

FILM_SITES = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)
GATED: Config = {"name": "PairMultiply", "primary": "Tanh", "secondary": "Sigmoid"}
BLENDED: Config = {"name": "PairBlend", "primary": "SiLU", "secondary": "Sigmoid"}
MODES: dict[str, str | Config] = {"plain": "Tanh", "gated": GATED, "blended": BLENDED}
HEAD1X1 = {"active": True, "out_channels": 6, "groups": 1}


def condition(channels: int) -> Config:
    """A WaveNet that makes `channels` condition signals of the input."""
    array = layer_array(channels=3, dilations=[1, 4], head={"out_channels": channels, "kernel_size": 2, "bias": True})
    return {"name": "WaveNet", "config": {"layers_configs": [array], "head_scale": 0.5}}


def with_film(*sites: str, shift: bool = True, groups: int = 1) -> Config:
    return {site: {"active": True, "shift": shift, "groups": groups} for site in sites}


def test_the_smallest(tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(channels=1, dilations=[1], kernel_size=1)), tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_activation_modes(mode: str, tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(activation=MODES[mode])), tmp_path)


def test_two_arrays_without_head_bias(tmp_path: Path) -> None:
    first = layer_array(channels=4, head={"out_channels": 2, "kernel_size": 1, "bias": False})
    second = layer_array(input_size=4, channels=2, dilations=[8, 1, 2])
    assert_agrees(wavenet(first, second), tmp_path)


def test_three_arrays_with_long_heads(tmp_path: Path) -> None:
    first = layer_array(channels=5, head={"out_channels": 4, "kernel_size": 5, "bias": True})
    second = layer_array(
        input_size=5, channels=4, dilations=[2, 7], head={"out_channels": 3, "kernel_size": 2, "bias": False}
    )
    third = layer_array(
        input_size=4, channels=3, dilations=[1], head={"out_channels": 1, "kernel_size": 3, "bias": True}
    )
    assert_agrees(wavenet(first, second, third), tmp_path)


def test_kernels_and_activations_of_their_own_per_layer(tmp_path: Path) -> None:
    array = layer_array(
        kernel_sizes=[1, 6, 2, 15, 3],
        dilations=[9, 1, 13, 2, 4],
        activation=["ReLU", GATED, "Hardswish", BLENDED, {"name": "LeakyReLU", "negative_slope": 0.25}],
    )
    del array["kernel_size"]
    assert_agrees(wavenet(array), tmp_path)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bottleneck", [1, 3, 7])
def test_bottleneck(mode: str, bottleneck: int, tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(bottleneck=bottleneck, activation=MODES[mode])), tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_groups_everywhere(mode: str, tmp_path: Path) -> None:
    array = layer_array(
        channels=6,
        bottleneck=4,
        condition_size=2,
        groups_input=2,
        groups_input_mixin=2,
        layer_1x1_config={"active": True, "groups": 2},
        head_1x1_config={"active": True, "out_channels": 6, "groups": 2},
        activation=MODES[mode],
    )
    assert_agrees(wavenet(array, condition_dsp=condition(2)), tmp_path)


def test_depthwise(tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(groups_input=4)), tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_head1x1_in_two_arrays(mode: str, tmp_path: Path) -> None:
    first = layer_array(
        head_1x1_config=HEAD1X1,
        activation=MODES[mode],
        head={"out_channels": 3, "kernel_size": 1, "bias": True},
    )
    second = layer_array(
        input_size=4,
        channels=3,
        bottleneck=2,
        head_1x1_config={"active": True, "out_channels": 3, "groups": 1},
        activation=MODES[mode],
    )
    assert_agrees(wavenet(first, second), tmp_path)


@pytest.mark.parametrize(("site", "shift", "mode"), list(product(FILM_SITES, (True, False), MODES)))
def test_film_at_one_site(site: str, shift: bool, mode: str, tmp_path: Path) -> None:
    """Includes layer1x1_post_film in every mode, which the engine up to 0.5.5 only honours when blended."""
    array = layer_array(head_1x1_config=HEAD1X1, activation=MODES[mode], film_params=with_film(site, shift=shift))
    assert_agrees(wavenet(array), tmp_path)


@pytest.mark.parametrize(("shift", "groups", "mode"), list(product((True, False), (1, 2), MODES)))
def test_film_at_every_site(shift: bool, groups: int, mode: str, tmp_path: Path) -> None:
    array = layer_array(
        condition_size=2,
        bottleneck=2,
        head_1x1_config=HEAD1X1,
        activation=MODES[mode],
        film_params=with_film(*FILM_SITES, shift=shift, groups=groups),
    )
    assert_agrees(wavenet(array, condition_dsp=condition(2)), tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
def test_condition_network(channels: int, tmp_path: Path) -> None:
    first = layer_array(condition_size=channels, head={"out_channels": 3, "kernel_size": 4, "bias": True})
    second = layer_array(input_size=4, channels=3, condition_size=channels)
    assert_agrees(wavenet(first, second, condition_dsp=condition(channels)), tmp_path)


@pytest.mark.parametrize("kernel_sizes", [[1], [4], [3, 1, 6]])
def test_post_stack_head(kernel_sizes: list[int], tmp_path: Path) -> None:
    array = layer_array(head={"out_channels": 3, "kernel_size": 2, "bias": True})
    head: Config = {"channels": 5, "activation": "Tanh", "out_channels": 1, "kernel_sizes": kernel_sizes}
    assert_agrees(wavenet(array, head=head), tmp_path)


@pytest.mark.parametrize("post_stack_head", [True, False])
def test_two_outputs(post_stack_head: bool, tmp_path: Path) -> None:
    """The trainer's wrapper insists on one output when it writes a file; the network inside does not."""
    array = layer_array(head={"out_channels": 2, "kernel_size": 3, "bias": True})
    head: Config = {"channels": 3, "activation": "Tanh", "out_channels": 2, "kernel_sizes": [2, 2]}
    net = wavenet(array, head=head if post_stack_head else None)._net
    document = {
        "version": "0.7.0",
        "architecture": "WaveNet",
        "sample_rate": SAMPLE_RATE,
        "config": net.export_config(SAMPLE_RATE),
        "weights": net.export_weights().tolist(),
    }
    file = tmp_path / "model.nam"
    file.write_text(json.dumps(document))
    x = signal(200)
    padded = np.concatenate([np.zeros(net.receptive_field - 1), x])
    with torch.no_grad():
        wanted = net.double()(torch.from_numpy(padded)[None, None])[0].numpy()
    assert_same(schedc_output(file, x, prewarm=True), wanted)


@pytest.mark.parametrize("seed", range(3))
def test_all_at_once(seed: int, tmp_path: Path) -> None:
    """Every option of the format in one model."""
    activations: list[Any] = ["Softsign", GATED, BLENDED, {"name": "PReLU", "num_parameters": 4}]
    first = layer_array(
        channels=6,
        bottleneck=4,
        condition_size=2,
        kernel_size=[3, 1, 5, 2],
        dilations=[1, 11, 3, 5],
        activation=activations,
        groups_input=2,
        groups_input_mixin=2,
        layer_1x1_config={"active": True, "groups": 2},
        head_1x1_config={"active": True, "out_channels": 4, "groups": 2},
        film_params=with_film(*FILM_SITES, groups=2),
        head={"out_channels": 4, "kernel_size": 3, "bias": True},
    )
    second = layer_array(
        input_size=6,
        channels=4,
        condition_size=2,
        activation=[GATED, "Hardswish", "SiLU"],
        film_params=with_film(*FILM_SITES[:7], shift=False),
        head={"out_channels": 2, "kernel_size": 2, "bias": False},
    )
    head: Config = {"channels": 3, "activation": "ReLU", "out_channels": 1, "kernel_sizes": [2, 3]}
    assert_agrees(wavenet(first, second, head=head, condition_dsp=condition(2), seed=seed), tmp_path)
