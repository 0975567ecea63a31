"""Captures of unusual shapes, to measure: ``python tests/helpers/odd_shapes.py FOLDER`` writes one file a shape."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from helpers.documents import Config, Part, array_weights

_RATE = 48000
_DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)


def wavenet(channels: int, kernel: int = 3, **changes: object) -> Part:
    """One array of eight layers; ``changes`` replace fields of its configuration."""
    layers = len(_DILATIONS)
    array: Config = {
        "input_size": 1,
        "condition_size": 1,
        "channels": channels,
        "bottleneck": channels,
        "dilations": list(_DILATIONS),
        "kernel_sizes": [kernel] * layers,
        "activation": ["LeakyReLU"] * layers,
        "gating_mode": ["none"] * layers,
        "secondary_activation": ["Sigmoid"] * layers,
        "groups_input": 1,
        "groups_input_mixin": 1,
        "layer1x1": {"active": True, "groups": 1},
        "head1x1": {"active": False, "out_channels": channels, "groups": 1},
        "head": {"out_channels": 1, "kernel_size": 1, "bias": True, "head_dilation": 1},
        **changes,
    }
    width: int = array["bottleneck"]
    config = {"head_scale": 0.5, "in_channels": 1, "layers": [array]}
    return Part("WaveNet", config, array_weights(array, width) + 1, frozenset(), 1)


def convnet(channels: int, groups: int = 1, norm: bool = True) -> Part:
    """Eight blocks of two taps.  With groups, as many channels come in."""
    width = inputs = groups
    count, positive = 0, set[int]()
    for _ in _DILATIONS:
        count += 2 * channels * (width // groups)
        positive |= set(range(count + channels, count + 2 * channels)) | {count + 4 * channels} if norm else set()
        count += 4 * channels + 1 if norm else channels
        width = channels
    config = {
        "channels": channels,
        "dilations": list(_DILATIONS),
        "batchnorm": norm,
        "activation": "LeakyReLU",
        "groups": groups,
        "in_channels": inputs,
        "out_channels": 1,
    }
    return Part("ConvNet", config, count + channels + 1, frozenset(positive), 1)


def grouped(channels: int, groups: int) -> Part:
    """Every convolution of the layers grouped; ``groups`` equal to ``channels``: depthwise."""
    return wavenet(channels, groups_input=groups, layer1x1={"active": True, "groups": groups})


SHAPES = {
    "narrow1": wavenet(1),
    "narrow2": wavenet(2),
    "narrow1_k16": wavenet(1, 16),
    "narrow2_k16": wavenet(2, 16),
    "medium6": wavenet(6),
    "medium12": wavenet(12),
    "wide32": wavenet(32),
    "wide48": wavenet(48),
    "wide64": wavenet(64),
    "grouped8_2": grouped(8, 2),
    "grouped16_4": grouped(16, 4),
    "depthwise8": grouped(8, 8),
    "depthwise16_pointwise": wavenet(16, groups_input=16),
    "pointwise16": wavenet(16, 1),
    "pointwise4": wavenet(4, 1),
    "bottleneck16_4": wavenet(16, bottleneck=4),
    "bottleneck4_16": wavenet(4, bottleneck=16),
    "gated8": wavenet(8, gating_mode=["gated"] * len(_DILATIONS)),
    "convnet16": convnet(16),
    "convnet32": convnet(32),
    "convnet16_4": convnet(16, 4),
}


def text_of(part: Part) -> str:
    """The ``.nam`` file, with weights small enough to keep signals in range."""
    document = {**part.document(np.random.default_rng(7)), "sample_rate": _RATE}
    return json.dumps({**document, "weights": [0.3 * weight for weight in document["weights"]]})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in SHAPES.items():
        (folder / f"{name}.nam").write_text(text_of(part), encoding="utf-8")
