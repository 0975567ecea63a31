"""ConvNet, LSTM, Linear, channel slicing and containers: schedc computes what the trainer computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_harness import (
    SAMPLE_RATE,
    Config,
    assert_agrees,
    assert_same,
    build,
    export,
    layer_array,
    schedc_output,
    signal,
    trainer_output,
    wavenet,
)

GATED: Config = {"name": "PairMultiply", "primary": "Tanh", "secondary": "Sigmoid"}


@pytest.mark.parametrize("batchnorm", [True, False])
@pytest.mark.parametrize("dilations", [[1], [1, 2, 4, 8], [5, 1, 16, 3]])
def test_convnet(batchnorm: bool, dilations: list[int], tmp_path: Path) -> None:
    """With running statistics and an eps that are nothing like the initial ones."""
    net = build("ConvNet", {"channels": 5, "dilations": dilations, "batchnorm": batchnorm})
    assert_agrees(net, tmp_path)


@pytest.mark.parametrize(("layers", "hidden"), [(1, 1), (1, 8), (2, 5), (3, 4)])
def test_lstm(layers: int, hidden: int, tmp_path: Path) -> None:
    """Without prewarm from the state in the file, with prewarm after half a second of silence more.

    The state in the file is the trainer's after 48 000 samples of silence, in float32.
    """
    net = build("LSTM", {"num_layers": layers, "hidden_size": hidden})
    file = export(net, tmp_path)
    state = tuple(part.detach().double() for part in net._get_initial_state())
    x = signal(600)
    heard = trainer_output(net, x, pad_start=False, initial_state=state)
    assert_same(schedc_output(file, x, prewarm=False), heard)
    silence = np.zeros(SAMPLE_RATE // 2)
    heard = trainer_output(net, np.concatenate([silence, x]), pad_start=False, initial_state=state)
    assert_same(schedc_output(file, x, prewarm=True), heard[len(silence) :])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("length", [1, 2, 33, 700])
def test_linear_once_the_trainer_is_turned_round(length: int, bias: bool, tmp_path: Path) -> None:
    """The file's first weight is the newest sample's; the trainer (0.13.0) writes the oldest's first.

    The engine reads an impulse response and schedc follows it; newer trainers write one (issue 696).
    """
    net = build("Linear", {"receptive_field": length, "bias": bias})
    file = export(net, tmp_path)
    x = signal(length + 300)
    net._net.weight.data = net._net.weight.data.flip(-1)
    wanted = trainer_output(net, x, pad_start=True)
    assert_same(schedc_output(file, x, prewarm=True), wanted)
    assert_same(schedc_output(file, x, prewarm=False), wanted)


@pytest.mark.parametrize("activation", ["Tanh", GATED])
@pytest.mark.parametrize("allowed", [[2, 3, 6], [6], None])
def test_channel_slicing(activation: str | Config, allowed: list[int] | None, tmp_path: Path) -> None:
    kwargs = {} if allowed is None else {"allowed_channels": allowed}
    slimmable = {"method": "slice_channels_uniform", "kwargs": kwargs}
    net = wavenet(layer_array(channels=6, activation=activation, slimmable=slimmable))
    file = export(net, tmp_path)
    x = signal(300)
    assert_same(schedc_output(file, x, prewarm=True), trainer_output(net, x, pad_start=True))
    for size in (0.0, 0.2, 0.34, 0.5, 0.67, 0.9, 1.0):
        net._net.set_slimming(size)
        wanted = trainer_output(net, x, pad_start=True)
        assert_same(schedc_output(file, x, prewarm=True, slim=size), wanted)


def packed(*channels: int) -> Any:
    """Several WaveNets trained as one, exported as a container."""

    def submodel(width: int) -> Config:
        array = layer_array(channels=width, activation="LeakyReLU")
        return {"name": f"channels_{width}", "config": {"layers_configs": [array], "head_scale": 0.75}}

    net = build("PackedWaveNet", {"submodels": [submodel(width) for width in channels]})
    net.apply_mask()
    return net


@pytest.mark.parametrize("channels", [(3, 8), (2, 3, 5)])
def test_container_of_a_packed_wavenet(channels: tuple[int, ...], tmp_path: Path) -> None:
    net = packed(*channels)
    file = export(net, tmp_path)
    x = signal(300)
    wanted = trainer_output(net, x, pad_start=True)
    assert_same(schedc_output(file, x, prewarm=True), wanted[-1])
    for index in range(len(channels)):
        threshold = index / len(channels)  # the first size that selects this submodel
        assert_same(schedc_output(file, x, prewarm=True, slim=threshold), wanted[index])
