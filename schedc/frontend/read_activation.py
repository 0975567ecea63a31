"""Activations: a name, or an object with a type and parameters (docs/nam_format.md#activations)."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

from schedc.frontend.fields import Fields, Value
from schedc.frontend.limits import MAX_CHANNELS
from schedc.frontend.model import ActivationSpec
from schedc.ir.ops import ActivationKind
from schedc.wording import LONGEST_QUOTE

_KINDS = {
    "Tanh": ActivationKind.TANH,
    "Hardtanh": ActivationKind.HARDTANH,
    "Fasttanh": ActivationKind.FASTTANH,
    "ReLU": ActivationKind.RELU,
    "LeakyReLU": ActivationKind.LEAKY_RELU,
    "PReLU": ActivationKind.PRELU,
    "Sigmoid": ActivationKind.SIGMOID,
    "SiLU": ActivationKind.SILU,
    "Hardswish": ActivationKind.HARDSWISH,
    "LeakyHardtanh": ActivationKind.LEAKY_HARDTANH,
    "LeakyHardTanh": ActivationKind.LEAKY_HARDTANH,
    "Softsign": ActivationKind.SOFTSIGN,
}
_DEFAULT_SLOPE = 0.01


def read_activation(value: Value, widths: frozenset[int], name_is_type: bool = False) -> ActivationSpec:
    """The activation in ``value``, which will see streams of ``widths`` channels.

    ``name_is_type`` accepts the trainer's ``{"name": ...}`` for ``{"type": ...}``, with a warning.
    """
    if isinstance(value.raw, dict):
        fields = value.fields()
    elif isinstance(value.raw, str):
        fields = Fields(value, {"type": value.raw})
    else:
        value.expected("an activation: a name, or an object with a type")
    type_key = "type"
    if name_is_type and "type" not in fields.raw and "name" in fields.raw:
        type_key = "name"
        value.warn('the activation is given as "name"; the C++ engine reads "type" only')
    type_value = fields.require(type_key)
    kind = _KINDS.get(type_value.string())
    if kind is None:
        _unknown_activation(type_value if isinstance(value.raw, dict) else value, type_value.string())
    parameters, read_parameters = _PARAMETERS.get(kind, ((), _read_nothing))
    fields.warn_unknown((type_key, *parameters))
    return ActivationSpec(kind, read_parameters(fields, widths))


def _unknown_activation(value: Value, name: str) -> NoReturn:
    close = get_close_matches(name, _KINDS, 1) if len(name) <= LONGEST_QUOTE else []
    hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(_KINDS)}"
    value.expected("an activation", hint)


def _read_nothing(fields: Fields, widths: frozenset[int]) -> tuple[float, ...]:
    return ()


def _read_hardtanh(fields: Fields, widths: frozenset[int]) -> tuple[float, ...]:
    limits = (fields.float32("min_val", -1.0), fields.float32("max_val", 1.0))
    if limits != (-1.0, 1.0):
        fields.value.warn("Hardtanh limits are ignored, as in the C++ engine: it always clips at -1 and 1")
    return ()


def _read_leaky_relu(fields: Fields, widths: frozenset[int]) -> tuple[float, ...]:
    return (fields.float32("negative_slope", _DEFAULT_SLOPE),)


def _read_prelu(fields: Fields, widths: frozenset[int]) -> tuple[float, ...]:
    slopes = fields.get("negative_slopes")
    if slopes is None or "negative_slope" in fields.raw:
        return (fields.float32("negative_slope", _DEFAULT_SLOPE),)
    values = tuple(item.float32() for item in slopes.items(MAX_CHANNELS))
    if len(values) != 1 and widths != {len(values)}:
        channels = " and ".join(str(width) for width in sorted(widths))
        slopes.fail(f"{len(values)} slopes for {channels} channels", "give one slope, or one per channel")
    return values


def _read_leaky_hardtanh(fields: Fields, widths: frozenset[int]) -> tuple[float, ...]:
    return (
        fields.float32("min_val", -1.0),
        fields.float32("max_val", 1.0),
        fields.float32("min_slope", _DEFAULT_SLOPE),
        fields.float32("max_slope", _DEFAULT_SLOPE),
    )


_Reader = Callable[[Fields, frozenset[int]], tuple[float, ...]]

_PARAMETERS: dict[ActivationKind, tuple[tuple[str, ...], _Reader]] = {
    ActivationKind.HARDTANH: (("min_val", "max_val"), _read_hardtanh),
    ActivationKind.LEAKY_RELU: (("negative_slope",), _read_leaky_relu),
    ActivationKind.PRELU: (("negative_slope", "negative_slopes"), _read_prelu),
    ActivationKind.LEAKY_HARDTANH: (
        ("min_val", "max_val", "min_slope", "max_slope"),
        _read_leaky_hardtanh,
    ),
}
