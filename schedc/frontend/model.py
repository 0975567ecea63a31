"""The typed, immutable form of a capture: what a `.nam` document says, checked.

Names are the file format's (docs/nam_format.md): a *layer array* is a stack of layers with one
head convolution.  ``weights`` is always the document's flat float32 stream; the order of its
tensors is the format's and is consumed by :mod:`schedc.frontend.build_graph`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schedc.ir.ops import ActivationKind, Cell

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ActivationSpec:
    """An activation and its float32 parameters.

    ``values``: LEAKY_RELU (slope,); PRELU one slope or one per channel; LEAKY_HARDTANH
    (min_val, max_val, min_slope, max_slope); all others empty.
    """

    kind: ActivationKind
    values: tuple[float, ...] = ()


class Gating(StrEnum):
    NONE = "none"
    GATED = "gated"
    BLENDED = "blended"


class FilmSite(StrEnum):
    """The eight FiLM sites, in weight-stream order."""

    CONV_PRE = "conv_pre_film"
    CONV_POST = "conv_post_film"
    INPUT_MIXIN_PRE = "input_mixin_pre_film"
    INPUT_MIXIN_POST = "input_mixin_post_film"
    ACTIVATION_PRE = "activation_pre_film"
    ACTIVATION_POST = "activation_post_film"
    LAYER1X1_POST = "layer1x1_post_film"
    HEAD1X1_POST = "head1x1_post_film"


@dataclass(frozen=True)
class Film:
    shift: bool
    groups: int


@dataclass(frozen=True)
class Layer1x1:
    groups: int


@dataclass(frozen=True)
class Head1x1:
    out_channels: int
    groups: int


@dataclass(frozen=True)
class LayerHead:
    """The convolution at the end of a layer array ("head rechannel")."""

    out_channels: int
    kernel_size: int
    bias: bool
    dilation: int


@dataclass(frozen=True)
class Layer:
    kernel_size: int
    dilation: int
    activation: ActivationSpec
    gating: Gating
    secondary: ActivationSpec | None  # None exactly when gating is NONE


@dataclass(frozen=True)
class LayerArray:
    input_size: int
    condition_size: int
    channels: int
    bottleneck: int
    layers: tuple[Layer, ...]
    groups_input: int
    groups_input_mixin: int
    layer1x1: Layer1x1 | None
    head1x1: Head1x1 | None
    head: LayerHead
    films: Mapping[FilmSite, Film]  # active sites only
    allowed_channels: tuple[int, ...] | None  # slimmable widths, ascending, last = channels

    @property
    def head_input_channels(self) -> int:
        """Width of the head accumulator ("acc" in the format)."""
        return self.head1x1.out_channels if self.head1x1 else self.bottleneck


@dataclass(frozen=True)
class PostStackHead:
    channels: int
    out_channels: int
    kernel_sizes: tuple[int, ...]
    activation: ActivationSpec


@dataclass(frozen=True, eq=False)
class LinearModel:
    receptive_field: int
    bias: bool
    in_channels: int
    out_channels: int  # equal to in_channels
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class ConvNetModel:
    channels: int
    dilations: tuple[int, ...]
    batchnorm: bool
    activation: ActivationSpec
    groups: int
    in_channels: int
    out_channels: int
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class RecurrentModel:
    """Layers of one kind of cell, one after the other."""

    cell: type[Cell]
    num_layers: int
    input_size: int
    hidden_size: int
    in_channels: int
    out_channels: int
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class WaveNetModel:
    arrays: tuple[LayerArray, ...]
    post_stack_head: PostStackHead | None
    in_channels: int
    condition_dsp: ModelDocument | None
    weights: FloatArray  # head_scale is the last number

    @property
    def out_channels(self) -> int:
        if self.post_stack_head:
            return self.post_stack_head.out_channels
        return self.arrays[-1].head.out_channels

    @property
    def slimmable(self) -> bool:
        return any(array.allowed_channels for array in self.arrays)


@dataclass(frozen=True, eq=False)
class Submodel:
    max_value: float
    document: ModelDocument


@dataclass(frozen=True, eq=False)
class ContainerModel:
    """SlimmableContainer: sizes to choose from; always 1 input and 1 output channel."""

    submodels: tuple[Submodel, ...]
    in_channels: int = 1
    out_channels: int = 1


Model = LinearModel | ConvNetModel | RecurrentModel | WaveNetModel | ContainerModel
PlainModel = LinearModel | ConvNetModel | RecurrentModel | WaveNetModel


@dataclass(frozen=True, eq=False)
class ModelDocument:
    """One model document (nested ones included)."""

    version: str
    architecture: str
    model: Model
    sample_rate: float | None  # Hz; None when the file does not say (run at 48 kHz)
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class NamFile:
    """A file that was read and found sound, and what it made the reader wary of."""

    path: Path
    document: ModelDocument
    warnings: tuple[str, ...]
    sha256: str  # of its content
