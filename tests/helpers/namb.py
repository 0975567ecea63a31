"""Writes ``.namb``, from the documents that ``.nam`` files hold: what the public converter does, for tests."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

ACTIVATIONS = (
    *("Tanh", "Hardtanh", "Fasttanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "LeakyHardtanh"),
    "Softsign",
)
FILMS = (
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film"),
    *("activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)
LEVELS = ("loudness", "input_level_dbu", "output_level_dbu")
Json = dict[str, Any]


def namb(document: Json, version: int = 2) -> bytes:
    """The whole file."""
    model = _metadata(document) + _model(document, version)
    padded = model + bytes(-len(model) % 4)
    weights = np.array(_weights(document), "<f4").tobytes()
    total = 32 + len(padded) + len(weights)
    sizes = (total, 32 + len(padded), len(weights) // 4, len(model) - 48)
    return sealed(struct.pack("<4sHH4I8x", b"BMAN", version, 0, *sizes) + padded + weights)


def sealed(file: bytes) -> bytes:
    """With the right checksum."""
    return file[:24] + struct.pack("<I", zlib.crc32(file[:24] + file[28:])) + file[28:]


def _metadata(document: Json) -> bytes:
    levels = document.get("metadata") or {}
    flags = sum(1 << bit for bit, key in enumerate(LEVELS) if levels.get(key) is not None)
    values = [float(levels.get(key) or 0) for key in LEVELS]
    version = map(int, document["version"].split("."))
    return struct.pack("<4B4d12x", *version, flags, float(document.get("sample_rate", -1)), *values)


def _weights(document: Json) -> list[float]:
    inner = document["config"].get("condition_dsp")
    return [*(_weights(inner) if inner else []), *document["weights"]]


def _model(document: Json, version: int) -> bytes:
    name, config = document["architecture"], document["config"]
    match name:
        case "Linear":
            body = struct.pack("<i3Bx", config["receptive_field"], config["bias"], *_channels(config))
        case "LSTM":
            sizes = (config["num_layers"], config["input_size"], config["hidden_size"])
            body = struct.pack("<3H2B2x", *sizes, *_channels(config))
        case "ConvNet":
            blocks, groups = len(config["dilations"]), config.get("groups", 1)
            body = struct.pack("<H2BH", config["channels"], config["batchnorm"], blocks, groups)
            body += bytes(_channels(config)) + _activation(config["activation"])
            body += struct.pack(f"<{blocks}i", *config["dilations"])
        case _:
            body = _wavenet(config, version)
    kind = ["Linear", "ConvNet", "LSTM", "WaveNet"].index(name)
    return struct.pack("<BxH", kind, len(body)) + body


def _channels(config: Json) -> tuple[int, int]:
    return config.get("in_channels", 1), config.get("out_channels", 1)


def _wavenet(config: Json, version: int) -> bytes:
    inner, head = config.get("condition_dsp"), config.get("head") is not None
    body = struct.pack("<4B", config.get("in_channels", 1), head, len(config["layers"]), inner is not None)
    if inner:
        body += struct.pack("<I", len(_weights(inner))) + _metadata(inner) + _model(inner, version)
    return body + b"".join(_layer_array(array, version) for array in config["layers"])


def _layer_array(array: Json, version: int) -> bytes:
    layers = len(array["dilations"])
    head = array.get("head") or {"out_channels": array["head_size"], "kernel_size": 1, "bias": array["head_bias"]}
    tail = (head["kernel_size"], head.get("head_dilation", 1))[:version]  # version 1 drops the dilation
    first = (array["input_size"], array["condition_size"], head["out_channels"], array["channels"])
    body = struct.pack(f"<{5 + len(tail)}H", *first, array.get("bottleneck", array["channels"]), *tail)
    groups = (array.get("groups_input", 1), array.get("groups_input_mixin", 1))
    body += struct.pack("<2B2H", head["bias"], layers, *groups)
    one = array.get("layer1x1") or {"active": True, "groups": 1}
    body += struct.pack("<BHx", one["active"], one["groups"])
    one = array.get("head1x1") or {"active": False, "out_channels": array["channels"], "groups": 1}
    body += struct.pack("<B2Hx", one["active"], one["out_channels"], one["groups"])
    for site in FILMS:
        film = array.get(site)
        if film is None or film is False:
            film = {"active": False, "shift": False}
        flags = film.get("active", True) | film.get("shift", True) << 1
        body += struct.pack("<BxH", flags, film.get("groups", 1))
    kernels = array.get("kernel_sizes") or [array["kernel_size"]] * layers
    body += struct.pack(f"<{layers}i{layers}H", *array["dilations"], *kernels)
    modes = _each(array.get("gating_mode", "gated" if array.get("gated") else "none"), layers)
    body += b"".join(_activation(one) for one in _each(array["activation"], layers))
    body += bytes(["none", "gated", "blended"].index(mode) for mode in modes)
    secondary = _each(array.get("secondary_activation", "Sigmoid"), layers)
    return body + b"".join(
        _activation("Tanh" if mode == "none" else one) for one, mode in zip(secondary, modes, strict=True)
    )


def _each(value: Any, layers: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * layers


def _activation(value: Any) -> bytes:
    given: Json = {"type": value} if isinstance(value, str) else value
    name = {"LeakyHardTanh": "LeakyHardtanh"}.get(given["type"], given["type"])
    values: list[float] = []
    if name in ("LeakyReLU", "PReLU"):
        values = given.get("negative_slopes") or [given[key] for key in ("negative_slope",) if key in given]
    elif name == "LeakyHardtanh":
        limits = {"min_val": -1.0, "max_val": 1.0, "min_slope": 0.01, "max_slope": 0.01}
        values = [given.get(key, default) for key, default in limits.items()]
    return struct.pack(f"<2B{len(values)}f", ACTIVATIONS.index(name), len(values), *values)
