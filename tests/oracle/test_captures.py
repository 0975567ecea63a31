"""The trained captures of examples/captures: as shaped as they claim, and heard alike by both sides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from oracle_harness import (
    Config,
    Signal,
    assert_same,
    from_nam,
    schedc_output,
    torch,
    trainer,
    trainer_output,
)

CAPTURES = Path(__file__).parents[2] / "examples" / "captures"
# By hand from docs/nam_format.md#standard-shapes, docs/nam_format.md#lstm, docs/nam_format.md#convnet.
WEIGHTS = {
    "a2_lite": 1871,
    "a1_nano": 842,
    "lstm_1x16": 4 * 16 * 17 + 6 * 16 + 17,
    "convnet": (2 * 12 + 49) + 9 * (2 * 12 * 12 + 49) + 13,
}


def load(name: str) -> Config:
    document: Config = json.loads((CAPTURES / f"{name}.nam").read_text())
    return document


def take(samples: int) -> Signal:
    """The loud first chord of di.wav, `[samples]`."""
    x, rate = soundfile.read(CAPTURES / "di.wav")
    assert rate == 48_000
    return np.asarray(x[:samples], dtype=np.float64)


def imported(document: Config) -> Any:
    """The trainer's own network of a file, every parameter in it."""
    return from_nam.init_from_nam(document).eval()


def imported_convnet(document: Config) -> Any:
    """The same for a ConvNet with batch normalisation, which the trainer does not import itself."""
    net = trainer.init("ConvNet", kwargs={"config": document["config"]}).eval()
    stream = torch.tensor(document["weights"])
    blocks = [getattr(net._net, f"block_{index}") for index in range(len(document["config"]["dilations"]))]
    tensors: list[Any] = []
    for block in blocks:
        norm = block.batchnorm
        tensors += [block.conv.weight, norm.running_mean, norm.running_var, norm.weight, norm.bias]
        tensors.append(torch.zeros(1))  # the place of eps, the same in every block
    tensors += [net._net.head.weight, net._net.head.bias]
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, values in zip(tensors, stream.split(sizes), strict=True):
        tensor.data.copy_(values.reshape(tensor.shape))
    return net


@pytest.mark.parametrize("name", WEIGHTS)
def test_shape(name: str) -> None:
    document = load(name)
    assert len(document["weights"]) == WEIGHTS[name]
    assert document["version"] == "0.7.0"
    assert document["sample_rate"] == 48_000
    assert document["metadata"]["training"]["validation_esr"] < 0.05


@pytest.mark.parametrize("name", ["a2_lite", "a1_nano"])
def test_wavenet_capture(name: str) -> None:
    x = take(12_000)
    wanted = trainer_output(imported(load(name)), x, pad_start=True)
    assert_same(schedc_output(CAPTURES / f"{name}.nam", x, prewarm=True), wanted)


def test_lstm_capture() -> None:
    x = take(6000)
    wanted = trainer_output(imported(load("lstm_1x16")), x, pad_start=False)
    assert_same(schedc_output(CAPTURES / "lstm_1x16.nam", x, prewarm=False), wanted)


def test_convnet_capture() -> None:
    x = take(12_000)
    wanted = trainer_output(imported_convnet(load("convnet")), x, pad_start=True)
    assert_same(schedc_output(CAPTURES / "convnet.nam", x, prewarm=True), wanted)


@pytest.mark.parametrize(("index", "size"), [(0, 0.0), (0, 0.499), (1, 0.5), (1, None)])
def test_container_capture(index: int, size: float | None) -> None:
    x = take(9000)
    entry = load("a2")["config"]["submodels"][index]
    wanted = trainer_output(imported(entry["model"]), x, pad_start=True)
    assert_same(schedc_output(CAPTURES / "a2.nam", x, prewarm=True, slim=size), wanted)
