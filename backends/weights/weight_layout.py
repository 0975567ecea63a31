"""How a kernel's weights lie in the blob: the order in which its code reads them.

A kernel's segment is a list of float32 fields.  The lowering takes offsets from here and the packer
fills them from a capture, so the two cannot disagree; neither needs LLVM.

A convolution is cut into *blocks* of output channels whose accumulators sit in registers together.
A block holds its start values, then tap by tap, column by column, one weight per output of the
block.  Weights that are fetched as lanes of a four-float vector are padded so that such a load
never crosses into the next tap (or column, where columns are looped over).  Where vectors hold channels, a block
is whole vectors of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from schedc.errors import InternalError
from schedc.ir.ops import Conv, Start
from schedc.loops.form import BlockByBlock, Form, InParts, Rolled, Skewed, Window, WrittenOut
from schedc.schedule import KernelSchedule

FloatArray = npt.NDArray[np.float32]


def pad(count: int, to: int) -> int:
    return -(-count // to) * to


@dataclass(frozen=True)
class Block:
    """Output channels computed together: ``rows`` of each of ``groups`` groups."""

    first_group: int
    groups: int
    first_row: int
    rows: int

    @property
    def outputs(self) -> int:
        return self.groups * self.rows


@dataclass(frozen=True)
class ConvLayout:
    """The blocks of a convolution and where their weights are.  Offsets in floats."""

    op: Conv
    form: BlockByBlock
    block_outputs: int
    lanes_of_weights: int  # 4 where weights are fetched as vector lanes, else 1

    @property
    def loops_over_columns(self) -> bool:
        return isinstance(self.form, Rolled) and self.form.columns

    @cached_property
    def rows(self) -> int:
        return self.op.out_channels // self.op.groups

    @cached_property
    def blocks(self) -> list[Block]:
        """In output channel order.  All but the last of a kind have equal shape."""
        if self.rows >= self.block_outputs:
            size = -(-self.rows // -(-self.rows // self.block_outputs))
            return [
                Block(group, 1, row, min(size, self.rows - row))
                for group in range(self.op.groups)
                for row in range(0, self.rows, size)
            ]
        groups = self.block_outputs // self.rows
        return [
            Block(first, min(groups, self.op.groups - first), 0, self.rows)
            for first in range(0, self.op.groups, groups)
        ]

    def start_floats(self, block: Block) -> int:
        has_bias = self.op.start is Start.BIAS
        return pad(block.outputs, self.lanes_of_weights) if has_bias else 0

    def column_floats(self, block: Block) -> int:
        """From one column's weights to the next's."""
        return pad(block.outputs, self.lanes_of_weights) if self.loops_over_columns else block.outputs

    def tap_floats(self, block: Block) -> int:
        """From one tap's weights to the next's.  Shared taps have no gaps: a vector of weights may span several."""
        floats = self.column_floats(block) * self.op.columns
        return floats if isinstance(self.form, Window | Skewed) else pad(floats, self.lanes_of_weights)

    def block_floats(self, block: Block) -> int:
        return self.start_floats(block) + pad(self.tap_floats(block) * self.op.kernel_size, self.lanes_of_weights)

    @cached_property
    def offsets(self) -> list[int]:
        """Where each block begins."""
        ends = np.cumsum([0, *(self.block_floats(block) for block in self.blocks)])
        return [int(end) for end in ends[:-1]]

    @property
    def floats(self) -> int:
        return sum(self.block_floats(block) for block in self.blocks)

    def pack(self, parameters: dict[str, FloatArray]) -> FloatArray:
        """The field's content for one capture's weight [out, columns, taps] and bias [out]."""
        return np.concatenate([self._pack_block(block, parameters) for block in self.blocks])

    def _pack_block(self, block: Block, parameters: dict[str, FloatArray]) -> FloatArray:
        channels = list(block_channels(block, self.rows))
        result = np.zeros(self.block_floats(block), np.float32)
        if self.op.start is Start.BIAS:
            result[: len(channels)] = parameters["bias"][channels]
        weight = parameters["weight"][channels]
        for tap in range(self.op.kernel_size):
            for column in range(self.op.columns):
                at = self.start_floats(block) + tap * self.tap_floats(block) + column * self.column_floats(block)
                result[at : at + len(channels)] = weight[:, column, tap]
        return result


def block_channels(block: Block, rows: int) -> Iterator[int]:
    """Output channel numbers of a block, in order."""
    for group in range(block.first_group, block.first_group + block.groups):
        first = group * rows + block.first_row
        yield from range(first, first + block.rows)


@dataclass(frozen=True)
class SplitLayout:
    """A convolution's weights where its taps run in parts.  Offsets in floats.

    Biases; then for each tap of a part, column by column, part by part (oldest first), one weight per output; then
    the newest taps, column by column.  All taps padded for lane loads.
    """

    op: Conv
    form: InParts
    lanes_of_weights: int

    @property
    def start_floats(self) -> int:
        return pad(self.op.out_channels, self.lanes_of_weights) if self.op.start is Start.BIAS else 0

    @property
    def tap_floats(self) -> int:
        return pad(self.op.columns * self.form.parts * self.op.out_channels, self.lanes_of_weights)

    @property
    def newest_floats(self) -> int:
        """Of one of the newest taps."""
        return pad(self.op.columns * self.op.out_channels, self.lanes_of_weights)

    @property
    def floats(self) -> int:
        return self.start_floats + self.form.taps * self.tap_floats + self.form.newest * self.newest_floats

    def pack(self, parameters: dict[str, FloatArray]) -> FloatArray:
        """The field's content for one capture's weight [out, columns, taps] and bias [out]."""
        op, parts, taps = self.op, self.form.parts, self.form.taps
        start = np.zeros((1, self.start_floats), np.float32)
        if self.op.start is Start.BIAS:
            start[0, : op.out_channels] = parameters["bias"]
        by_tap = parameters["weight"].transpose(2, 1, 0)  # [taps, columns, out]
        whole = by_tap[: parts * taps].reshape(parts, taps, op.columns, op.out_channels)
        lines = [
            whole.transpose(1, 2, 0, 3).reshape(taps, -1),
            by_tap[parts * taps :].reshape(-1, op.columns * op.out_channels),
        ]
        widths = (self.tap_floats, self.newest_floats)
        padded = [np.pad(line, ((0, 0), (0, width - line.shape[1]))) for line, width in zip(lines, widths, strict=True)]
        return np.concatenate([part.reshape(-1) for part in (start, *padded)]).astype(np.float32, copy=False)


@dataclass(frozen=True)
class ChannelLayout:
    """A convolution's weights for vectors of ``lanes`` output channels, the last padded with zeros.  Offsets in floats.

    A block is some vectors whose sums are held in registers together: their biases, then tap by tap, column by
    column, a vector of weights each.
    """

    op: Conv
    form: WrittenOut | Rolled
    lanes: int
    block_vectors: int

    @property
    def loops_over_columns(self) -> bool:
        return isinstance(self.form, Rolled) and self.form.columns

    @property
    def vectors(self) -> int:
        return pad(self.op.out_channels, self.lanes) // self.lanes

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """(first vector, vectors) of each block.  All but the last are equally long."""
        size = -(-self.vectors // -(-self.vectors // self.block_vectors))
        return [(first, min(size, self.vectors - first)) for first in range(0, self.vectors, size)]

    def start_floats(self, vectors: int) -> int:
        """Of a block of so many vectors, and likewise below."""
        return vectors * self.lanes if self.op.start is Start.BIAS else 0

    def column_floats(self, vectors: int) -> int:
        return vectors * self.lanes

    def tap_floats(self, vectors: int) -> int:
        return self.op.columns * self.column_floats(vectors)

    def block_floats(self, vectors: int) -> int:
        return self.start_floats(vectors) + self.op.kernel_size * self.tap_floats(vectors)

    @property
    def floats(self) -> int:
        return sum(self.block_floats(vectors) for _, vectors in self.blocks)

    def pack(self, parameters: dict[str, FloatArray]) -> FloatArray:
        """The field's content for one capture's weight [out, columns, taps] and bias [out]."""
        lines = parameters["weight"].transpose(2, 1, 0).reshape(-1, self.op.out_channels)
        if self.op.start is Start.BIAS:
            lines = np.concatenate([parameters["bias"][None], lines])
        padded = np.zeros((len(lines), self.vectors * self.lanes), np.float32)
        padded[:, : self.op.out_channels] = lines
        parts = [padded[:, at * self.lanes : (at + count) * self.lanes].reshape(-1) for at, count in self.blocks]
        return np.concatenate(parts)


def convolution_layout(op: Conv, form: Form, schedule: KernelSchedule) -> ConvLayout | ChannelLayout | SplitLayout:
    """The layout of a convolution that runs in a ``form`` of ``schedule``'s."""
    if isinstance(form, InParts):
        return SplitLayout(op, form, schedule.weights_at_once)
    outputs = schedule.outputs_at_once(op.kernel_size, op.out_channels)
    if not schedule.across_channels:
        return ConvLayout(op, form, outputs, schedule.weights_at_once)
    if not isinstance(form, WrittenOut | Rolled):
        raise InternalError(f"{form} with channels across the lanes")
    return ChannelLayout(op, form, schedule.lanes, schedule.channel_vectors(outputs))
