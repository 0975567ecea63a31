"""The weight blob: one capture's numbers, packed for one object's code.

Little-endian.  A header of 64 bytes, the segments of the kernels in execution order (each a whole
number of cache lines), then the silence state: per ring one float per channel (or, where an LSTM
makes the state less than constant, the whole history), per LSTM its padded h and c.

    offset  size
         0     4  magic "SCDW"
         4     4  format version (1)
         8    16  layout digest: first half of SHA-256 over everything the code assumes about the blob
        24     4  bytes of the whole blob
        28     4  CRC-32 (as zlib) of everything after the header
        32    32  zero
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schedc.backends.interpreter import Interpreter
from schedc.backends.kernel_shape import Binding, KernelShape, bind_kernel, pack_segment
from schedc.backends.weight_layout import FloatArray, pad
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.ops import LstmCell
from schedc.ir.program import Program, Stage
from schedc.ir.weights import WeightTable

MAGIC = b"SCDW"
FORMAT_VERSION = 1
HEADER_BYTES = 64


@dataclass(frozen=True)
class BoundKernel:
    """A kernel with its shape, its arguments and where its weights begin in the blob (bytes)."""

    name: str
    stage: int
    shape: KernelShape
    binding: Binding
    segment: int


@dataclass(frozen=True)
class SilenceField:
    """The start state of one ring or LSTM: where in the blob, how many floats."""

    node: str
    offset: int  # bytes
    floats: int
    per_channel: int  # floats per channel: 1 for a constant column, the history, or the padded size


@dataclass(frozen=True)
class BlobLayout:
    """Where everything is; a function of the planned program and contract, never of a capture."""

    kernels: tuple[BoundKernel, ...]
    silence: Mapping[tuple[int, str], SilenceField]  # by stage number and node
    total_bytes: int
    digest: bytes  # 16 bytes


def plan_blob(program: Program, contract: Contract) -> BlobLayout:
    """The layout that the code of ``program`` will read."""
    at = HEADER_BYTES
    kernels: list[BoundKernel] = []
    for number, stage in enumerate(program.stages):
        for kernel in stage.kernels:
            shape, binding = bind_kernel(program, stage, kernel, contract)
            kernels.append(BoundKernel(kernel.name, number, shape, binding, at))
            at += 4 * shape.segment_floats
    silence: dict[tuple[int, str], SilenceField] = {}
    for number, stage in enumerate(program.stages):
        for node, channels, per_channel in _silent_streams(program, stage):
            silence[number, node] = SilenceField(node, at, channels * per_channel, per_channel)
            at += 4 * channels * per_channel
    total = pad(at, 64)
    return BlobLayout(tuple(kernels), silence, total, _digest(program, contract, kernels, silence, total))


def _silent_streams(program: Program, stage: Stage) -> list[tuple[str, int, int]]:
    """(node, channels, floats per channel) of every ring and LSTM of a stage."""
    if stage.arena is None:
        raise InternalError("the blob is planned after plan-arena")
    recurrent = {node.name for node in program.graph if isinstance(node.op, LstmCell)}
    result = []
    for name, place in stage.arena.rows.items():
        if place.is_ring:
            unsettled = recurrent & (program.graph.ancestors(name) | {name})
            result.append((name, place.channels, place.history if unsettled else 1))
    result += [(name, place.channels, place.row_frames) for name, place in stage.arena.lstm.items()]
    return result


def _digest(
    program: Program,
    contract: Contract,
    kernels: list[BoundKernel],
    silence: Mapping[tuple[int, str], SilenceField],
    total: int,
) -> bytes:
    parts = [program.graph.digest(), str(contract), str(total)]
    parts += [f"{k.name} {k.stage} {k.segment} {k.shape}" for k in kernels]
    parts += [str(item) for item in silence.items()]
    return hashlib.sha256("\n".join(parts).encode()).digest()[:16]


def pack_blob(
    program: Program, layout: BlobLayout, weights: WeightTable, contract: Contract, prewarm_samples: int
) -> bytes:
    """The blob for one capture; ``prewarm_samples`` zeros lead to its start state (0: the zero state)."""
    data = np.zeros(layout.total_bytes // 4, np.float32)
    for kernel in layout.kernels:
        segment = pack_segment(kernel.shape, kernel.binding, weights)
        data[kernel.segment // 4 : kernel.segment // 4 + segment.size] = segment
    state = start_state(program, weights, contract, prewarm_samples)
    for item in layout.silence.values():
        data[item.offset // 4 : item.offset // 4 + item.floats] = _state_field(item, state[item.node])
    body = data.tobytes()[HEADER_BYTES:]
    header = struct.pack("<4sI16sII", MAGIC, FORMAT_VERSION, layout.digest, layout.total_bytes, zlib.crc32(body))
    return header.ljust(HEADER_BYTES, b"\0") + body


def _state_field(item: SilenceField, rows: FloatArray) -> FloatArray:
    """The newest ``per_channel`` floats of each row; LSTM rows are padded instead."""
    if rows.shape[1] < item.per_channel:
        rows = np.pad(rows, ((0, 0), (0, item.per_channel - rows.shape[1])))
    return np.ascontiguousarray(rows[:, -item.per_channel :]).reshape(-1)


def start_state(
    program: Program, weights: WeightTable, contract: Contract, prewarm_samples: int
) -> dict[str, FloatArray]:
    """Rows [channels, history] of every stream that is read with history, and h and c of LSTMs.

    Silence of a convolutional model settles exactly, so a stretch as long as the longest history
    after the prewarm shows every row's constant.
    """
    interpreter = Interpreter(program.graph, weights, "float32", contract)
    if prewarm_samples:
        interpreter.prewarm(prewarm_samples)
    state: dict[str, FloatArray] = {}
    for node in program.graph:
        held = interpreter.state.get(node.name)
        if held is None:
            continue
        if isinstance(node.op, LstmCell):
            state[node.name] = np.stack(held)
        else:
            source = node.operands[0]
            if source not in state or state[source].shape[1] < held[0].shape[1]:
                state[source] = held[0]
    return state
