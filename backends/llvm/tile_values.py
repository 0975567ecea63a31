"""Where a stream's values of the current tile are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.errors import InternalError
from schedc.ir.elements import FLOAT32, ElementType

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
    element: ElementType = FLOAT32

    def row(self, builder: Builder, channel: Number) -> Value:
        """The address of a channel."""
        return builder.at(self.pointer, builder.mul(self.row_bytes, channel))

    def moved(self, builder: Builder, offset: Number) -> Memory:
        """The same rows, ``offset`` bytes on."""
        return Memory(builder.at(self.pointer, offset), self.row_bytes, self.element)


TileValue = Registers | Memory


@dataclass(frozen=True)
class Frames:
    """A stream in memory: where channel 0 of the tile's first frame is, bytes to the next channel and frame."""

    pointer: Value
    channel_bytes: Number
    frame_bytes: int
    element: ElementType = FLOAT32

    @property
    def is_interleaved(self) -> bool:
        return self.frame_bytes > self.element.bytes


@dataclass(frozen=True)
class ChannelValue:
    """A step's value: ``rows``, for each vector of channels its frames, in registers; or in memory; or both."""

    rows: Sequence[Row] | None
    memory: Frames | None


def in_memory(value: ChannelValue) -> Frames:
    if value.memory is None:
        raise InternalError("a stream in registers was read from memory")
    return value.memory
