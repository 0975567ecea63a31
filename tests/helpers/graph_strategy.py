"""Hypothesis strategies: random legal graphs, weights and signals with every kind of float.

Sizes are small ones and those at the edges of the code's rules for a target (:mod:`helpers.edges`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from helpers import edges
from helpers.captures import lookback, random_weights
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import (
    Activation,
    ActivationKind,
    Combine,
    Conv,
    Elementwise,
    Input,
    LstmCell,
    Op,
    Output,
    Pointwise,
    Scale,
    Slice,
    Start,
)
from schedc.ir.weights import FloatArray
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers
from schedc.targets.base import load_target
from schedc.targets.names import TARGET_NAMES

MOST_PAST = 1100  # samples of one convolution
MOST_MACS = 3000  # of a convolution, so that an example stays fast
FLAVOURS = ("plain", "plain", "sparse", "tiny", "huge", "mixed")


@dataclass(frozen=True)
class Example:
    """A graph with weights and a seed for everything that need not shrink."""

    graph: Graph
    weights: dict[str, dict[str, FloatArray]]
    seed: int

    @property
    def lookback(self) -> int:
        return lookback(self.graph)


class _Maker:
    """Draws nodes; ``streams`` are what later nodes may read."""

    def __init__(self, draw: st.DrawFn, target: str, recurrent: bool) -> None:
        self.draw, self.target, self.recurrent = draw, target, recurrent
        self.builder = GraphBuilder()
        self.streams: list[str] = []

    def width(self, name: str) -> int:
        return self.builder.nodes[name].channels

    def any_stream(self) -> str:
        """Mostly a young one, so that graphs get deep."""
        return self.streams[-1 - min(self.draw(st.integers(0, 5)), len(self.streams) - 1)]

    def one_of(self, *values: int) -> int:
        return self.draw(st.sampled_from(values))

    def size(self, small: tuple[int, ...], edge: tuple[int, ...], most: int) -> int:
        """A small number or one at an edge, at most ``most``."""
        chosen = [value for value in (small if self.one_of(0, 1) else edge) if value <= most]
        return self.one_of(*chosen) if chosen else 1

    def stream_of(self, width: int, besides: str = "") -> str:
        """A stream of ``width`` channels: an existing one, or a 1x1 convolution that makes it."""
        fitting = [name for name in self.streams if self.width(name) == width and name != besides]
        if fitting and self.one_of(0, 1):
            return self.draw(st.sampled_from(fitting[-4:]))
        source = self.any_stream()
        start = self.draw(st.sampled_from((Start.BIAS, Start.NOTHING)))
        return self.add(Conv(self.width(source), width, start=start), source)

    def add(self, op: Conv | Pointwise | Slice | LstmCell, *operands: str) -> str:
        name = self.builder.add(f"n{len(self.builder.nodes)}.{type(op).__name__.lower()}", op, *operands)
        self.streams.append(name)
        return name

    def conv(self) -> None:
        source = self.any_stream()
        width = self.width(source)
        groups = self.draw(st.sampled_from([g for g in range(1, width + 1) if width % g == 0]))
        columns = width // groups
        kernel = self.size((1, 2, 3, 5), edges.taps(self.target), MOST_MACS // width)
        rows = self.size((1, 2, 3), edges.channels(self.target), MOST_MACS // (kernel * width))
        out = groups * rows if groups * rows * columns * kernel <= MOST_MACS else groups
        dilation = self.dilation(kernel)
        start = self.draw(st.sampled_from(Start))
        extra = [self.stream_of(out)] if start is Start.STREAM else []
        self.add(Conv(width, out, kernel, dilation, groups, start), source, *extra)

    def dilation(self, kernel: int) -> int:
        """Mostly 1; else such that the oldest tap is a while ago, or as many samples as rules compare with."""
        if kernel == 1 or self.one_of(0, 1):
            return 1
        ago = self.one_of(2, 3, 7, 31, 150) * (kernel - 1)
        if self.one_of(0, 1):
            ago = self.one_of(*edges.histories(self.target, load_target(self.target).block))
        return max(1, min(ago, MOST_PAST) // (kernel - 1))

    def combine(self) -> None:
        kind = self.draw(st.sampled_from(Elementwise))
        first = self.any_stream()
        width = self.width(first)
        others = [self.stream_of(width) for _ in range(2 if kind is Elementwise.MUL_ADD else 1)]
        self.add(Combine(kind, width), first, *others)

    def film(self) -> None:
        """One convolution, two slices of it, v * scale + shift."""
        v = self.any_stream()
        width, c = self.width(v), self.any_stream()
        if width > 20:
            return
        s = self.add(Conv(self.width(c), 2 * width), c)
        scale = self.add(Slice(2 * width, 0, width), s)
        shift = self.add(Slice(2 * width, width, 2 * width), s)
        scaled = self.add(Combine(Elementwise.MUL, width), v, scale)
        self.add(Combine(Elementwise.ADD, width), scaled, shift)

    def activation(self) -> None:
        source = self.any_stream()
        self.add(Activation(self.draw(st.sampled_from(ActivationKind)), self.width(source)), source)

    def slice(self) -> None:
        source = self.any_stream()
        width = self.width(source)
        begin = self.draw(st.integers(0, width - 1))
        self.add(Slice(width, begin, self.draw(st.integers(begin + 1, width))), source)

    def scale(self) -> None:
        source = self.any_stream()
        self.add(Scale(self.width(source)), source)

    def lstm(self) -> None:
        source = self.any_stream()
        if self.recurrent and self.width(source) <= 8:
            self.add(LstmCell(self.width(source), self.size((1, 2, 3), edges.units(self.target), 40)), source)

    def make(self, steps: int) -> Graph:
        width = self.one_of(1, 1, 1, 2, 3)
        self.streams.append(self.builder.add("x", Input(width)))
        kinds = (self.conv, self.conv, self.conv, self.combine, self.film, self.activation, self.slice, self.scale)
        for _ in range(steps):
            self.draw(st.sampled_from((*kinds, self.lstm) if self.recurrent else kinds))()
        last = self.gathered()
        self.builder.add("out", Output(self.width(last)), last)
        return self.builder.build()

    def gathered(self) -> str:
        """What the output reads: the last stream, with up to three that nobody else reads mixed in."""
        read = {operand for node in self.builder.nodes.values() for operand in node.operands}
        last = self.streams[-1]
        if last == "x":
            return self.add(Conv(self.width("x"), 1), "x")
        unread = [name for name in self.streams[:-1] if name not in read]
        for name in unread[: self.draw(st.integers(0, 3))]:
            width = self.width(last)
            start = self.draw(st.sampled_from((Start.BIAS, Start.NOTHING)))
            part = name if self.width(name) == width else self.add(Conv(self.width(name), width, start=start), name)
            pair = (last, part) if self.draw(st.booleans()) else (part, last)
            last = self.add(Combine(Elementwise.ADD, width), *pair)
        return last


@st.composite
def examples(draw: st.DrawFn, recurrent: bool = False, most_steps: int = 9, target: str = "") -> Example:
    """``target``: at whose edges sizes lie (default: any target's)."""
    machine = target or draw(st.sampled_from(TARGET_NAMES))
    graph = _Maker(draw, machine, recurrent).make(draw(st.integers(1, most_steps)))
    assume(fuse_layers(core_graph(graph)))  # a bare copy of the input has no kernels
    seed = draw(st.integers(0, 2**16))
    return Example(graph, flavoured_weights(graph, draw(st.sampled_from(FLAVOURS)), seed), seed)


def flavoured_weights(graph: Graph, flavour: str, seed: int) -> dict[str, dict[str, FloatArray]]:
    """Random weights, some replaced by zeros of both signs, subnormals or huge numbers."""
    table = random_weights(graph, seed, scale=1.0)
    rng = np.random.default_rng(seed + 1)
    return {
        node: {
            key: values if key == "limits" else _legal(graph[node].op, _flavoured(values, flavour, rng))
            for key, values in parameters.items()
        }
        for node, parameters in table.items()
    }


def _legal(op: Op, values: FloatArray) -> FloatArray:
    """A leaky slope is above 0 and at most 1; what a file says besides is built as another op."""
    if isinstance(op, Activation) and op.kind is ActivationKind.LEAKY_RELU:
        return np.clip(np.abs(values), np.float32(1e-45), np.float32(1.0))
    return values


def _flavoured(values: FloatArray, flavour: str, rng: np.random.Generator) -> FloatArray:
    specials = {
        "plain": [],
        "sparse": [0.0, -0.0],
        "tiny": [1e-45, -1e-40, 1.2e-38, 3e-20],
        "huge": [3e38, -1e30, 1e19],
        "mixed": [0.0, -0.0, 1e-45, -1e-39, 1e-20, 1e15, -3e30],
    }[flavour]
    if not specials:
        return values
    share = 0.5 if flavour == "sparse" else 0.2
    chosen = rng.choice(np.array(specials, np.float32), values.shape)
    return np.where(rng.random(values.shape) < share, chosen, values).astype(np.float32)


def signal(channels: int, n: int, seed: int, special: bool = False, infinite: bool = False) -> FloatArray:
    """Noise; ``special`` mixes in zeros, subnormals and large values, ``infinite`` also inf and NaN."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 0.5, (channels, n)).astype(np.float32)
    values = [0.0, -0.0, 1e-45, -1e-40, 1.1754944e-38, 1e-30, 1e10, -3e38] if special else []
    values += [np.inf, -np.inf, np.nan] if infinite else []
    if values:
        chosen = rng.choice(np.array(values, np.float32), x.shape)
        x = np.where(rng.random(x.shape) < 0.05, chosen, x).astype(np.float32)
    return x
