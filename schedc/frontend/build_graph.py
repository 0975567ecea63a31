"""A typed capture to a graph and its weight table.

The graph is the composition that docs/nam_format.md writes down, in the same words; every feature of the
format is a few lines here and nowhere else.  ``build_graph`` accepts plain models (containers and
slimmable sizes are resolved before, :mod:`schedc.frontend.slimming`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from schedc.errors import InternalError
from schedc.frontend.model import (
    ActivationSpec,
    ContainerModel,
    ConvNetModel,
    Film,
    FilmSite,
    FloatArray,
    Gating,
    Layer,
    LayerArray,
    LinearModel,
    PlainModel,
    PostStackHead,
    RecurrentModel,
    WaveNetModel,
)
from schedc.frontend.weight_stream import unpack
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    BatchNorm,
    Combine,
    Conv,
    Elementwise,
    Input,
    Op,
    Output,
    Scale,
    Slice,
    Start,
)
from schedc.ir.weights import WeightTable


@dataclass(frozen=True)
class BuildOptions:
    """``core_0_5_5_layer1x1_post_film``: like engines up to 0.5.5, apply FiLM after layer1x1 only
    in blended layers (an engine bug that captures may have been judged with).
    """

    core_0_5_5_layer1x1_post_film: bool = False


def build_graph(model: PlainModel, options: BuildOptions | None = None) -> tuple[Graph, WeightTable]:
    """The graph of ``model`` and its weights; shapes decide the graph, numbers only the table."""
    build = _Build(options or BuildOptions())
    source = build.add("input", Input(model.in_channels))
    result = build.model(model, source, "")
    build.add("output", Output(model.out_channels), result)
    return build.graph.build(), build.weights


@dataclass
class _Build:
    """Nodes and weights side by side; ``prefix`` names where in a nested model we are."""

    options: BuildOptions
    graph: GraphBuilder = field(default_factory=GraphBuilder)
    weights: dict[str, dict[str, FloatArray]] = field(default_factory=dict)

    def add(self, name: str, op: Op, *operands: str, **parameters: FloatArray) -> str:
        if parameters:
            self.weights[name] = {key: np.ascontiguousarray(value, np.float32) for key, value in parameters.items()}
        return self.graph.add(name, op, *operands)

    def model(self, model: PlainModel, source: str, prefix: str) -> str:
        tensors = {prefix + name: array for name, array in unpack(model).items()}
        match model:
            case LinearModel():
                return self.linear(model, tensors, source, prefix)
            case ConvNetModel():
                return self.convnet(model, tensors, source, prefix)
            case RecurrentModel():
                return self.recurrent(model, tensors, source, prefix)
            case WaveNetModel():
                return _WaveNetBuild(self, model, tensors, source, prefix).build()

    def linear(self, model: LinearModel, tensors: dict[str, FloatArray], source: str, prefix: str) -> str:
        """Every channel through the same impulse response: a depthwise convolution."""
        channels = model.in_channels
        # The file lists the newest sample's coefficient first, Conv the oldest.
        taps = tensors[f"{prefix}fir.weight"].reshape(-1)[::-1]
        parameters = {"weight": np.tile(taps, (channels, 1, 1))}
        if model.bias:
            parameters["bias"] = np.repeat(tensors[f"{prefix}fir.bias"].reshape(-1), channels)
        start = Start.BIAS if model.bias else Start.NOTHING
        op = Conv(channels, channels, model.receptive_field, 1, channels, start)
        return self.add(f"{prefix}fir", op, source, **parameters)

    def convnet(self, model: ConvNetModel, tensors: dict[str, FloatArray], source: str, prefix: str) -> str:
        x, width = source, model.in_channels
        for index, dilation in enumerate(model.dilations):
            block = f"{prefix}block{index}"
            start = Start.NOTHING if model.batchnorm else Start.BIAS
            op = Conv(width, model.channels, 2, dilation, model.groups, start)
            x = self.conv(f"{block}.conv", op, tensors, x)
            if model.batchnorm:
                name = f"{block}.batchnorm"
                norm = {key: tensors[f"{name}.{key}"].reshape(-1) for key in BatchNorm(1).parameters()}
                x = self.add(name, BatchNorm(model.channels), x, **norm)
            x = self.activation(f"{block}.activation", model.activation, model.channels, x)
            width = model.channels
        return self.conv(f"{prefix}head", Conv(width, model.out_channels), tensors, x)

    def recurrent(self, model: RecurrentModel, tensors: dict[str, FloatArray], source: str, prefix: str) -> str:
        x, width = source, model.input_size
        for index in range(model.num_layers):
            name = f"{prefix}layer{index}.{model.cell.word}"
            op = model.cell(width, model.hidden_size)
            x = self.add(name, op, x, **{key: tensors[f"{name}.{key}"] for key in op.parameters()})
            width = model.hidden_size
        return self.conv(f"{prefix}head", Conv(width, model.out_channels), tensors, x)

    def conv(self, name: str, op: Conv, tensors: dict[str, FloatArray], *operands: str) -> str:
        parameters = {key: tensors[f"{name}.{key}"].reshape(shape) for key, shape in op.parameters().items()}
        return self.add(name, op, *operands, **parameters)

    def activation(self, name: str, spec: ActivationSpec, channels: int, x: str) -> str:
        values, kind = np.array(spec.values, np.float32), spec.kind
        if kind is ActivationKind.LEAKY_RELU and not 0.0 < values[0] <= 1.0:
            kind = ActivationKind.PRELU
        parameters: dict[str, FloatArray] = {}
        if kind is ActivationKind.PRELU:
            parameters["slope"] = np.broadcast_to(values, (channels,))
        elif kind is ActivationKind.LEAKY_RELU:
            parameters["slope"] = values
        elif kind is ActivationKind.LEAKY_HARDTANH:
            parameters["limits"] = values
        return self.add(name, Activation(kind, channels), x, **parameters)

    def combine(self, name: str, kind: Elementwise, channels: int, *operands: str) -> str:
        return self.add(name, Combine(kind, channels), *operands)


@dataclass
class _WaveNetBuild:
    """docs/nam_format.md#one-layer and docs/nam_format.md#arrays-and-model, line by line."""

    base: _Build
    model: WaveNetModel
    tensors: dict[str, FloatArray]
    source: str
    prefix: str

    def build(self) -> str:
        condition, condition_prefix = self.source, f"{self.prefix}condition."
        if self.model.condition_dsp:
            nested = self.model.condition_dsp.model
            if isinstance(nested, ContainerModel):
                raise InternalError("the reader let a container through as a condition_dsp")
            condition = self.base.model(nested, self.source, condition_prefix)
        x, head = self.source, None
        for index, array in enumerate(self.model.arrays):
            x, head = self.array(f"{self.prefix}array{index}", array, x, condition, head)
        assert head is not None
        width = self.model.arrays[-1].head.out_channels
        factor = self.tensors[f"{self.prefix}head_scale"].reshape(1)
        y = self.base.add(f"{self.prefix}head_scale", Scale(width), head, factor=factor)
        return self.post_stack_head(self.model.post_stack_head, y, width) if self.model.post_stack_head else y

    def array(self, name: str, array: LayerArray, x: str, condition: str, head: str | None) -> tuple[str, str]:
        op = Conv(array.input_size, array.channels, start=Start.NOTHING)
        x = self.base.conv(f"{name}.rechannel", op, self.tensors, x)
        for index, layer in enumerate(array.layers):
            place = f"{name}.layer{index}"
            p = self.activated(place, array, layer, x, condition)
            head = self.head_sum(place, array, p, condition, head)
            x = self.residual(place, array, layer, x, p, condition)
        assert head is not None
        rows = array.head
        start = Start.BIAS if rows.bias else Start.NOTHING
        op = Conv(array.head_input_channels, rows.out_channels, rows.kernel_size, rows.dilation, 1, start)
        return x, self.base.conv(f"{name}.head", op, self.tensors, head)

    def activated(self, name: str, array: LayerArray, layer: Layer, x: str, c: str) -> str:
        """One layer up to its activation: what both the residual and the head branch read."""
        gates = 1 if layer.gating is Gating.NONE else 2
        wide, b = gates * array.bottleneck, array.bottleneck
        u = self.film(name, array, FilmSite.CONV_PRE, array.channels, x, c)
        op = Conv(array.channels, wide, layer.kernel_size, layer.dilation, array.groups_input)
        a = self.base.conv(f"{name}.conv", op, self.tensors, u)
        a = self.film(name, array, FilmSite.CONV_POST, wide, a, c)
        q = self.film(name, array, FilmSite.INPUT_MIXIN_PRE, array.condition_size, c, c)
        op = Conv(array.condition_size, wide, groups=array.groups_input_mixin, start=Start.NOTHING)
        m = self.base.conv(f"{name}.mixin", op, self.tensors, q)
        m = self.film(name, array, FilmSite.INPUT_MIXIN_POST, wide, m, c)
        z = self.base.combine(f"{name}.sum", Elementwise.ADD, wide, a, m)
        z = self.film(name, array, FilmSite.ACTIVATION_PRE, wide, z, c)
        p = self.gate(name, layer, b, z)
        return self.film(name, array, FilmSite.ACTIVATION_POST, b, p, c)

    def gate(self, name: str, layer: Layer, b: int, z: str) -> str:
        base = self.base
        if layer.gating is Gating.NONE:
            return base.activation(f"{name}.activation", layer.activation, b, z)
        assert layer.secondary is not None
        first = base.add(f"{name}.first_half", Slice(2 * b, 0, b), z)
        second = base.add(f"{name}.second_half", Slice(2 * b, b, 2 * b), z)
        act = base.activation(f"{name}.activation", layer.activation, b, first)
        alpha = base.activation(f"{name}.secondary", layer.secondary, b, second)
        if layer.gating is Gating.GATED:
            return base.combine(f"{name}.gated", Elementwise.MUL, b, act, alpha)
        # alpha * act + (1 - alpha) * z, written with one multiplication.
        difference = base.combine(f"{name}.difference", Elementwise.SUB, b, act, first)
        weighted = base.combine(f"{name}.weighted", Elementwise.MUL, b, alpha, difference)
        return base.combine(f"{name}.blended", Elementwise.ADD, b, weighted, first)

    def residual(self, name: str, array: LayerArray, layer: Layer, x: str, p: str, c: str) -> str:
        if not array.layer1x1:
            return x  # the engine's rule; the trainer adds p
        op = Conv(array.bottleneck, array.channels, groups=array.layer1x1.groups)
        r = self.base.conv(f"{name}.layer1x1", op, self.tensors, p)
        old_engine = self.base.options.core_0_5_5_layer1x1_post_film
        if layer.gating is Gating.BLENDED or not old_engine:
            r = self.film(name, array, FilmSite.LAYER1X1_POST, array.channels, r, c)
        return self.base.combine(f"{name}.residual", Elementwise.ADD, array.channels, x, r)

    def head_sum(self, name: str, array: LayerArray, p: str, c: str, head: str | None) -> str:
        """The running head sum with this layer's contribution; the first layer's is the sum."""
        part, width = p, array.bottleneck
        if array.head1x1:
            width = array.head1x1.out_channels
            op = Conv(array.bottleneck, width, groups=array.head1x1.groups)
            part = self.base.conv(f"{name}.head1x1", op, self.tensors, p)
            part = self.film(name, array, FilmSite.HEAD1X1_POST, width, part, c)
        return self.base.combine(f"{name}.head_sum", Elementwise.ADD, width, head, part) if head else part

    def film(self, name: str, array: LayerArray, site: FilmSite, dim: int, v: str, c: str) -> str:
        """v * scale(c) + shift(c), both from one 1x1 convolution of the condition; v if inactive."""
        film: Film | None = array.films.get(site)
        if film is None:
            return v
        place = f"{name}.{site}"
        width = 2 * dim if film.shift else dim
        op = Conv(array.condition_size, width, groups=film.groups)
        parameters = {key: self.tensors[f"{place}.{key}"].reshape(shape) for key, shape in op.parameters().items()}
        s = self.base.add(f"{place}.conv", op, c, **parameters)
        if not film.shift:
            return self.base.combine(place, Elementwise.MUL, dim, v, s)
        scale = self.base.add(f"{place}.scale", Slice(width, 0, dim), s)
        shift = self.base.add(f"{place}.shift", Slice(width, dim, width), s)
        scaled = self.base.combine(f"{place}.scaled", Elementwise.MUL, dim, v, scale)
        return self.base.combine(place, Elementwise.ADD, dim, scaled, shift)

    def post_stack_head(self, head: PostStackHead, y: str, width: int) -> str:
        """The activation comes before each convolution; none after the last."""
        last = len(head.kernel_sizes) - 1
        for index, kernel_size in enumerate(head.kernel_sizes):
            name = f"{self.prefix}head"
            y = self.base.activation(f"{name}.activation{index}", head.activation, width, y)
            out = head.out_channels if index == last else head.channels
            y = self.base.conv(f"{name}.conv{index}", Conv(width, out, kernel_size), self.tensors, y)
            width = out
        return y
