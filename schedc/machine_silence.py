"""The start state by the compiled code itself: an LSTM has to be run for half a second of silence.

The bits are the interpreter's, a hundred times faster.  The code runs over zeros from the zero state;
what its rings and cells then hold is what the blob's start state wants (``backends/packing.py``
computes the same with the interpreter, where no code can run).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schedc.backends.weight_blob import BlobLayout
from schedc.errors import InternalError
from schedc.host_jobs import FloatArray, aligned_bytes
from schedc.host_weights import Weights
from schedc.ir.program import Program
from schedc.loaded_code import LoadedCode


@dataclass(frozen=True)
class StatePlace:
    """Where the single-core state holds what a field of the blob's start state starts from.

    ``blob`` and ``state``: byte offsets of the field and of row 0; ``rows`` of ``row_frames`` floats, of
    which the newest ``floats`` are wanted.  ``position``: byte offset of the ring's position, -1: no ring.
    """

    blob: int
    state: int
    rows: int
    row_frames: int
    floats: int
    position: int


def state_places(program: Program, layout: BlobLayout, stages: Sequence[int]) -> list[StatePlace]:
    """The places of a planned program; ``stages``: where each stage's state begins."""
    result = []
    for (number, node), field in layout.silence.items():
        arena = program.stages[number].arena
        if arena is None:
            raise InternalError("the start state is placed after plan-arena")
        place = arena.lstm[node] if node in arena.lstm else arena.rows[node]
        position = stages[number] + place.position_offset if place.is_ring else -1
        at = stages[number] + place.offset
        result.append(StatePlace(field.offset, at, place.channels, place.row_frames, field.per_channel, position))
    return result


def silent_start(code: LoadedCode, weights: Weights, places: Sequence[StatePlace], samples: int) -> FloatArray:
    """The content of ``weights``, a blob with the zero state, with the state after ``samples`` zeros instead."""
    shape = code.shape
    state = aligned_bytes(shape.state_bytes)
    if code.init(state.ctypes.data, weights.address):
        raise InternalError("init refused its own weight blob")
    x = np.zeros((shape.in_channels, shape.block), np.float32)
    y = np.zeros((shape.out_channels, shape.block), np.float32)
    for begin in range(0, samples, shape.block):
        count = min(shape.block, samples - begin)
        code.process(state.ctypes.data, weights.address, x.ctypes.data, y.ctypes.data, count)
    data = weights.data.view(np.float32).copy()
    floats, words = state.view(np.float32), state.view(np.int32)
    for place in places:
        first = place.state // 4
        rows = floats[first : first + place.rows * place.row_frames].reshape(place.rows, place.row_frames)
        end = int(words[place.position // 4]) if place.position >= 0 else place.row_frames
        wanted = rows[:, end - place.floats : end]
        data[place.blob // 4 : place.blob // 4 + wanted.size] = wanted.reshape(-1)
    return data
