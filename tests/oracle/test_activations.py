"""Every activation that trainer and file format share, in every place where one can stand."""

from itertools import product
from pathlib import Path

import pytest
from oracle_harness import Config, assert_agrees, build, layer_array, wavenet

PLAIN = ("Tanh", "Hardtanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish")
OWN = ("Softsign", "LeakyHardtanh")  # defined by the trainer itself; it cannot pair them
# Parameters that float32 holds exactly: the trainer computes with the float64 it was given.
WITH_PARAMETERS: dict[str, Config] = {
    "leaky-relu": {"name": "LeakyReLU", "negative_slope": 0.375},
    "leaky-relu-negative": {"name": "LeakyReLU", "negative_slope": -0.25},
    "prelu-per-channel": {"name": "PReLU", "num_parameters": 4},
    "leaky-hardtanh": {
        "name": "LeakyHardtanh",
        "min_val": -0.5,
        "max_val": 0.25,
        "min_slope": 0.125,
        "max_slope": 0.0625,
    },
}


@pytest.mark.parametrize("name", PLAIN + OWN)
def test_in_a_wavenet(name: str, tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(activation=name)), tmp_path)


@pytest.mark.parametrize("case", WITH_PARAMETERS)
def test_with_parameters(case: str, tmp_path: Path) -> None:
    assert_agrees(wavenet(layer_array(activation=WITH_PARAMETERS[case])), tmp_path)


@pytest.mark.parametrize(("pairing", "name"), list(product(("PairMultiply", "PairBlend"), PLAIN)))
def test_as_primary_and_as_secondary(pairing: str, name: str, tmp_path: Path) -> None:
    """One slope serves all channels of a paired PReLU, as in the trainer; the engine reads past the slope."""
    activations = [
        {"name": pairing, "primary": name, "secondary": "Sigmoid"},
        {"name": pairing, "primary": "Tanh", "secondary": name},
    ]
    assert_agrees(wavenet(layer_array(dilations=[1, 3], activation=activations)), tmp_path)


@pytest.mark.parametrize("name", [name for name in PLAIN + OWN if name != "PReLU"])
def test_in_a_post_stack_head(name: str, tmp_path: Path) -> None:
    array = layer_array(head={"out_channels": 3, "kernel_size": 1, "bias": True})
    head: Config = {"channels": 4, "activation": name, "out_channels": 1, "kernel_sizes": [2, 2]}
    assert_agrees(wavenet(array, head=head), tmp_path)


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "PReLU"])
def test_in_a_convnet(name: str, tmp_path: Path) -> None:
    net = build("ConvNet", {"channels": 4, "dilations": [1, 2, 4], "activation": name})
    assert_agrees(net, tmp_path)
