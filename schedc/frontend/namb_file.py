"""`.namb`, the compact binary form of a capture, turned into the document that the `.nam` would hold.

The layout is that of the public converter ``nam2namb`` (GitHub: tone-3000/nam-binary-loader for version 1,
jfsantos/nam-binary-loader for version 2); ``docs/namb.md`` describes it.  Only the form is checked here; what a
model may be is for the reader of documents to say, as with JSON.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NoReturn

import numpy as np

from schedc.errors import ModelFileError, one_line
from schedc.frontend.json_document import JsonDocument
from schedc.frontend.limits import MAX_DOCUMENT_DEPTH, MAX_FILE_BYTES
from schedc.frontend.model import FilmSite, FloatArray

MAGIC = b"BMAN"  # the number 0x4E414D42, "NAMB", in little-endian order
_HEADER = struct.Struct("<4sHHIIIIII")
_WEIGHT = np.dtype("<f4")  # of the file, whatever the code calculates in
_METADATA_BYTES, _CHECKSUM_AT = 48, 24
_MODEL_AT = _HEADER.size + _METADATA_BYTES
_ARCHITECTURES = ("Linear", "ConvNet", "LSTM", "WaveNet")
_ACTIVATIONS = (
    *("Tanh", "Hardtanh", "Fasttanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "LeakyHardtanh"),
    "Softsign",
)
_LIMITS = ("min_val", "max_val", "min_slope", "max_slope")
_GATING = ("none", "gated", "blended")
_LEVELS = ("loudness", "input_level_dbu", "output_level_dbu")  # bits 0, 1, 2 of the metadata's flags
_FILMS = (
    *(FilmSite.CONV_PRE, FilmSite.CONV_POST, FilmSite.INPUT_MIXIN_PRE, FilmSite.INPUT_MIXIN_POST),
    *(FilmSite.ACTIVATION_PRE, FilmSite.ACTIVATION_POST, FilmSite.LAYER1X1_POST, FilmSite.HEAD1X1_POST),
)
Json = dict[str, object]


def is_namb(data: bytes) -> bool:
    """Whether a file's content begins as `.namb` does; no JSON document begins like that."""
    return data.startswith(MAGIC)


def parse_namb(data: bytes, name: str) -> JsonDocument:
    """The document in ``data``.  ModelFileError (naming ``name``) if it is damaged or of another version."""
    reader = _Reader(data, one_line(name))
    if not _MODEL_AT <= len(data) <= MAX_FILE_BYTES:
        reader.fail(f"has {len(data)} bytes")
    _, version, _, total, weights_at, count, model_bytes, checksum, _ = _HEADER.unpack_from(data)
    if version not in (1, 2):
        raise ModelFileError(reader.name, f"is of .namb version {version}", "versions 1 and 2 are known")
    if total > len(data):
        reader.fail(f"is cut off: {len(data)} of {total} bytes are there")
    if total < _MODEL_AT or _checksum(data[:total]) != checksum:
        reader.fail("its checksum does not match")
    if not _MODEL_AT + model_bytes <= weights_at <= weights_at + _WEIGHT.itemsize * count <= total:
        reader.fail("its parts do not fit into it")
    reader.version, reader.end = version, _MODEL_AT + model_bytes
    reader.at = _HEADER.size
    document = reader.document(np.frombuffer(data, _WEIGHT, count, weights_at), depth=1)
    if reader.at != reader.end:
        reader.fail(f"its model block has {reader.end - reader.at} bytes too many")
    return JsonDocument(document, len(data) - total)


def _checksum(data: bytes) -> int:
    """CRC-32 of all but the checksum itself."""
    return zlib.crc32(data[_CHECKSUM_AT + 4 :], zlib.crc32(data[:_CHECKSUM_AT]))


class _Reader:
    """Reads on from ``at``, never beyond ``end``."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.version, self.at, self.end = 0, 0, len(data)

    def fail(self, what: str) -> NoReturn:
        raise ModelFileError(self.name, f"is no sound .namb file: {what}", "convert the capture again")

    def take(self, form: str) -> list[Any]:
        """Little-endian numbers as ``struct`` writes their form; ``x`` skips a byte."""
        size = struct.calcsize("<" + form)
        if self.at + size > self.end:
            self.fail("its model block ends too early")
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += size
        return list(values)

    # -- documents -------------------------------------------------------------------------

    def document(self, weights: FloatArray, depth: int) -> Json:
        """Metadata and model block; the numbers of a condition model come first in ``weights``."""
        if depth > MAX_DOCUMENT_DEPTH:
            self.fail(f"models nest deeper than {MAX_DOCUMENT_DEPTH}")
        major, minor, patch, flags = self.take("4B")
        rate, *levels = self.take("4d12x")
        metadata = {key: levels[bit] for bit, key in enumerate(_LEVELS) if flags >> bit & 1}
        kind, config_bytes = self.take("BxH")
        if kind >= len(_ARCHITECTURES):
            self.fail(f"there is no architecture {kind}")
        begin = self.at
        read = (self._linear, self._convnet, self._lstm)
        if kind < len(read):
            config = read[kind]()
        else:
            config, weights = self._wavenet(weights, depth)
        if self.at - begin != config_bytes:  # some converters of version 1 stored other layer arrays
            self.fail(f"its {_ARCHITECTURES[kind]} has {config_bytes} bytes, not {self.at - begin}")
        return {
            "version": f"{major}.{minor}.{patch}",
            "architecture": _ARCHITECTURES[kind],
            "config": config,
            "weights": weights.tolist(),
            **({"metadata": metadata} if metadata else {}),
            **({} if rate <= 0 else {"sample_rate": rate}),
        }

    def _linear(self) -> Json:
        length, bias, inputs, outputs = self.take("i3Bx")
        return {"receptive_field": length, "bias": bias != 0, "in_channels": inputs, "out_channels": outputs}

    def _lstm(self) -> Json:
        keys = ("num_layers", "input_size", "hidden_size", "in_channels", "out_channels")
        return dict(zip(keys, self.take("3H2B2x"), strict=True))

    def _convnet(self) -> Json:
        channels, batchnorm, blocks, groups, inputs, outputs = self.take("H2BH2B")
        return {
            "channels": channels,
            "batchnorm": batchnorm != 0,
            "groups": groups,
            "in_channels": inputs,
            "out_channels": outputs,
            "activation": self._activation(),
            "dilations": self.take(f"{blocks}i"),
        }

    # -- WaveNet ---------------------------------------------------------------------------

    def _wavenet(self, weights: FloatArray, depth: int) -> tuple[Json, FloatArray]:
        """The configuration, and the weights that are left for it."""
        inputs, head, arrays, conditioned = self.take("4B")
        if head:
            what = "has a post-stack head, whose shape .namb does not hold"
            raise ModelFileError(self.name, what, "give the .nam capture")
        config: Json = {"in_channels": inputs}
        if conditioned:
            (count,) = self.take("I")
            if count > len(weights):
                self.fail(f"its condition model has {count} of {len(weights)} weights")
            config["condition_dsp"] = self.document(weights[:count], depth + 1)
            weights = weights[count:]
        config["layers"] = [self._layer_array() for _ in range(arrays)]
        config["head_scale"] = float(weights[-1]) if len(weights) else 0.0  # the engine takes it from there, too
        return config, weights

    def _layer_array(self) -> Json:
        array = dict(zip(("input_size", "condition_size"), self.take("2H"), strict=True))
        head_size, array["channels"], array["bottleneck"] = self.take("3H")
        # Version 1 had nothing there at first, then the kernel; it never had the dilation.
        head_kernel, head_dilation = self.take("2H") if self.version == 2 else (*self.take("H"), 1)
        head_bias, layers, array["groups_input"], array["groups_input_mixin"] = self.take("2B2H")
        layer1x1, layer1x1_groups = self.take("BHx")
        head1x1, head1x1_channels, head1x1_groups = self.take("B2Hx")
        films = [self.take("BxH") for _ in _FILMS]
        dilations, kernels = self.take(f"{layers}i"), self.take(f"{layers}H")
        activations = [self._activation() for _ in range(layers)]
        gating = [self._gating(mode) for mode in self.take(f"{layers}B")]
        return {
            **array,
            "head": {
                "out_channels": head_size,
                "kernel_size": head_kernel or 1,
                "bias": head_bias != 0,
                "head_dilation": head_dilation,
            },
            "layer1x1": {"active": layer1x1 != 0, "groups": layer1x1_groups},
            "head1x1": {"active": head1x1 != 0, "out_channels": head1x1_channels, "groups": head1x1_groups},
            **{
                site: {"active": flags & 1 != 0, "shift": flags & 2 != 0, "groups": groups}
                for site, (flags, groups) in zip(_FILMS, films, strict=True)
            },
            "dilations": dilations,
            "kernel_sizes": kernels,
            "activation": activations,
            "gating_mode": gating,
            "secondary_activation": [self._activation() for _ in range(layers)],
        }

    def _gating(self, mode: int) -> str:
        if mode >= len(_GATING):
            self.fail(f"there is no gating mode {mode}")
        return _GATING[mode]

    def _activation(self) -> Json:
        kind, count = self.take("2B")
        if kind >= len(_ACTIVATIONS):
            self.fail(f"there is no activation {kind}")
        values = self.take(f"{count}f")
        found: Json = {"type": _ACTIVATIONS[kind]}
        if found["type"] == "PReLU" and count > 1:
            found["negative_slopes"] = values
        elif found["type"] in ("LeakyReLU", "PReLU") and count:
            found["negative_slope"] = values[0]
        elif found["type"] == "LeakyHardtanh" and count >= len(_LIMITS):
            found.update(zip(_LIMITS, values, strict=False))
        return found
