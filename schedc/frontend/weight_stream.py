"""The flat weight stream of each architecture, as named tensors (docs/nam_format.md#wavenet-weights).

The one description of the stream's order: the reader counts with it, slimming cuts with it, the
graph builder unpacks with it.  All tensors are read in C order, last index fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from schedc.errors import InternalError
from schedc.frontend.model import (
    ConvNetModel,
    FilmSite,
    FloatArray,
    Gating,
    Layer,
    LayerArray,
    LinearModel,
    PlainModel,
    RecurrentModel,
    WaveNetModel,
)

Tensor = tuple[str, tuple[int, ...]]


def tensors(model: PlainModel) -> list[Tensor]:
    """Name and shape of every tensor, in stream order; a condition model's own stream is not in it."""
    match model:
        case LinearModel():
            return list(_linear_tensors(model))
        case ConvNetModel():
            return list(_convnet_tensors(model))
        case RecurrentModel():
            return list(_recurrent_tensors(model))
        case WaveNetModel():
            return list(wavenet_tensors(model))


def count(model: PlainModel) -> int:
    """How many numbers the stream of ``model`` must have (computed, nothing is allocated)."""
    return sum(math.prod(shape) for _, shape in tensors(model))


def unpack(model: PlainModel) -> dict[str, FloatArray]:
    """Every tensor by name: float32 views of ``model.weights`` in the shapes of :func:`tensors`."""
    if model.weights.size != count(model):
        raise InternalError(f"a model holds {model.weights.size} weights where {count(model)} were checked")
    unpacked: dict[str, FloatArray] = {}
    start = 0
    for name, shape in tensors(model):
        end = start + math.prod(shape)
        unpacked[name] = model.weights[start:end].reshape(shape)
        start = end
    return unpacked


def pack(parts: Iterator[FloatArray]) -> FloatArray:
    """The read-only float32 stream whose tensors are ``parts``, in that order."""
    stream = np.concatenate([part.ravel() for part in parts]).astype(np.float32, copy=False)
    stream.setflags(write=False)
    return stream


def gate_width(layer: Layer) -> int:
    """2 for gated and blended layers, whose convolution makes both halves; else 1."""
    return 1 if layer.gating is Gating.NONE else 2


def film_width(array: LayerArray, layer: Layer, site: FilmSite) -> int:
    """How many channels the FiLM at ``site`` modulates (docs/nam_format.md#film)."""
    match site:
        case FilmSite.CONV_PRE | FilmSite.LAYER1X1_POST:
            return array.channels
        case FilmSite.CONV_POST | FilmSite.INPUT_MIXIN_POST | FilmSite.ACTIVATION_PRE:
            return gate_width(layer) * array.bottleneck
        case FilmSite.INPUT_MIXIN_PRE:
            return array.condition_size
        case FilmSite.ACTIVATION_POST:
            return array.bottleneck
        case FilmSite.HEAD1X1_POST:
            return array.head_input_channels


def wavenet_tensors(model: WaveNetModel) -> Iterator[Tensor]:
    """The stream of a WaveNet (docs/nam_format.md#wavenet-weights), its condition model's excluded."""
    for i, array in enumerate(model.arrays):
        yield f"array{i}.rechannel.weight", (array.channels, array.input_size)
        for j, layer in enumerate(array.layers):
            yield from _layer_tensors(f"array{i}.layer{j}", array, layer)
        head = array.head
        yield f"array{i}.head.weight", (head.out_channels, array.head_input_channels, head.kernel_size)
        if head.bias:
            yield f"array{i}.head.bias", (head.out_channels,)
    yield from _post_stack_head_tensors(model)
    yield "head_scale", (1,)


def _layer_tensors(name: str, array: LayerArray, layer: Layer) -> Iterator[Tensor]:
    inner = gate_width(layer) * array.bottleneck
    yield f"{name}.conv.weight", (inner, array.channels // array.groups_input, layer.kernel_size)
    yield f"{name}.conv.bias", (inner,)
    yield f"{name}.mixin.weight", (inner, array.condition_size // array.groups_input_mixin)
    if array.layer1x1:
        yield f"{name}.layer1x1.weight", (array.channels, array.bottleneck // array.layer1x1.groups)
        yield f"{name}.layer1x1.bias", (array.channels,)
    if array.head1x1:
        out = array.head1x1.out_channels
        yield f"{name}.head1x1.weight", (out, array.bottleneck // array.head1x1.groups)
        yield f"{name}.head1x1.bias", (out,)
    for site in FilmSite:
        if film := array.films.get(site):
            rows = (2 if film.shift else 1) * film_width(array, layer, site)
            yield f"{name}.{site}.weight", (rows, array.condition_size // film.groups)
            yield f"{name}.{site}.bias", (rows,)


def _post_stack_head_tensors(model: WaveNetModel) -> Iterator[Tensor]:
    head = model.post_stack_head
    if head is None:
        return
    width = model.arrays[-1].head.out_channels
    last = len(head.kernel_sizes) - 1
    for i, kernel_size in enumerate(head.kernel_sizes):
        out = head.out_channels if i == last else head.channels
        yield f"head.conv{i}.weight", (out, width, kernel_size)
        yield f"head.conv{i}.bias", (out,)
        width = out


def _linear_tensors(model: LinearModel) -> Iterator[Tensor]:
    yield "fir.weight", (model.receptive_field,)
    if model.bias:
        yield "fir.bias", (1,)


def _convnet_tensors(model: ConvNetModel) -> Iterator[Tensor]:
    width = model.in_channels
    for i in range(len(model.dilations)):
        yield f"block{i}.conv.weight", (model.channels, width // model.groups, 2)
        if model.batchnorm:
            for part in ("mean", "variance", "gamma", "beta"):
                yield f"block{i}.batchnorm.{part}", (model.channels,)
            yield f"block{i}.batchnorm.epsilon", (1,)
        else:
            yield f"block{i}.conv.bias", (model.channels,)
        width = model.channels
    yield "head.weight", (model.out_channels, model.channels)
    yield "head.bias", (model.out_channels,)


def _recurrent_tensors(model: RecurrentModel) -> Iterator[Tensor]:
    width = model.input_size
    for i in range(model.num_layers):
        for name, shape in model.cell(width, model.hidden_size).parameters().items():
            yield f"layer{i}.{model.cell.word}.{name}", shape
        width = model.hidden_size
    yield "head.weight", (model.out_channels, model.hidden_size)
    yield "head.bias", (model.out_channels,)
