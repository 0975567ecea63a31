"""Where a stream's values of the current tile are."""

from __future__ import annotations

from dataclasses import dataclass

from schedc.backends.llvm.builder import Number, Value


@dataclass(frozen=True)
class Registers:
    """A value in registers: vectors[channel][vector of the tile]."""

    vectors: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Memory:
    """A value in planar rows: the address of channel 0 at the tile's first frame, bytes per row."""

    pointer: Value
    row_bytes: Number


TileValue = Registers | Memory
