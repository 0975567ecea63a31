"""What the reader of one architecture gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schedc.frontend.fields import Fields, Value
from schedc.frontend.model import FloatArray, ModelDocument


@dataclass(frozen=True)
class DocumentParts:
    """A model document whose top level was checked.

    ``weights`` is the flat float32 stream, ``sample_rate`` is in Hz (None when not stated),
    ``read_nested`` reads a model document inside this one.
    """

    config: Fields
    weights: FloatArray
    sample_rate: float | None
    metadata: Mapping[str, object]
    read_nested: Callable[[Value], ModelDocument]
