"""The weight blob's layout: where one object's code finds a capture's numbers.

The format is documented byte by byte in ``docs/weight_blob.md``; :mod:`schedc.backends.weights.packing` fills
it, :mod:`schedc.backends.weights.blob_reader` checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from schedc.backends.weights.kernel_shape import Binding, KernelShape, bind_kernel
from schedc.backends.weights.layout_digest import contract_words, layout_digest, shape_words
from schedc.backends.weights.weight_layout import pad
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.elements import FLOAT32
from schedc.ir.graph import after_cells
from schedc.ir.program import Program, Stage, sums_of

MAGIC = b"SCDW"
FORMAT_VERSION = 1
WORD_BYTES = 4  # of the header, which is read word by word
HEADER_BYTES = 64
BLOB_ALIGN = 64  # bytes, of a blob's end too


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
    """The start state of one ring or cell: where in the blob, how many floats."""

    node: str
    offset: int  # bytes
    floats: int
    per_channel: int  # floats per channel: 1 for a constant column, the history, or the padded size
    parts: int = 1  # more: the partial sums of convolution ``node``, whose taps run in so many parts

    @property
    def bytes(self) -> int:
        return FLOAT32.bytes * self.floats


@dataclass(frozen=True)
class BlobLayout:
    """Where everything is; a function of the planned program and contract, never of a capture."""

    kernels: tuple[BoundKernel, ...]
    silence: Mapping[tuple[int, str], SilenceField]  # by stage number and name
    total_bytes: int
    digest: bytes  # 16 bytes
    contract: Contract


def plan_blob(program: Program, contract: Contract) -> BlobLayout:
    """The layout that the code of ``program`` will read."""
    at = HEADER_BYTES
    kernels: list[BoundKernel] = []
    for number, stage in enumerate(program.stages):
        for kernel in stage.kernels:
            shape, binding = bind_kernel(program, stage, kernel, contract)
            kernels.append(BoundKernel(kernel.name, number, shape, binding, at))
            at += shape.segment_bytes
    silence: dict[tuple[int, str], SilenceField] = {}
    for number, stage in enumerate(program.stages):
        for name, field in _silent_streams(program, stage):
            silence[number, name] = replace(field, offset=at)
            at += field.bytes
    total = pad(at, BLOB_ALIGN)
    return BlobLayout(tuple(kernels), silence, total, _digest(program, contract, kernels, silence, total), contract)


def cells_of(cell: str) -> str:
    """What a recurrent cell's state is called among the start states; its output stream may have a past of its own."""
    return f"{cell}.cells"


def _silent_streams(program: Program, stage: Stage) -> list[tuple[str, SilenceField]]:
    """The start state of every ring and cell of a stage, by its name; nothing is placed yet."""
    if stage.arena is None:
        raise InternalError("the blob is planned after plan-arena")
    unsettled = after_cells(program.graph)
    made_by = {sums_of(name): name for name in stage.arena.sums}
    result = []
    for name, place in stage.arena.rings.items():
        node = made_by.get(name, name)
        parts = 1 + place.channels // program.graph[node].channels if name in made_by else 1
        per_channel = place.history if node in unsettled else 1
        result.append((name, SilenceField(node, 0, place.channels * per_channel, per_channel, parts)))
    for name, place in stage.arena.cells.items():
        cells = cells_of(name)
        result.append((cells, SilenceField(cells, 0, place.channels * place.row_frames, place.row_frames)))
    return result


def _digest(
    program: Program,
    contract: Contract,
    kernels: list[BoundKernel],
    silence: Mapping[tuple[int, str], SilenceField],
    total: int,
) -> bytes:
    parts = [program.graph.digest(), contract_words(contract), str(total)]
    parts += [f"{k.name} {k.stage} {k.segment} {shape_words(k.shape)}" for k in kernels]
    parts += [str(item) for item in silence.items()]
    return layout_digest(parts)
