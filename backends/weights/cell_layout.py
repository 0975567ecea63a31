"""Where the weights of a recurrent cell lie in its kernel's segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schedc.backends.weights.weight_layout import FloatArray, pad
from schedc.ir.ops import RecurrentCell


@dataclass(frozen=True)
class CellLayout:
    """A cell's weights for blocks of ``lanes`` hidden units.  Offsets in floats.

    Per block: bias of every gate; then per input column and per hidden column the gates'
    weights; each a vector of ``lanes``.  Hidden sizes are padded with zeros to whole blocks.
    """

    op: RecurrentCell
    lanes: int

    @property
    def blocks(self) -> int:
        return pad(self.op.hidden, self.lanes) // self.lanes

    @property
    def column_floats(self) -> int:
        """Of a column, all gates of a block."""
        return self.op.gates * self.lanes

    @property
    def block_floats(self) -> int:
        return self.column_floats * (1 + self.op.in_channels + self.op.hidden)

    @property
    def floats(self) -> int:
        return self.blocks * self.block_floats

    def pack(self, parameters: dict[str, FloatArray]) -> FloatArray:
        """The field's content for weight [gates * hidden, in + hidden] and bias [gates * hidden]."""
        gates, hidden = self.op.gates, self.op.hidden
        columns = np.concatenate([parameters["bias"][:, None], parameters["weight"]], axis=1)
        padded = np.zeros((gates, self.blocks * self.lanes, columns.shape[1]), np.float32)
        padded[:, :hidden] = columns.reshape(gates, hidden, -1)
        blocked = padded.reshape(gates, self.blocks, self.lanes, -1)
        return np.ascontiguousarray(blocked.transpose(1, 3, 0, 2)).reshape(-1)
