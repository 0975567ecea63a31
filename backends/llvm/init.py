"""Init functions: what fills a stage's state with its start state, once the blob is known to be for this code.

``init(state, weights)`` makes all checks of ``NAME_check_weights`` that need neither the blob's size nor a look at the
weights themselves, in the same order; the CRC is left to that one.
"""

from __future__ import annotations

import struct
from functools import reduce

from llvmlite import ir

from schedc.backends.llvm.builder import I32, PTR, Builder, Value, internal_function
from schedc.backends.llvm.stages import ModuleParts
from schedc.backends.weights.blob_reader import BlobFault
from schedc.backends.weights.packing import HEADER
from schedc.backends.weights.weight_blob import FORMAT_VERSION, HEADER_BYTES, MAGIC, WORD_BYTES, BlobLayout, cells_of
from schedc.ir.program import Placement

INIT_TYPE = ir.FunctionType(I32, [PTR, PTR])


def emit_check(module: ir.Module, layout: BlobLayout, pointer_bits: int) -> ir.Function:
    """``check(state, weights)``, which all init functions begin with: a :class:`BlobFault`."""
    function = internal_function(module, INIT_TYPE, "check")
    b = Builder(function, pointer_bits, 1)
    state, weights = function.args
    for pointer in (state, weights):
        address = b.ir.ptrtoint(pointer, b.native)
        _refuse_if(b, b.ir.icmp_unsigned("==", address, b.number(0)), BlobFault.MISALIGNED)
        _refuse_if(
            b, b.ir.icmp_unsigned("!=", b.ir.and_(address, b.number(WORD_BYTES - 1)), b.number(0)), BlobFault.MISALIGNED
        )

    def word(offset: int) -> Value:
        return b.load(b.at(weights, offset), I32)

    def differs(offset: int, expected: int) -> Value:
        return b.ir.icmp_unsigned("!=", word(offset), I32(expected))

    magic = struct.unpack("<I", MAGIC)[0]
    fixed = [(magic, BlobFault.NOT_A_BLOB), (FORMAT_VERSION, BlobFault.NOT_A_BLOB)]
    fixed += [(part, BlobFault.WRONG_ARCHITECTURE) for part in struct.unpack("<4I", layout.digest)]
    fixed += [(layout.total_bytes, BlobFault.TRUNCATED)]
    for position, (expected, fault) in enumerate(fixed):
        _refuse_if(b, differs(WORD_BYTES * position, expected), fault)
    rest = reduce(b.ir.or_, [word(offset) for offset in range(HEADER.size, HEADER_BYTES, WORD_BYTES)])
    _refuse_if(b, b.ir.icmp_unsigned("!=", rest, I32(0)), BlobFault.DAMAGED)
    b.ir.ret(I32(BlobFault.OK))
    return function


def _refuse_if(b: Builder, wrong: Value, fault: BlobFault) -> None:
    b.return_if(wrong, I32(fault))


class InitEmitter:
    """Emits the init function of one stage: 0, or why the blob does not fit."""

    def __init__(self, function: ir.Function, parts: ModuleParts, number: int) -> None:
        self.parts, self.number = parts, number
        self.stage = parts.program.stages[number]
        self.b = Builder(function, parts.pointer_bits, parts.lanes)
        self.state, self.weights = function.args

    def emit(self, check: ir.Function) -> None:
        """``check``: see :func:`emit_check`."""
        b = self.b
        fault = b.ir.call(check, [self.state, self.weights])
        b.return_if(b.ir.icmp_unsigned("!=", fault, I32(BlobFault.OK)), fault)
        arena = self.stage.arena
        assert arena is not None
        for name, place in arena.rings.items():
            self._fill_ring(name, place)
        for name, place in arena.cells.items():
            self._copy(cells_of(name), place, 0, place.row_frames)
        b.ir.ret(I32(BlobFault.OK))

    def _fill_ring(self, name: str, place: Placement) -> None:
        self.b.store(I32(place.first_frame), self.b.at(self.state, place.position))
        begin = place.first_frame - place.history
        if place.is_interleaved:
            self._fill_frames(name, place, begin)
            return
        if self.parts.layout.silence[self.number, name].per_channel > 1:
            self._copy(name, place, begin, place.history)
            return
        # In whole chunks: what that writes beyond the history is the room of the first block, which has
        # not come yet, or the row's end, which rewinding needs for the same reason.
        count = -(-place.history // self.parts.support.chunk_frames) * self.parts.support.chunk_frames
        row_bytes = self.b.number(place.planar_bytes)
        arguments = [self._row(place, begin), self.b.number(place.channels), row_bytes, self.b.number(count)]
        self.b.ir.call(self.parts.support.fill, [*arguments, self._start(name)])

    def _fill_frames(self, name: str, place: Placement, begin: int) -> None:
        """The start state, a channel's constant or its whole history, into an interleaved ring."""
        b, given = self.b, self.parts.layout.silence[self.number, name].per_channel
        target, source = self._row(place, begin), self._start(name)

        def copy(to: Value, origin: Value, origin_bytes: int, floats: int) -> None:
            """A few floats a frame: the target's frames, the origin's lines."""
            sizes = [b.number(value) for value in (origin_bytes, place.history, floats)]
            b.ir.call(self.parts.support.copy, [to, b.number(place.frame_bytes), origin, *sizes])

        def channel(_: Value, carried: list[Value]) -> list[Value]:
            to, origin = carried
            copy(to, origin, b.items(1), 1)
            return [b.item(to, 1), b.item(origin, given)]

        if given > 1:
            b.loop(place.channels, [target, source], channel)
        else:
            copy(target, source, 0, place.channels)

    def _copy(self, name: str, place: Placement, first_frame: int, count: int) -> None:
        """``count`` floats of every row, from the start state."""
        b, given = self.b, self.parts.layout.silence[self.number, name].per_channel
        sizes = [b.number(b.items(given)), b.number(place.channels), b.number(count)]
        target = [self._row(place, first_frame), b.number(place.planar_bytes)]
        b.ir.call(self.parts.support.copy, [*target, self._start(name), *sizes])

    def _row(self, place: Placement, frame: int) -> Value:
        return self.b.at(self.state, place.offset + place.frame_bytes * frame)

    def _start(self, name: str) -> Value:
        """Where the blob holds a start state."""
        return self.b.at(self.weights, self.parts.layout.silence[self.number, name].offset)
