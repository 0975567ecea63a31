"""Model documents: the top level, and which reader knows which architecture (docs/nam_format.md#the-document)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from schedc.frontend.document_parts import DocumentParts
from schedc.frontend.fields import Fields, Value
from schedc.frontend.history import history_floats
from schedc.frontend.limits import MAX_DOCUMENT_DEPTH, MAX_LAYERS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from schedc.frontend.model import ContainerModel, ConvNetModel, Model, ModelDocument, PlainModel, Submodel
from schedc.frontend.read_small_models import CELLS, check_batchnorm, read_convnet, read_linear, read_recurrent
from schedc.frontend.read_wavenet import read_wavenet
from schedc.frontend.read_weights import read_weights
from schedc.frontend.weight_stream import count
from schedc.wording import quoted

_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})", re.ASCII)
_OLDEST = (0, 5, 0)
_NEWEST = (0, 7, 0)
_UNKNOWN_RATE = -1  # as the engine writes it
_LEVELS = ("loudness", "input_level_dbu", "output_level_dbu")


def read_document(value: Value, depth: int = 1) -> ModelDocument:
    """The model document in ``value``; ``depth`` counts the documents around it and itself.

    Raises ModelFileError for anything that is not a sound model of a known architecture.
    """
    if depth > MAX_DOCUMENT_DEPTH:
        value.fail(f"models nest deeper than {MAX_DOCUMENT_DEPTH}", "take the inner model out")
    document = value.fields()
    value.reading.count_layers(value, 1)
    for key in ("version", "architecture", "config", "weights"):
        document.require(key)
    version = _read_version(document.require("version"))
    read = _reader(document.require("architecture"))
    metadata = _read_metadata(document)
    parts = DocumentParts(
        config=document.require("config").fields(),
        weights=read_weights(document.require("weights")),
        sample_rate=_read_sample_rate(document),
        metadata=metadata,
        read_nested=partial(read_document, depth=depth + 1),
    )
    model = read(parts)
    if isinstance(model, ContainerModel):
        if parts.weights.size:
            document.require("weights").warn("a container has no weights of its own; these are ignored")
    else:
        _check_amounts(model, document.require("weights"))
    architecture = document.require("architecture").string()
    return ModelDocument(version, architecture, model, parts.sample_rate, metadata)


def _read_version(value: Value) -> str:
    text = value.string()
    match = _VERSION.fullmatch(text)
    if not match:
        value.expected("a version like '0.7.0'")
    version = tuple(int(part) for part in match.groups())
    if version < _OLDEST or version[:2] > _NEWEST[:2]:
        value.fail(f"file version {text} is not supported", "versions 0.5.0 to 0.7.x are")
    if version > _NEWEST:
        value.warn(f"file version {text} is newer than 0.7.0 and may hold features that are not known here")
    if text != ".".join(str(part) for part in version):
        value.warn(f"file version {quoted(text)} has leading zeros")
    return text


def _read_metadata(document: Fields) -> dict[str, object]:
    value = document.get_unless_null("metadata")
    if value is None:
        return {}
    metadata = value.fields()
    for key in _LEVELS:
        level = metadata.get_unless_null(key)
        if level is not None:
            level.number()
    return metadata.raw


def _read_sample_rate(document: Fields) -> float | None:
    value = document.get("sample_rate")
    if value is None:
        return None
    sample_rate = value.number()
    if sample_rate == _UNKNOWN_RATE:
        return None
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        value.expected(f"a rate of {MIN_SAMPLE_RATE:.0f} to {MAX_SAMPLE_RATE:.0f} Hz")
    return sample_rate


def _check_amounts(model: PlainModel, weights: Value) -> None:
    """Counts weights and state of ``model``, then compares with the numbers that are there."""
    needed = count(model)
    weights.reading.count_weights(weights, needed)
    weights.reading.count_history(weights, history_floats(model))
    found = int(model.weights.size)
    if found != needed:
        side = f"{needed - found} missing" if found < needed else f"{found - needed} too many"
        what = f"config needs {needed} numbers, the file has {found} ({side})"
        weights.fail(what, "config and weights do not belong together; export the capture again")
    if isinstance(model, ConvNetModel):
        check_batchnorm(model, weights)


def _read_container(parts: DocumentParts) -> ContainerModel:
    """A choice of models by size; ``max_value`` ascends and reaches 1."""
    parts.config.warn_unknown(("submodels",))
    submodels: list[Submodel] = []
    for value in parts.config.require("submodels").items(MAX_LAYERS):
        entry = value.fields()
        entry.warn_unknown(("max_value", "model"))
        limit = entry.require("max_value")
        if submodels and limit.number() <= submodels[-1].max_value:
            limit.fail(f"{limit.number():g} is not above the {submodels[-1].max_value:g} before it")
        document = parts.read_nested(entry.require("model"))
        _check_submodel(entry.require("model"), document, parts.sample_rate)
        submodels.append(Submodel(limit.number(), document))
    if submodels[-1].max_value < 1.0:
        path = f"submodels[{len(submodels) - 1}].max_value"
        what = f"the last size ends at {submodels[-1].max_value:g}, not at 1 or above"
        parts.config.value.child(path).fail(what)
    return ContainerModel(tuple(submodels))


def _check_submodel(value: Value, document: ModelDocument, sample_rate: float | None) -> None:
    model = document.model
    if (model.in_channels, model.out_channels) != (1, 1):
        what = f"a submodel of {model.in_channels} input and {model.out_channels} output channels"
        value.fail(what, "a container's submodels must have one of each")
    if None not in (document.sample_rate, sample_rate) and document.sample_rate != sample_rate:
        what = f"runs at {document.sample_rate:g} Hz, but the container at {sample_rate:g} Hz"
        value.child("sample_rate").fail(what)


def _reader(value: Value) -> Callable[[DocumentParts], Model]:
    architecture = value.string()
    if architecture == "Sequential":
        what = "models in series (Sequential) are not supported; the C++ engine up to 0.5.5 has no such files"
        value.fail(what, "take its models out and compile each of them")
    reader = _READERS.get(architecture)
    if reader is None:
        value.expected("a known architecture", f"known are {', '.join(_READERS)}")
    return reader


_READERS: dict[str, Callable[[DocumentParts], Model]] = {
    "Linear": read_linear,
    "ConvNet": read_convnet,
    **{architecture: partial(read_recurrent, cell) for architecture, cell in CELLS.items()},
    "WaveNet": read_wavenet,
    "SlimmableContainer": _read_container,
}
