"""Hypothesis strategy: random ``.nam`` documents that use every feature of the format.

Kernel sizes and hidden units are small ones, and those at the edges of the code's rules (:mod:`helpers.edges`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from helpers import edges
from schedc.frontend.build_graph import build_graph
from schedc.frontend.capture import Capture
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import ContainerModel
from schedc.frontend.nam_file import read_nam_document

Config = dict[str, Any]
WINDOW = edges.near(edges.compared("taps"), 40)  # taps
UNITS = edges.near(edges.compared("units"), 34)
RATE = 2000  # Hz: an LSTM is prewarmed for half a second
PLAIN = ("Tanh", "Hardtanh", "Fasttanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "Softsign")
SITES = {
    "conv_pre_film": "channels",
    "conv_post_film": "wide",
    "input_mixin_pre_film": "condition",
    "input_mixin_post_film": "wide",
    "activation_pre_film": "wide",
    "activation_post_film": "bottleneck",
    "layer1x1_post_film": "channels",
    "head1x1_post_film": "acc",
}


@dataclass(frozen=True)
class Part:
    """A model document without weights, and how many (and which must be positive) it wants."""

    architecture: str
    config: Config
    weights: int
    positive: frozenset[int]
    out_channels: int

    def document(self, rng: np.random.Generator) -> Config:
        values = rng.normal(0.0, 0.4, self.weights).astype(np.float32)
        for index in self.positive:
            values[index] = abs(values[index]) + np.float32(0.1)
        config = {key: value.document(rng) if isinstance(value, Part) else value for key, value in self.config.items()}
        return {
            "version": "0.7.0",
            "architecture": self.architecture,
            "config": config,
            "weights": [float(v) for v in values],
            "sample_rate": RATE,
        }


def capture_from_text(text: str) -> Capture:
    """What ``schedc.compiler.read_capture`` makes of a file with this content."""
    file = read_nam_document(text, "made.nam")
    model = file.document.model
    assert not isinstance(model, ContainerModel)
    graph, weights = build_graph(model)
    samples = prewarm_samples(file.document)
    return Capture(Path("made.nam"), graph, weights, samples, float(RATE), file.document.architecture, file.warnings)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The text of a random document."""
    part = draw(models(draw(st.sampled_from((1, 1, 1, 2))), 2))
    return json.dumps(part.document(np.random.default_rng(draw(st.integers(0, 2**16)))))


@st.composite
def models(draw: st.DrawFn, in_channels: int, depth: int) -> Part:
    kind = draw(st.sampled_from(("WaveNet",) * 6 + ("ConvNet", "LSTM", "Linear")))
    if kind == "ConvNet":
        return draw(convnets(in_channels))
    if kind == "LSTM":
        return draw(lstms(in_channels))
    if kind == "Linear":
        return draw(linears(in_channels))
    return draw(wavenets(in_channels, depth))


@st.composite
def activations(draw: st.DrawFn, width: int) -> Any:
    """A name, or an object with parameters; PReLU slopes for ``width`` channels (0: one for all)."""
    slope = st.sampled_from((0.01, -0.3, 1.5))
    kind = draw(st.sampled_from((*PLAIN, "LeakyReLU slope", "PReLU slopes", "LeakyHardtanh")))
    if kind == "LeakyReLU slope":
        return {"type": "LeakyReLU", "negative_slope": draw(slope)}
    if kind == "PReLU slopes":
        return {"type": "PReLU", "negative_slopes": [draw(slope) for _ in range(width or 1)]}
    if kind == "LeakyHardtanh":
        return {"type": kind, "min_val": -0.5, "max_val": 0.75, "min_slope": draw(slope), "max_slope": 0.1}
    return kind if draw(st.booleans()) else {"type": kind}


@st.composite
def linears(draw: st.DrawFn, channels: int) -> Part:
    taps, bias = draw(st.sampled_from((1, 2, 300, *WINDOW))), draw(st.booleans())
    config = {"receptive_field": taps, "bias": bias, "in_channels": channels, "out_channels": channels}
    return Part("Linear", config, taps + bias, frozenset(), channels)


@st.composite
def lstms(draw: st.DrawFn, in_channels: int) -> Part:
    layers, hidden = draw(st.integers(1, 3)), draw(st.one_of(st.integers(1, 3), st.sampled_from(UNITS)))
    out = draw(st.integers(1, 2))
    count, width = out * hidden + out, in_channels
    for _ in range(layers):
        count += 4 * hidden * (width + hidden) + 6 * hidden
        width = hidden
    config = {"num_layers": layers, "input_size": in_channels, "hidden_size": hidden}
    return Part("LSTM", {**config, "in_channels": in_channels, "out_channels": out}, count, frozenset(), out)


@st.composite
def convnets(draw: st.DrawFn, in_channels: int) -> Part:
    groups = draw(st.sampled_from(_divisors(in_channels)))
    channels, norm = groups * draw(st.integers(1, 4)), draw(st.booleans())
    dilations = draw(st.lists(st.sampled_from((1, 2, 5, 64)), min_size=1, max_size=4))
    out = draw(st.integers(1, 2))
    count, width, positive = 0, in_channels, set[int]()
    for _ in dilations:
        count += 2 * channels * (width // groups)
        positive |= set(range(count + channels, count + 2 * channels)) | {count + 4 * channels} if norm else set()
        count += 4 * channels + 1 if norm else channels
        width = channels
    config = {
        "channels": channels,
        "dilations": dilations,
        "batchnorm": norm,
        "activation": draw(activations(channels)),
        "groups": groups,
        "in_channels": in_channels,
        "out_channels": out,
    }
    return Part("ConvNet", config, count + out * channels + out, frozenset(positive), out)


@st.composite
def wavenets(draw: st.DrawFn, in_channels: int, depth: int) -> Part:
    config: Config = {"head_scale": 0.5, "in_channels": in_channels, "layers": []}
    condition = in_channels
    if depth and draw(st.integers(0, 3)) == 0:
        nested = draw(models(in_channels, depth - 1))
        config["condition_dsp"], condition = nested, nested.out_channels
    count, width, head = 1, in_channels, 0
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        array, weights = draw(layer_arrays(width, condition, head))
        config["layers"].append(array)
        count += weights
        width, head = array["channels"], array["head"]["out_channels"]
    if draw(st.integers(0, 3)) == 0:
        kernels = draw(st.lists(st.one_of(st.integers(1, 4), st.sampled_from(WINDOW)), min_size=1, max_size=3))
        channels, out = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        shape = {"channels": channels, "out_channels": out, "kernel_sizes": kernels}
        config["head"] = {**shape, "activation": draw(activations(0))}
        for index, kernel in enumerate(kernels):
            rows = out if index == len(kernels) - 1 else channels
            count += rows * head * kernel + rows
            head = rows
    return Part("WaveNet", config, count, frozenset(), head)


@st.composite
def layer_arrays(draw: st.DrawFn, width: int, condition: int, head: int) -> tuple[Config, int]:
    """One array's config and its number of weights; ``head``: channels of the array before, or 0."""
    sizes = st.sampled_from((1, 2, 3, 4, 6, 8))
    channels = head or draw(sizes)
    one_by_one, head_one = draw(st.integers(0, 4)) > 0, draw(st.integers(0, 2)) == 0
    bottleneck = draw(sizes) if one_by_one and (head_one or not head) else channels
    acc = (head or draw(sizes)) if head_one else bottleneck
    layers = draw(st.integers(1, 3))
    config: Config = {
        "input_size": width,
        "condition_size": condition,
        "channels": channels,
        "bottleneck": bottleneck,
        "dilations": [draw(st.sampled_from((1, 2, 3, 16, 100))) for _ in range(layers)],
        "kernel_sizes": [
            draw(st.one_of(st.sampled_from((1, 2, 3, 6)), st.sampled_from(WINDOW))) for _ in range(layers)
        ],
        "activation": [draw(activations(bottleneck)) for _ in range(layers)],
        "gating_mode": [draw(st.sampled_from(("none", "none", "gated", "blended"))) for _ in range(layers)],
        "secondary_activation": [draw(activations(bottleneck)) for _ in range(layers)],
        "groups_input": _group(draw, channels, bottleneck),
        "groups_input_mixin": _group(draw, condition, bottleneck),
        "layer1x1": {"active": one_by_one, "groups": _group(draw, channels, bottleneck)},
        "head1x1": {"active": head_one, "out_channels": acc, "groups": _group(draw, bottleneck, acc)},
        "head": {
            "out_channels": draw(sizes),
            "kernel_size": draw(st.one_of(st.sampled_from((1, 3)), st.sampled_from(WINDOW))),
            "bias": draw(st.booleans()),
            "head_dilation": draw(st.sampled_from((1, 4))),
        },
    }
    plain = {"channels": channels, "wide": bottleneck, "condition": condition, "bottleneck": bottleneck, "acc": acc}
    for site, kind in SITES.items():
        allowed = one_by_one if site == "layer1x1_post_film" else head_one or site != "head1x1_post_film"
        if allowed and draw(st.integers(0, 4)) == 0:
            groups = _group(draw, condition, plain[kind])
            config[site] = {"active": True, "shift": draw(st.booleans()), "groups": groups}
    return config, array_weights(config, acc)


def _group(draw: st.DrawFn, *widths: int) -> int:
    return draw(st.sampled_from(_divisors(math.gcd(*widths))))


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def array_weights(config: Config, acc: int) -> int:
    """docs/nam_format.md#wavenet-weights, counted apart from the product's own count."""
    channels, inner, condition = config["channels"], config["bottleneck"], config["condition_size"]
    head = config["head"]
    total: int = channels * config["input_size"] + head["out_channels"] * (acc * head["kernel_size"] + head["bias"])
    for kernel, mode in zip(config["kernel_sizes"], config["gating_mode"], strict=True):
        wide = inner * (1 if mode == "none" else 2)
        total += wide * (channels // config["groups_input"]) * kernel + wide
        total += wide * (condition // config["groups_input_mixin"])
        if config["layer1x1"]["active"]:
            total += channels * (inner // config["layer1x1"]["groups"]) + channels
        if config["head1x1"]["active"]:
            total += acc * (inner // config["head1x1"]["groups"]) + acc
        dims = {"channels": channels, "wide": wide, "condition": condition, "bottleneck": inner, "acc": acc}
        for site, kind in SITES.items():
            if film := config.get(site):
                rows = dims[kind] * (2 if film["shift"] else 1)
                total += rows * (condition // film["groups"]) + rows
    return total
