"""Linear, ConvNet and cells (docs/nam_format.md#linear, docs/nam_format.md#convnet, docs/nam_format.md#lstm)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schedc.frontend.document_parts import DocumentParts
from schedc.frontend.fields import Value
from schedc.frontend.limits import MAX_LAYERS
from schedc.frontend.model import ConvNetModel, LinearModel, RecurrentModel
from schedc.frontend.read_activation import read_activation
from schedc.frontend.weight_stream import unpack
from schedc.ir.ops import Cell, LstmCell

# How the engine computes it, never what; lower case.
_LINEAR_IMPLEMENTATIONS = (
    *("auto", "direct", "legacy", "old"),
    *("fft", "partitioned_fft", "partitioned-fft"),
)
_LINEAR_ORDER_FIXED = (2026, 8)  # year, month; until then the trainer wrote the taps reversed


def read_linear(parts: DocumentParts) -> LinearModel:
    """A finite impulse response, the same for each channel."""
    config = parts.config
    config.warn_unknown(("receptive_field", "bias", "in_channels", "out_channels", "implementation"))
    implementation = config.get("implementation")
    if implementation and implementation.string().lower() not in _LINEAR_IMPLEMENTATIONS:
        implementation.expected(f"one of {', '.join(_LINEAR_IMPLEMENTATIONS)}")
    model = LinearModel(
        receptive_field=config.integer("receptive_field"),
        bias=config.boolean("bias"),
        in_channels=config.width("in_channels", default=1),
        out_channels=config.width("out_channels", default=1),
        weights=parts.weights,
    )
    if model.in_channels != model.out_channels:
        what = f"is {model.out_channels}, but in_channels is {model.in_channels}"
        config.value.child("out_channels").fail(what, "a Linear model must have as many outputs as inputs")
    if model.receptive_field > 1 and _from_an_old_trainer(parts.metadata):
        what = "trainers up to August 2026 wrote the taps in reverse; they are used as in the C++ engine"
        config.value.child("receptive_field").warn(what)
    return model


def _from_an_old_trainer(metadata: Mapping[str, object]) -> bool:
    """Whether the trainer's export date is from before the fix (files without a date do not tell)."""
    date = metadata.get("date")
    if not isinstance(date, dict):
        return False
    year, month = date.get("year"), date.get("month")
    return isinstance(year, int) and isinstance(month, int) and (year, month) <= _LINEAR_ORDER_FIXED


def read_convnet(parts: DocumentParts) -> ConvNetModel:
    """Blocks of convolution (two taps), optional batch norm and activation."""
    config = parts.config
    config.warn_unknown(("channels", "dilations", "batchnorm", "activation", "groups", "in_channels", "out_channels"))
    channels = config.width("channels")
    dilations = config.integers("dilations")
    config.value.reading.count_layers(config.value.child("dilations"), len(dilations))
    model = ConvNetModel(
        channels=channels,
        dilations=dilations,
        batchnorm=config.boolean("batchnorm"),
        activation=read_activation(config.require("activation"), frozenset({channels})),
        groups=config.width("groups", default=1),
        in_channels=config.width("in_channels", default=1),
        out_channels=config.width("out_channels", default=1),
        weights=parts.weights,
    )
    for name, width in (("in_channels", model.in_channels), ("channels", channels)):
        if width % model.groups:
            what = f"{model.groups} groups do not divide the {width} of {name}"
            config.value.child("groups").fail(what)
    return model


def check_batchnorm(model: ConvNetModel, weights: Value) -> None:
    """Refuses a variance plus epsilon that has no square root; needs the counted stream."""
    unpacked = unpack(model)
    for i in range(len(model.dilations) if model.batchnorm else 0):
        name = f"block{i}.batchnorm"
        scale = unpacked[f"{name}.variance"].astype(np.float64) + float(unpacked[f"{name}.epsilon"][0])
        if np.any(scale <= 0):
            channel = int(np.argmax(scale <= 0))
            weights.fail(f"batch norm of block {i}: variance + epsilon of channel {channel} is not positive")


CELLS: Mapping[str, type[Cell]] = {"LSTM": LstmCell}  # by architecture


def read_recurrent(cell: type[Cell], parts: DocumentParts) -> RecurrentModel:
    """Layers of cells, each with its stored initial state."""
    config = parts.config
    config.warn_unknown(("num_layers", "input_size", "hidden_size", "in_channels", "out_channels"))
    model = RecurrentModel(
        cell=cell,
        num_layers=config.integer("num_layers", maximum=MAX_LAYERS),
        input_size=config.width("input_size"),
        hidden_size=config.width("hidden_size"),
        in_channels=config.width("in_channels", default=1),
        out_channels=config.width("out_channels", default=1),
        weights=parts.weights,
    )
    config.value.reading.count_layers(config.value.child("num_layers"), model.num_layers)
    if model.input_size != model.in_channels:
        what = f"is {model.input_size}, but the model has {model.in_channels} input channels"
        config.value.child("input_size").fail(what)
    return model
