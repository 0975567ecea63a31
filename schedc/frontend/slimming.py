"""Choosing a size: a container's submodel, or the widths of a slimmable WaveNet (docs/nam_format.md#sizes)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NoReturn

from schedc.errors import OptionError, UserError, one_line
from schedc.frontend.model import (
    ActivationSpec,
    ContainerModel,
    LayerArray,
    ModelDocument,
    NamFile,
    WaveNetModel,
)
from schedc.frontend.wavenet_rules import violations
from schedc.frontend.weight_stream import pack, tensors, unpack
from schedc.ir.ops import ActivationKind


def select_model(file: NamFile, slim: float | None) -> ModelDocument:
    """The plain model document of ``file`` at size ``slim`` (None: the full size).

    The result is never a container and never slimmable: a sliced WaveNet is an ordinary one with
    a shorter stream.  A container does not hand the size on: models inside keep their full size.
    Raises UserError when ``slim`` is no size of this file.
    """
    name = one_line(str(file.path))
    document = file.document
    if slim is None:
        return _full_size(document)
    if math.isnan(slim):
        raise OptionError("slim", "not a number", "give a size from 0 (smallest) to 1 (full)")
    match document.model:
        case ContainerModel() as container:
            return _full_size(_choose_submodel(container, slim))
        case WaveNetModel() as model if model.slimmable:
            if not 0 <= slim <= 1:
                what = f"{slim:g} is outside the sizes of {name}"
                raise OptionError("slim", what, "give a size from 0 (smallest) to 1 (full)")
            return replace(document, model=_slice(model, slim, name))
    raise OptionError("slim", f"{name} has only one size", "leave the size out")


def _full_size(document: ModelDocument) -> ModelDocument:
    while isinstance(document.model, ContainerModel):
        document = document.model.submodels[-1].document
    if not isinstance(document.model, WaveNetModel):
        return document
    return replace(document, model=_without_choice(document.model))


def _choose_submodel(container: ContainerModel, slim: float) -> ModelDocument:
    for submodel in container.submodels:
        if slim < submodel.max_value:
            return submodel.document
    return container.submodels[-1].document


def _without_choice(model: WaveNetModel) -> WaveNetModel:
    return replace(model, arrays=tuple(replace(array, allowed_channels=None) for array in model.arrays))


def _slice(model: WaveNetModel, slim: float, name: str) -> WaveNetModel:
    """``model`` at size ``slim``: every tensor keeps its leading rows and columns."""
    widths = [_width(array, slim) for array in model.arrays]
    full = _without_choice(model)
    if widths == [array.channels for array in model.arrays]:
        return full
    for i, array in enumerate(model.arrays):
        _check_sliceable(array, f"{name}:config.layers[{i}]")
    arrays = tuple(_narrow(full.arrays, widths, i, f"{name}:config.layers[{i}]") for i in range(len(widths)))
    narrow = replace(full, arrays=arrays)
    for broken in violations(narrow):
        what = f"at size {slim:g} this {broken.what}"
        raise UserError(f"{name}:config.{broken.path}", what, "choose the full size")
    kept = unpack(full)
    weights = pack(kept[tensor][tuple(slice(n) for n in shape)] for tensor, shape in tensors(narrow))
    return replace(narrow, weights=weights)


def _width(array: LayerArray, slim: float) -> int:
    if array.allowed_channels is None:
        return array.channels
    choices = len(array.allowed_channels)
    return array.allowed_channels[min(math.floor(slim * choices), choices - 1)]


def _narrow(arrays: tuple[LayerArray, ...], widths: list[int], i: int, where: str) -> LayerArray:
    """Array ``i`` when every array has its width of ``widths``."""
    array, width = arrays[i], widths[i]
    bottleneck = max(1, array.bottleneck * width // array.channels) if array.layer1x1 else width
    for layer in array.layers:
        for activation in (layer.activation, layer.secondary):
            _check_slopes(activation, bottleneck, f"{where}.activation")
    head_size = array.head.out_channels if i == len(arrays) - 1 else widths[i + 1]
    return replace(
        array,
        input_size=array.input_size if i == 0 else widths[i - 1],
        channels=width,
        bottleneck=bottleneck,
        head=replace(array.head, out_channels=head_size),
    )


def _check_sliceable(array: LayerArray, where: str) -> None:
    groups = {"groups_input": array.groups_input, "groups_input_mixin": array.groups_input_mixin}
    if array.layer1x1:
        groups["layer1x1.groups"] = array.layer1x1.groups
    if array.head1x1:
        groups["head1x1.groups"] = array.head1x1.groups
    groups |= {f"{site}.groups": film.groups for site, film in array.films.items()}
    for key, number in groups.items():
        if number != 1:
            _refuse(f"{where}.{key}", f"a model with {number} groups cannot be made narrower")
    if array.head.kernel_size != 1:
        what = f"a model whose head has {array.head.kernel_size} taps cannot be made narrower"
        _refuse(f"{where}.head.kernel_size", what)


def _check_slopes(activation: ActivationSpec | None, width: int, where: str) -> None:
    if activation is None or activation.kind is not ActivationKind.PRELU:
        return
    if len(activation.values) not in (1, width):
        _refuse(where, "a model with one PReLU slope per channel cannot be made narrower")


def _refuse(where: str, what: str) -> NoReturn:
    raise UserError(where, what, "choose the full size")
