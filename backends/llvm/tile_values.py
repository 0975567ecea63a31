"""Where a stream's values of the current tile are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from schedc.backends.llvm.builder import Number, Value

Row = tuple[Value, ...]  # the vectors of one channel


@dataclass
class Registers:
    """A value in registers, channel by channel.

    ``pending`` makes the blocks of channels that are not there yet, in order: a 1x1 convolution's outputs
    are computed when they are first read, so that what follows can use one up before the next needs room.
    """

    rows: list[Row]
    pending: list[Callable[[], list[Row]]] = field(default_factory=list)

    def row(self, channel: int) -> Row:
        while channel >= len(self.rows):
            self.rows += self.pending.pop(0)()
        return self.rows[channel]

    def all_rows(self) -> list[Row]:
        while self.pending:
            self.rows += self.pending.pop(0)()
        return self.rows


@dataclass(frozen=True)
class Memory:
    """A value in planar rows: the address of channel 0 at the tile's first frame, bytes per row."""

    pointer: Value
    row_bytes: Number


TileValue = Registers | Memory
