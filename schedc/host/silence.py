"""The start state by the compiled code itself: an LSTM has to be run for half a second of silence.

The bits are the interpreter's, a hundred times faster.  The code runs over zeros from the zero state;
what its rings and cells then hold is what the blob's start state is filled from
(:func:`schedc.backends.packing.start_state` computes the same where no code can run).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedc.backends.packing import StartRows
from schedc.backends.weight_blob import cells_of
from schedc.errors import InternalError
from schedc.host.jobs import FloatArray, aligned_bytes
from schedc.host.loaded_code import LoadedCode
from schedc.host.weights import Weights
from schedc.ir.program import Program


@dataclass(frozen=True)
class StatePlace:
    """Where the single-core state holds a stream's past, or an LSTM's h and c.

    ``offset`` of row 0 and ``position`` (of the ring's position, -1: no ring) in bytes; ``rows`` of
    ``row_frames`` floats each; the ``history`` floats before the position are the past (an LSTM's: the first).
    ``frame_floats``: 1, or of interleaved rows the floats from one frame to the next.
    """

    node: str
    offset: int
    rows: int
    row_frames: int
    history: int
    position: int
    frame_floats: int = 1

    def held(self, floats: FloatArray) -> FloatArray:
        """All of it, [rows, frames], from the state."""
        first, count = self.offset // 4, self.row_frames * self.frame_floats
        if self.frame_floats > 1:
            return floats[first : first + count].reshape(self.row_frames, self.frame_floats).T[: self.rows]
        return floats[first : first + self.rows * count].reshape(self.rows, count)


def state_places(program: Program, stages: Sequence[int]) -> list[StatePlace]:
    """The places of a planned program; ``stages``: where each stage's state begins.

    Of a stream that several stages keep, the longest past.
    """
    found: dict[str, StatePlace] = {}
    for begin, stage in zip(stages, program.stages, strict=True):
        if stage.arena is None:
            raise InternalError("the start state is placed after plan-arena")
        for node, place in stage.arena.rows.items():
            if place.is_ring and place.history > (found[node].history if node in found else 0):
                sizes = (place.channels, place.row_frames, place.history)
                position = begin + place.position_offset
                found[node] = StatePlace(node, begin + place.offset, *sizes, position, place.frame_floats)
        for node, place in stage.arena.lstm.items():
            sizes = (place.channels, place.row_frames, stage.graph[node].channels)
            found[cells_of(node)] = StatePlace(cells_of(node), begin + place.offset, *sizes, -1)
    return list(found.values())


def silent_rows(code: LoadedCode, weights: Weights, places: Sequence[StatePlace], samples: int) -> StartRows:
    """What every place holds after ``samples`` zeros from the state of ``weights``, a blob with the zero state."""
    shape = code.shape
    state = aligned_bytes(shape.state_bytes)
    if code.init(state.ctypes.data, weights.address):
        raise InternalError("init refused its own weight blob")
    x = np.zeros((shape.in_channels, shape.block), np.float32)
    y = np.zeros((shape.out_channels, shape.block), np.float32)
    for begin in range(0, samples, shape.block):
        count = min(shape.block, samples - begin)
        code.process(state.ctypes.data, weights.address, x.ctypes.data, y.ctypes.data, count)
    floats, words = state.view(np.float32), state.view(np.int32)
    rows: dict[str, FloatArray] = {}
    for place in places:
        end = int(words[place.position // 4]) if place.position >= 0 else place.history
        rows[place.node] = place.held(floats)[:, end - place.history : end].copy()
    return rows
