"""WaveNet: layer arrays, the post-stack head and the condition model (docs/nam_format.md#wavenet)."""

from __future__ import annotations

from schedc.frontend.document_parts import DocumentParts
from schedc.frontend.fields import Fields, Value
from schedc.frontend.limits import MAX_LAYERS
from schedc.frontend.model import (
    ContainerModel,
    FilmSite,
    Gating,
    LayerArray,
    ModelDocument,
    PostStackHead,
    WaveNetModel,
)
from schedc.frontend.read_activation import read_activation
from schedc.frontend.read_layer_array import has_slimmable_without_method, read_layer_array
from schedc.frontend.wavenet_rules import violations

_HEAD_SCALE_TOLERANCE = 1e-5  # docs/nam_format.md#wavenet


def read_wavenet(parts: DocumentParts) -> WaveNetModel:
    """The WaveNet in ``parts``, its consistency checked; the caller counts its weights."""
    config = parts.config
    entries = [value.fields() for value in config.require("layers").items(MAX_LAYERS)]
    arrays = tuple(read_layer_array(entry) for entry in entries)
    _check_slimmable(config, entries, arrays)
    head_scale = config.require("head_scale").number()
    in_channels = config.width("in_channels", default=1)
    model = WaveNetModel(
        arrays=arrays,
        post_stack_head=_read_post_stack_head(config, arrays[-1].head.out_channels),
        in_channels=in_channels,
        condition_dsp=_read_condition(parts, in_channels),
        weights=parts.weights,
    )
    config.warn_unknown(("layers", "head", "head_scale", "in_channels", "condition_dsp"))
    for broken in violations(model):
        config.value.child(broken.path).fail(broken.what)
    if model.slimmable and model.post_stack_head:
        config.require("head").fail("a slimmable WaveNet cannot have a post-stack head")
    _warn_about_film(config.value, arrays)
    if parts.weights.size and abs(head_scale - float(parts.weights[-1])) > _HEAD_SCALE_TOLERANCE:
        what = f"{head_scale:g} is not used: the last weight is the scale ({float(parts.weights[-1]):g})"
        config.require("head_scale").warn(what)
    return model


def _check_slimmable(config: Fields, entries: list[Fields], arrays: tuple[LayerArray, ...]) -> None:
    if not any(array.allowed_channels for array in arrays):
        return
    for i, entry in enumerate(entries):
        if has_slimmable_without_method(entry):
            what = "has no method while another layer array has one"
            config.value.child(f"layers[{i}].slimmable").fail(what)


def _read_post_stack_head(config: Fields, in_channels: int) -> PostStackHead | None:
    value = config.get_unless_null("head")
    if value is None:
        return None
    members = value.fields()
    members.warn_unknown(("channels", "out_channels", "kernel_sizes", "activation", "in_channels"))
    declared = members.get_unless_null("in_channels")
    if declared is not None and declared.integer() != in_channels:
        declared.fail(f"is {declared.raw}, but the last layer array has a head of {in_channels} channels")
    kernel_sizes = members.integers("kernel_sizes")
    value.reading.count_layers(value, len(kernel_sizes))
    channels = members.width("channels")
    widths = {in_channels} if len(kernel_sizes) == 1 else {in_channels, channels}
    return PostStackHead(
        channels=channels,
        out_channels=members.width("out_channels"),
        kernel_sizes=kernel_sizes,
        activation=read_activation(members.require("activation"), frozenset(widths), name_is_type=True),
    )


def _read_condition(parts: DocumentParts, in_channels: int) -> ModelDocument | None:
    value = parts.config.get_unless_null("condition_dsp")
    if value is None:
        return None
    condition = parts.read_nested(value)
    if isinstance(condition.model, ContainerModel):
        value.fail("a SlimmableContainer cannot be the condition model", "use one of its submodels")
    if isinstance(condition.model, WaveNetModel) and condition.model.slimmable:
        value.fail("a slimmable WaveNet cannot be the condition model", "use it at one fixed size")
    if condition.sample_rate != parts.sample_rate:
        rates = f"{_rate(condition.sample_rate)}, but the model around it {_rate(parts.sample_rate)}"
        value.child("sample_rate").fail(f"the condition model runs at {rates}")
    if condition.model.in_channels != in_channels:
        what = f"the condition model has {condition.model.in_channels} input channels, not {in_channels}"
        value.fail(what)
    return condition


def _rate(sample_rate: float | None) -> str:
    return "an unstated rate" if sample_rate is None else f"{sample_rate:g} Hz"


def _warn_about_film(config: Value, arrays: tuple[LayerArray, ...]) -> None:
    for i, array in enumerate(arrays):
        plain = any(layer.gating is not Gating.BLENDED for layer in array.layers)
        if plain and FilmSite.LAYER1X1_POST in array.films:
            what = (
                "the C++ engine up to 0.5.5 applies it in blended layers only; "
                "schedc does so with --core-0-5-5-film (core_0_5_5_layer1x1_post_film), else in every layer"
            )
            config.child(f"layers[{i}].{FilmSite.LAYER1X1_POST}").warn(what)
