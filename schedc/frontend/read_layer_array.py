"""One layer array of a WaveNet: its layers and everything they share (docs/nam_format.md#layer-array)."""

from __future__ import annotations

from itertools import pairwise

from schedc.frontend.fields import Fields, Value
from schedc.frontend.limits import MAX_CHANNELS, MAX_LAYERS
from schedc.frontend.model import (
    ActivationSpec,
    Film,
    FilmSite,
    Gating,
    Head1x1,
    Layer,
    Layer1x1,
    LayerArray,
    LayerHead,
)
from schedc.frontend.read_activation import read_activation
from schedc.ir.ops import ActivationKind

_KNOWN = (
    *("input_size", "condition_size", "channels", "bottleneck", "dilations", "kernel_size", "kernel_sizes"),
    *("activation", "gating_mode", "gated", "secondary_activation", "groups_input", "groups_input_mixin"),
    *("layer1x1", "head1x1", "head", "head_size", "head_bias", "slimmable"),
    *FilmSite,
)
_OLD_NAMES = {
    "head_1x1": "head1x1",
    "1x1": "layer1x1",
    "groups": "groups_input",
    "groups_1x1": "layer1x1.groups",
}
_SIGMOID = ActivationSpec(ActivationKind.SIGMOID)
_SLICING = "slice_channels_uniform"


def read_layer_array(fields: Fields) -> LayerArray:
    """The layer array in ``fields``; what several arrays must agree on is checked elsewhere."""
    channels = fields.width("channels")
    bottleneck = fields.width("bottleneck", default=channels)
    dilations = fields.integers("dilations")
    fields.value.reading.count_layers(fields.value.child("dilations"), len(dilations))
    array = LayerArray(
        input_size=fields.width("input_size"),
        condition_size=fields.width("condition_size"),
        channels=channels,
        bottleneck=bottleneck,
        layers=_read_layers(fields, dilations, bottleneck),
        groups_input=fields.width("groups_input", default=1),
        groups_input_mixin=fields.width("groups_input_mixin", default=1),
        layer1x1=_read_layer1x1(fields),
        head1x1=_read_head1x1(fields),
        head=_read_head(fields),
        films=_read_films(fields),
        allowed_channels=_read_allowed_channels(fields, channels),
    )
    fields.warn_unknown(_KNOWN, _OLD_NAMES)
    return array


def has_slimmable_without_method(fields: Fields) -> bool:
    """Whether the array has a ``slimmable`` object that says nothing about how to slice."""
    slimmable = fields.get_unless_null("slimmable")
    return slimmable is not None and _slicing_method(slimmable.fields()) is None


def _read_layers(fields: Fields, dilations: tuple[int, ...], bottleneck: int) -> tuple[Layer, ...]:
    kernel_sizes = _read_kernel_sizes(fields, len(dilations))
    widths = frozenset({bottleneck})  # both halves of a gated layer see the bottleneck
    activations = _read_activations(fields.require("activation"), len(dilations), widths)
    gating = _read_gating(fields, len(dilations))
    secondary = _read_secondary(fields, gating, widths)
    return tuple(Layer(*parts) for parts in zip(kernel_sizes, dilations, activations, gating, secondary, strict=True))


def _one_per_layer(value: Value, layers: int) -> list[Value]:
    """The entries of an array that must have one for each layer."""
    items = value.items(MAX_LAYERS)
    if len(items) != layers:
        value.fail(f"{len(items)} entries for {layers} layers", "give one entry per dilation")
    return items


def _read_activations(value: Value, layers: int, widths: frozenset[int]) -> list[ActivationSpec]:
    if not isinstance(value.raw, list):
        return [read_activation(value, widths)] * layers
    return [read_activation(item, widths) for item in _one_per_layer(value, layers)]


def _read_kernel_sizes(fields: Fields, layers: int) -> tuple[int, ...]:
    if "kernel_sizes" not in fields.raw:
        return (fields.integer("kernel_size"),) * layers
    kernel_sizes = fields.require("kernel_sizes")
    if "kernel_size" in fields.raw:
        kernel_sizes.fail("given together with kernel_size", "keep one of the two")
    return tuple(item.integer() for item in _one_per_layer(kernel_sizes, layers))


def _read_gating(fields: Fields, layers: int) -> list[Gating]:
    mode = fields.get("gating_mode")
    if mode is None:
        gated = fields.boolean("gated", default=False)
        return [Gating.GATED if gated else Gating.NONE] * layers
    if not isinstance(mode.raw, list):
        return [_read_gating_mode(mode)] * layers
    return [_read_gating_mode(item) for item in _one_per_layer(mode, layers)]


def _read_gating_mode(value: Value) -> Gating:
    if value.raw not in list(Gating):
        value.expected("'none', 'gated' or 'blended'")
    return Gating(value.string())


def _read_secondary(fields: Fields, gating: list[Gating], widths: frozenset[int]) -> list[ActivationSpec | None]:
    """The activation of each layer's gate; what is written for layers without one is not looked at."""
    value = fields.get("secondary_activation")
    gated = [mode is not Gating.NONE for mode in gating]
    if value is not None and "gating_mode" not in fields.raw:
        if any(gated) and value.raw:
            value.warn("ignored without gating_mode; the gate is a Sigmoid")
        value = None
    if value is not None and isinstance(value.raw, list):
        return _read_secondary_list(fields, value, gated, widths)
    if not any(gated):
        return [None] * len(gated)
    shared = read_activation(value, widths) if value else _SIGMOID
    return [shared if is_gated else None for is_gated in gated]


def _read_secondary_list(
    fields: Fields, value: Value, gated: list[bool], widths: frozenset[int]
) -> list[ActivationSpec | None]:
    if isinstance(fields.raw["gating_mode"], list):
        items = _one_per_layer(value, len(gated))
        return [
            read_activation(item, widths) if is_gated else None for is_gated, item in zip(gated, items, strict=True)
        ]
    if any(gated):
        value.fail("a list needs a list for gating_mode too", "give one activation, or two lists")
    return [None] * len(gated)


def _read_layer1x1(fields: Fields) -> Layer1x1 | None:
    value = fields.get("layer1x1")
    if value is None:
        return Layer1x1(groups=1)
    members = value.fields()
    members.warn_unknown(("active", "groups"))
    active = members.boolean("active")
    groups = members.integer("groups", minimum=1 if active else 0, maximum=MAX_CHANNELS)
    if not active:
        value.warn("inactive: the residual passes unchanged, as in the C++ engine (the trainer differs)")
        return None
    return Layer1x1(groups)


def _read_head1x1(fields: Fields) -> Head1x1 | None:
    value = fields.get("head1x1")
    if value is None:
        return None
    members = value.fields()
    members.warn_unknown(("active", "out_channels", "groups"))
    active = members.boolean("active")
    minimum = 1 if active else 0
    out_channels = members.integer("out_channels", minimum=minimum, maximum=MAX_CHANNELS)
    groups = members.integer("groups", minimum=minimum, maximum=MAX_CHANNELS)
    return Head1x1(out_channels, groups) if active else None


def _read_head(fields: Fields) -> LayerHead:
    value = fields.get_unless_null("head")
    if value is None:
        if "head_size" not in fields.raw:
            fields.value.child("head").fail("this key is missing, and so is the older head_size")
        return LayerHead(fields.width("head_size"), 1, fields.boolean("head_bias"), 1)
    members = value.fields()
    members.warn_unknown(("out_channels", "kernel_size", "bias", "head_dilation"))
    return LayerHead(
        out_channels=members.width("out_channels"),
        kernel_size=members.integer("kernel_size"),
        bias=members.boolean("bias"),
        dilation=members.integer("head_dilation", default=1),
    )


def _read_films(fields: Fields) -> dict[FilmSite, Film]:
    films: dict[FilmSite, Film] = {}
    for site in FilmSite:
        value = fields.get_unless_null(site)
        if value is None or value.raw is False:
            continue
        members = value.fields()
        members.warn_unknown(("active", "shift", "groups"))
        active = members.boolean("active", default=True)
        shift = members.boolean("shift", default=True)
        groups = members.integer("groups", 1, minimum=1 if active else 0, maximum=MAX_CHANNELS)
        if active:
            films[site] = Film(shift, groups)
    return films


def _slicing_method(slimmable: Fields) -> str | None:
    method = slimmable.get("method")
    return None if method is None or method.string() == "" else method.string()


def _read_allowed_channels(fields: Fields, channels: int) -> tuple[int, ...] | None:
    slimmable = fields.get_unless_null("slimmable")
    if slimmable is None:
        return None
    members = slimmable.fields()
    members.warn_unknown(("method", "kwargs"))
    method = _slicing_method(members)
    if method is None:
        slimmable.warn("slimmable without a method: the array keeps its full width")
        return None
    if method != _SLICING:
        members.require("method").expected(f"'{_SLICING}'")
    if members.get_unless_null("kwargs") is None:
        if "kwargs" in members.raw:
            members.require("kwargs").warn("null: every width up to channels is allowed")
        return tuple(range(1, channels + 1))
    options = members.require("kwargs").fields()
    options.warn_unknown(("allowed_channels", "boosting", "init_strategy"))
    allowed = options.get("allowed_channels")
    if allowed is None:
        return tuple(range(1, channels + 1))
    return _read_widths(allowed, channels)


def _read_widths(allowed: Value, channels: int) -> tuple[int, ...]:
    widths = tuple(item.integer(1, MAX_CHANNELS) for item in allowed.items(MAX_CHANNELS))
    if any(a >= b for a, b in pairwise(widths)):
        allowed.fail("the widths are not strictly ascending", "sort them and drop duplicates")
    if widths[-1] != channels:
        allowed.fail(f"the last width is {widths[-1]}, not the {channels} of channels")
    return widths
