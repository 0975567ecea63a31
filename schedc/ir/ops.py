"""The small op set: every NAM architecture is a composition of these.

An op works on *streams*, ``[channels]`` float32 per sample.  An op holds shapes only; its numbers
live in a weight table keyed by node name (:mod:`schedc.ir.weights`), so two captures of one
architecture give equal graphs.  ``parameters()`` names those numbers and their shapes.  The
meaning of each op, in exact operation order, is :mod:`schedc.backends.interpreter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

Shape = tuple[int, ...]


class ActivationKind(StrEnum):
    TANH = "tanh"
    HARDTANH = "hardtanh"
    FASTTANH = "fasttanh"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"  # one slope, 0 < slope <= 1; other slopes are built as PRELU
    PRELU = "prelu"
    SIGMOID = "sigmoid"
    SILU = "silu"
    HARDSWISH = "hardswish"
    LEAKY_HARDTANH = "leaky_hardtanh"
    SOFTSIGN = "softsign"


class Start(StrEnum):
    """What a convolution's accumulation starts from."""

    NOTHING = "nothing"  # the first product, rounded
    BIAS = "bias"
    STREAM = "stream"  # a second operand, e.g. the mixin continuing the dilated convolution


@dataclass(frozen=True)
class Input:
    """Samples from outside: the caller's buffer, or an earlier stage's handoff."""

    channels: int
    handoff: bool = False

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return ()

    @property
    def out_channels(self) -> int:
        return self.channels

    def parameters(self) -> Mapping[str, Shape]:
        return {}


@dataclass(frozen=True)
class Output:
    """Samples to outside: the caller's buffer, or the handoff to the next stage."""

    channels: int
    handoff: bool = False

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.channels,)

    @property
    def out_channels(self) -> int:
        return 0

    def parameters(self) -> Mapping[str, Shape]:
        return {}


@dataclass(frozen=True)
class Conv:
    """Causal dilated grouped convolution.

    y[o,t] = start + sum over taps k = 0..K-1 (oldest first), then input channels j ascending, of
    weight[o,j,k] * x[g*q+j, t - dilation*(K-1-k)], one multiply-accumulate after the other.
    """

    in_channels: int
    out_channels: int
    kernel_size: int = 1
    dilation: int = 1
    groups: int = 1
    start: Start = Start.BIAS

    @property
    def operand_channels(self) -> tuple[int, ...]:
        if self.start is Start.STREAM:
            return (self.in_channels, self.out_channels)
        return (self.in_channels,)

    @property
    def history(self) -> int:
        """Past samples of the operand that are read."""
        return self.dilation * (self.kernel_size - 1)

    @property
    def columns(self) -> int:
        """Input channels that one output channel reads."""
        return self.in_channels // self.groups

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return self.out_channels * self.columns * self.kernel_size

    def parameters(self) -> Mapping[str, Shape]:
        shapes: dict[str, Shape] = {"weight": (self.out_channels, self.columns, self.kernel_size)}
        if self.start is Start.BIAS:
            shapes["bias"] = (self.out_channels,)
        return shapes


class Elementwise(StrEnum):
    ADD = "add"  # a + b
    SUB = "sub"  # a - b
    MUL = "mul"  # a * b
    MUL_ADD = "mul_add"  # a * b + c with the contract's multiply-accumulate


@dataclass(frozen=True)
class Combine:
    """Channel by channel arithmetic on equally wide streams."""

    kind: Elementwise
    channels: int

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.channels,) * (3 if self.kind is Elementwise.MUL_ADD else 2)

    @property
    def out_channels(self) -> int:
        return self.channels

    def parameters(self) -> Mapping[str, Shape]:
        return {}


@dataclass(frozen=True)
class Activation:
    """A function of each channel.  Its parameters (slopes, limits) are data, not shape."""

    kind: ActivationKind
    channels: int

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.channels,)

    @property
    def out_channels(self) -> int:
        return self.channels

    def parameters(self) -> Mapping[str, Shape]:
        match self.kind:
            case ActivationKind.LEAKY_RELU:
                return {"slope": (1,)}
            case ActivationKind.PRELU:
                return {"slope": (self.channels,)}
            case ActivationKind.LEAKY_HARDTANH:
                return {"limits": (4,)}  # min_val, max_val, min_slope, max_slope
            case _:
                return {}


@dataclass(frozen=True)
class Slice:
    """Channels [begin, end) of a stream."""

    in_channels: int
    begin: int
    end: int

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.in_channels,)

    @property
    def out_channels(self) -> int:
        return self.end - self.begin

    def parameters(self) -> Mapping[str, Shape]:
        return {}


@dataclass(frozen=True)
class Scale:
    """One factor for all channels (WaveNet's head_scale)."""

    channels: int

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.channels,)

    @property
    def out_channels(self) -> int:
        return self.channels

    def parameters(self) -> Mapping[str, Shape]:
        return {"factor": (1,)}


@dataclass(frozen=True)
class BatchNorm:
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta; folded before code is made."""

    channels: int

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.channels,)

    @property
    def out_channels(self) -> int:
        return self.channels

    def parameters(self) -> Mapping[str, Shape]:
        vector = (self.channels,)
        return {"mean": vector, "variance": vector, "gamma": vector, "beta": vector, "epsilon": (1,)}


CHAINS = 4  # sums of a gate that do not wait for each other


@dataclass(frozen=True)
class RecurrentCell:
    """A layer of ``hidden`` units that remembers: from a sample of its input and the state that it keeps it makes the
    next state, the first row of which is its output.

    A gate's pre-activation is the sum of up to four chains (``CHAINS``): chain 0 starts from the bias, takes
    the inputs ascending, then hidden channels 0, 4, 8, ...; chains 1 to 3 take the hidden channels
    congruent to 1, 2, 3 modulo 4; then (0 + 1) + (2 + 3).  Four chains because the recurrence is
    bound by latency, not by work.

    What a cell states of itself is all that is asked of it outside its meaning and its lowering.
    """

    in_channels: int
    hidden: int

    word: ClassVar[str]  # in the names of its nodes and fields
    title: ClassVar[str]  # in a sentence
    state: ClassVar[Mapping[str, str]]  # what it keeps, ``hidden`` floats each: letter -> parameter that it starts from
    gates: ClassVar[int]  # sums over input and old output
    functions: ClassVar[Mapping[ActivationKind, int]]  # evaluated for a unit, how often

    @property
    def operand_channels(self) -> tuple[int, ...]:
        return (self.in_channels,)

    @property
    def out_channels(self) -> int:
        return self.hidden

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return self.gates * self.hidden * (self.in_channels + self.hidden)

    @property
    def activations(self) -> int:
        """Functions evaluated per sample."""
        return self.hidden * sum(self.functions.values())

    @property
    def kept(self) -> str:
        """What it keeps, in words."""
        return " and ".join(self.state)

    def parameters(self) -> Mapping[str, Shape]:
        rows = self.gates * self.hidden
        shapes: dict[str, Shape] = {"weight": (rows, self.in_channels + self.hidden), "bias": (rows,)}
        return {**shapes, **dict.fromkeys(self.state.values(), (self.hidden,))}


@dataclass(frozen=True)
class LstmCell(RecurrentCell):
    """One LSTM layer, gates in the order i, f, g, o."""

    word = "lstm"
    title = "an LSTM"
    state: ClassVar[Mapping[str, str]] = {"h": "hidden", "c": "cell"}
    gates = 4
    functions: ClassVar[Mapping[ActivationKind, int]] = {ActivationKind.SIGMOID: 3, ActivationKind.TANH: 2}


Cell = LstmCell  # every recurrent cell that there is
# Element-wise: a sample's channel in, the same sample's channel out.
Pointwise = Activation | Combine | Scale
Op = Input | Output | Conv | Combine | Activation | Slice | Scale | BatchNorm | Cell


def history(op: Op) -> int:
    """Past samples of its first operand that an op reads (0 for most)."""
    return op.history if isinstance(op, Conv) else 0


def macs(op: Op) -> int:
    """Multiply-accumulates per sample; a scale or a fused multiply-add counts one per channel."""
    match op:
        case Conv() | RecurrentCell():
            return op.macs
        case Scale():
            return op.channels
        case Combine(kind=Elementwise.MUL | Elementwise.MUL_ADD):
            return op.channels
        case _:
            return 0
