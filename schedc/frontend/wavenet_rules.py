"""What the parts of a WaveNet must agree on (docs/nam_format.md#what-must-agree).

Checked when a file is read and again after a slimmable model was sliced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schedc.frontend.model import FilmSite, LayerArray, WaveNetModel
from schedc.frontend.weight_stream import film_width, gate_width


@dataclass(frozen=True)
class Violation:
    """A broken rule; ``path`` is the JSON path below ``config``."""

    path: str
    what: str


def violations(model: WaveNetModel) -> Iterator[Violation]:
    """Every broken rule of ``model``, in document order; none for a sound model."""
    condition = model.condition_dsp
    condition_channels = condition.model.out_channels if condition else model.in_channels
    source = "condition_dsp has" if condition else "in_channels says"
    previous: LayerArray | None = None
    for i, array in enumerate(model.arrays):
        path = f"layers[{i}]"
        if array.condition_size != condition_channels:
            what = f"is {array.condition_size}, but {source} {condition_channels} channels"
            yield Violation(f"{path}.condition_size", what)
        yield from _input_violations(path, array, previous, model.in_channels)
        for broken in _array_violations(array):
            yield Violation(f"{path}.{broken.path}", broken.what)
        previous = array


def _input_violations(
    path: str, array: LayerArray, previous: LayerArray | None, in_channels: int
) -> Iterator[Violation]:
    if previous is None:
        if array.input_size != in_channels:
            what = f"is {array.input_size}, but the model has {in_channels} input channels"
            yield Violation(f"{path}.input_size", what)
        return
    if array.input_size != previous.channels:
        what = f"is {array.input_size}, but the layer array before has {previous.channels} channels"
        yield Violation(f"{path}.input_size", what)
    head_size = previous.head.out_channels
    if array.channels != head_size:
        what = f"is {array.channels}, but the layer array before has a head of {head_size} channels"
        yield Violation(f"{path}.channels", what)
    if array.head_input_channels != head_size:
        key = "head1x1.out_channels" if array.head1x1 else "bottleneck"
        what = (
            f"is {array.head_input_channels}, but is added to the head of the layer array before, "
            f"which has {head_size} channels"
        )
        yield Violation(f"{path}.{key}", what)


def _array_violations(array: LayerArray) -> Iterator[Violation]:
    if array.layer1x1 is None:
        if array.bottleneck != array.channels:
            what = f"is {array.bottleneck}, but must be the {array.channels} of channels without layer1x1"
            yield Violation("bottleneck", what)
        if FilmSite.LAYER1X1_POST in array.films:
            yield Violation(FilmSite.LAYER1X1_POST, "is active, but layer1x1 is not")
    if array.head1x1 is None and FilmSite.HEAD1X1_POST in array.films:
        yield Violation(FilmSite.HEAD1X1_POST, "is active, but head1x1 is not")
    if array.layer1x1:
        groups = array.layer1x1.groups
        yield from _indivisible("layer1x1.groups", groups, array.bottleneck, array.channels)
    if array.head1x1:
        groups = array.head1x1.groups
        yield from _indivisible("head1x1.groups", groups, array.bottleneck, array.head1x1.out_channels)
    for gate in sorted({gate_width(layer) for layer in array.layers}):
        inner = gate * array.bottleneck
        yield from _indivisible("groups_input", array.groups_input, array.channels, inner)
        yield from _indivisible("groups_input_mixin", array.groups_input_mixin, array.condition_size, inner)
        layer = next(layer for layer in array.layers if gate_width(layer) == gate)
        for site, film in array.films.items():
            rows = (2 if film.shift else 1) * film_width(array, layer, site)
            yield from _indivisible(f"{site}.groups", film.groups, array.condition_size, rows)


def _indivisible(path: str, groups: int, into: int, out: int) -> Iterator[Violation]:
    """A grouped convolution needs its input and its output channels divisible by its groups."""
    for channels, side in ((into, "input"), (out, "output")):
        if channels % groups:
            yield Violation(path, f"{groups} groups do not divide the {channels} {side} channels")
