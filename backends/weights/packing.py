"""Packing: a capture's numbers into the blob that compiled code reads.

A :class:`PackingList` says for every float of the blob which weight it is, and where the start state
and the constants of the activation functions go.  It is all that packing needs: no plan, no
schedule, no LLVM.  It stands in the report, so any later version packs for code compiled today.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schedc.backends.interpreter import Interpreter
from schedc.backends.weights.kernel_shape import pack_segment
from schedc.backends.weights.partial_sums import partial_sums
from schedc.backends.weights.weight_blob import FORMAT_VERSION, HEADER_BYTES, MAGIC, BlobLayout, SilenceField, cells_of
from schedc.backends.weights.weight_layout import FloatArray
from schedc.ir.architecture import Architecture, describe_architecture
from schedc.ir.contract import Contract
from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Conv, RecurrentCell, history
from schedc.ir.program import Program
from schedc.ir.weights import WeightTable
from schedc.loops.tap_parts import kept_sums, part_taps

Sources = npt.NDArray[np.uint32]
StartRows = Mapping[str, FloatArray]  # by node, [rows, samples], the newest last
HEADER = struct.Struct("<4sI16sII")
_WIDEST_VECTOR = 16  # floats


@dataclass(frozen=True)
class Constants:
    """Bit patterns that the code wants at ``offset`` (bytes); the same for every capture."""

    offset: int
    bits: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PackingList:
    """How any capture of one architecture becomes a blob for one object.

    ``architecture``: the core graph's lines.  ``sources``: for every float after the header up to the
    start state, 0 for a zero or 1 + its number in :func:`flat_weights`.
    """

    architecture: Architecture
    contract: Contract
    digest: bytes  # 16 bytes: what the code compares
    total_bytes: int
    sources: Sources
    constants: tuple[Constants, ...]
    start: tuple[SilenceField, ...]

    def fill(self, graph: Graph, weights: WeightTable, state: StartRows) -> bytes:
        """The blob of a capture, given as core graph and core weights of this very architecture and its start."""
        data = np.zeros(FLOAT32.items(self.total_bytes), FLOAT32.dtype)
        first = FLOAT32.items(HEADER_BYTES)
        data[first : first + self.sources.size] = flat_weights(graph, weights)[self.sources]
        for item in self.constants:
            at = FLOAT32.items(item.offset)
            data[at : at + len(item.bits)] = np.array(item.bits, np.uint32).view(np.float32)
        for field in self.start:
            rows = self._partial_sums(graph, weights, state, field) if field.parts > 1 else state[field.node]
            at = FLOAT32.items(field.offset)
            data[at : at + field.floats] = _state_field(field, rows)
        body = data.tobytes()[HEADER_BYTES:]
        header = HEADER.pack(MAGIC, FORMAT_VERSION, self.digest, self.total_bytes, zlib.crc32(body))
        return header.ljust(HEADER_BYTES, b"\0") + body

    def _partial_sums(self, graph: Graph, weights: WeightTable, state: StartRows, field: SilenceField) -> FloatArray:
        """What the parts of a convolution's taps had summed over the last ``per_channel`` samples, from its past."""
        node = graph[field.node]
        assert isinstance(node.op, Conv)
        past = state[node.operands[0]]
        return partial_sums(node.op, field.parts, weights[node.name], past, field.per_channel, self.contract)


def flat_weights(graph: Graph, weights: WeightTable) -> FloatArray:
    """A zero, then all parameters of the core graph: nodes in order, parameters as their op names them."""
    parts = [weights[node.name][key].reshape(-1) for node in graph for key in node.op.parameters()]
    return np.concatenate([np.zeros(1, np.float32), *parts])


def packing_list(program: Program, layout: BlobLayout, contract: Contract) -> PackingList:
    """The packing list of a planned program: its kernels' fields, filled with numbers of weights."""
    numbers = _numbered(program.graph)
    end = min((item.offset for item in layout.silence.values()), default=layout.total_bytes)
    sources = np.zeros(FLOAT32.items(end - HEADER_BYTES), np.uint32)
    constants = []
    for kernel in layout.kernels:
        at = FLOAT32.items(kernel.segment - HEADER_BYTES)
        segment = pack_segment(kernel.shape, kernel.binding, numbers).view(np.uint32)
        sources[at : at + kernel.shape.constants_at] = segment[: kernel.shape.constants_at]
        if kernel.shape.constants:
            offset = kernel.segment + kernel.shape.element.bytes * kernel.shape.constants_at
            constants.append(Constants(offset, kernel.shape.constants))
    return PackingList(
        architecture=describe_architecture(program.graph),
        contract=contract,
        digest=layout.digest,
        total_bytes=layout.total_bytes,
        sources=sources,
        constants=tuple(constants),
        start=tuple(layout.silence.values()),
    )


def _numbered(graph: Graph) -> WeightTable:
    """Every weight's place in :func:`flat_weights`, as the bits of a float: packing only copies."""
    table: dict[str, Mapping[str, FloatArray]] = {}
    number = 1
    for node in graph:
        parameters: dict[str, FloatArray] = {}
        for key, shape in node.op.parameters().items():
            count = int(np.prod(shape))
            parameters[key] = np.arange(number, number + count, dtype=np.uint32).view(np.float32).reshape(shape)
            number += count
        table[node.name] = parameters
    return table


def start_nodes(graph: Graph) -> dict[str, Node]:
    """What has start states, by what these are called."""
    cells = {cells_of(node.name): node for node in graph if isinstance(node.op, RecurrentCell)}
    return {**{node.name: node for node in graph}, **cells}


def starts(field: SilenceField, node: Node, graph: Graph) -> bool:
    """Whether ``field`` can be the start state of ``node`` in ``graph``, of its size: reports may be edited."""
    if field.per_channel < 1 or field.floats % field.per_channel:
        return False
    rows = field.floats // field.per_channel
    if field.node != node.name:
        whole = node.channels <= field.per_channel < node.channels + _WIDEST_VECTOR
        kept = len(node.op.state) if isinstance(node.op, RecurrentCell) else 0
        return (rows, field.parts) == (kept, 1) and whole
    if field.parts != 1:
        if not isinstance(node.op, Conv) or node.op.dilation != 1 or not 1 < field.parts <= node.op.kernel_size:
            return False
        return rows == kept_sums(node.op, field.parts) and field.per_channel <= part_taps(node.op, field.parts)
    readers = [reader for reader in graph.consumers(node.name) if reader.operands[0] == node.name]
    return rows == node.channels and field.per_channel <= max((history(reader.op) for reader in readers), default=0)


def _state_field(item: SilenceField, rows: FloatArray) -> FloatArray:
    """The newest ``per_channel`` floats of each row; those of cells are padded instead."""
    if rows.shape[1] < item.per_channel:
        rows = np.pad(rows, ((0, 0), (0, item.per_channel - rows.shape[1])))
    return np.ascontiguousarray(rows[:, -item.per_channel :]).reshape(-1)


def resume(interpreter: Interpreter, rows: StartRows) -> None:
    """Go on from a start state: the reverse of :func:`held_by`."""
    for node in interpreter.graph:
        held = interpreter.state.get(node.name)
        if held is None:
            continue
        if isinstance(node.op, RecurrentCell):
            kept = rows[cells_of(node.name)][:, : len(held[0])]
            interpreter.state[node.name] = tuple(row.copy() for row in kept)
        else:
            interpreter.state[node.name] = (rows[node.operands[0]][:, -held[0].shape[1] :].copy(),)


def held_by(interpreter: Interpreter) -> StartRows:
    """What an interpreter remembers, as a start state: rows [channels, history] of every stream that is read with
    history, and what cells keep.
    """
    state: dict[str, FloatArray] = {}
    for node in interpreter.graph:
        held = interpreter.state.get(node.name)
        if held is None:
            continue
        if isinstance(node.op, RecurrentCell):
            state[cells_of(node.name)] = np.stack(held)
        else:
            source = node.operands[0]
            if source not in state or state[source].shape[1] < held[0].shape[1]:
                state[source] = held[0]
    return state
