"""The weight blob's layout: where one object's code finds a capture's numbers.

The format is documented byte by byte in ``docs/weight_blob.md``; :mod:`schedc.backends.packing` fills
it, :mod:`schedc.backends.blob_reader` checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from schedc.backends.kernel_shape import Binding, KernelShape, bind_kernel
from schedc.backends.weight_layout import pad
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.ops import LstmCell
from schedc.ir.program import Program, Stage

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


def cells_of(lstm: str) -> str:
    """What an LSTM's h and c are called among the start states; its output stream may have a past of its own."""
    return f"{lstm}.cells"


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
    result += [(cells_of(name), place.channels, place.row_frames) for name, place in stage.arena.lstm.items()]
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
