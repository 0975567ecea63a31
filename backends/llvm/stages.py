"""Stage functions: what runs once per block around the kernels.

``stage(state, weights, in, out, n)``: make room in rings that are nearly full, copy the input in, call the
kernels in order, copy the output out, mirror what mirrored rings need, move the rings on by n frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from schedc.backends.llvm.builder import I32, PTR, VOID, Builder, Number, Value
from schedc.backends.llvm.rings import SupportFunctions
from schedc.backends.weights.weight_blob import BlobLayout, BoundKernel
from schedc.errors import InternalError
from schedc.ir.graph import Node
from schedc.ir.ops import Input, Output
from schedc.ir.program import Arena, Placement, Program, Region, Stage


@dataclass(frozen=True)
class KernelCall:
    """A function and the kernels it runs, one or two; it takes the arguments of each, one after the other."""

    function: ir.Function
    kernels: tuple[BoundKernel, ...]


@dataclass(frozen=True)
class ModuleParts:
    """What stage functions are made of, shared over the module."""

    program: Program
    layout: BlobLayout
    calls: Sequence[KernelCall]
    support: SupportFunctions
    pointer_bits: int
    lanes: int


STAGE_TYPE = ir.FunctionType(VOID, [PTR, PTR, PTR, PTR, I32])


class StageEmitter:
    """Emits the process function of one stage."""

    def __init__(self, function: ir.Function, parts: ModuleParts, number: int) -> None:
        self.parts, self.number = parts, number
        self.stage: Stage = parts.program.stages[number]
        if self.stage.arena is None:
            raise InternalError("stages are lowered after plan-arena")
        self.arena: Arena = self.stage.arena
        self.b = Builder(function, parts.pointer_bits, parts.lanes)
        self.state, self.weights, self.source, self.target, count = function.args
        self.frames = self.b.ir.sext(count, self.b.native) if parts.pointer_bits > 32 else count
        self.positions: dict[str, Value] = {}

    def emit(self) -> None:
        self.rings = self.arena.rings
        for name, place in self.rings.items():
            self.positions[name] = self._position(place)
        self._receive()
        for call in self.parts.calls:
            if call.kernels[0].stage == self.number:
                self.b.ir.call(call.function, [value for one in call.kernels for value in self._arguments(one)])
        self._send()
        for name, position in self.positions.items():
            moved = self.b.ir.add(position, self.frames)
            if self.rings[name].mirror_distance:
                self._mirror(self.rings[name], position, moved)
            self.b.store(self._narrow(moved), self._position_pointer(self.rings[name]))
        self.b.ir.ret_void()

    # -- rings -----------------------------------------------------------------------

    def _narrow(self, value: Value) -> Value:
        return self.b.ir.trunc(value, I32) if self.parts.pointer_bits > 32 else value

    def _widen(self, value: Value) -> Value:
        return self.b.ir.sext(value, self.b.native) if self.parts.pointer_bits > 32 else value

    def _position_pointer(self, place: Placement) -> Value:
        return self.b.at(self.state, place.position)

    def _position(self, place: Placement) -> Value:
        """The ring's position for this block, put back if a full block would no longer fit."""
        b = self.b
        found = self._widen(b.load(self._position_pointer(place), I32))
        full = b.ir.icmp_signed(">", found, b.number(place.last_frame))
        if place.mirror_distance:
            return b.ir.select(full, b.ir.sub(found, b.number(place.mirror_distance)), found)
        return self._rewound(place, found, full)

    def _rewound(self, place: Placement, found: Value, full: Value) -> Value:
        b = self.b
        before = b.ir.block

        def rewind() -> None:
            target = b.at(self.state, place.offset + place.frame_bytes * (place.rewound_frame - place.history))
            distance = b.ir.mul(b.ir.sub(found, b.number(place.rewound_frame)), b.number(place.frame_bytes))
            arguments = [target, place.rows, place.row_bytes, distance, place.history * place.frame_items]
            self._call_support(self.parts.support.rewind, arguments)

        rewound = b.when(full, rewind)
        position = b.ir.phi(b.native)
        position.add_incoming(found, before)
        position.add_incoming(b.number(place.rewound_frame), rewound)
        return position

    def _mirror(self, place: Placement, position: Value, moved: Value) -> None:
        """Copy what this block wrote of the last ``history`` frames to where the ring starts over."""
        b = self.b
        zone = b.number(place.rewound_frame + place.mirror_distance - place.history)

        def copy() -> None:
            begin = b.ir.select(b.ir.icmp_signed(">", position, zone), position, zone)
            source = b.at(b.at(self.state, place.offset), b.ir.mul(begin, b.number(place.frame_bytes)))
            row_bytes, count = place.row_bytes, b.mul(b.ir.sub(moved, begin), place.frame_items)
            target = b.at(source, -place.frame_bytes * place.mirror_distance)
            self._call_support(self.parts.support.copy, [target, row_bytes, source, row_bytes, place.rows, count])

        b.when(b.ir.icmp_signed(">", moved, zone), copy)

    def _call_support(self, function: ir.Function, arguments: list[Number]) -> None:
        self.b.ir.call(function, [self.b.number(a) if isinstance(a, int) else a for a in arguments])

    # -- addresses -------------------------------------------------------------------

    def address(self, place: Placement, name: str) -> Value:
        """Channel 0 of a stream at frame 0 of this block."""
        base = {Region.STATE: self.state, Region.HANDOFF_IN: self.source, Region.HANDOFF_OUT: self.target}[place.base]
        pointer = self.b.at(base, place.offset)
        return self.b.at(pointer, self.b.mul(self.positions[name], place.frame_bytes)) if place.is_ring else pointer

    # -- inputs and outputs ------------------------------------------------------------

    def _receive(self) -> None:
        """Inputs into their homes; handoff rows without history are read where they are."""
        for node in self.stage.graph.inputs:
            assert isinstance(node.op, Input)
            home = self.arena.rows[node.name]
            target = self.address(home, node.name)
            if not node.op.handoff:
                row_bytes = self.b.items(self.frames)
                self._copy(target, home, self.source, row_bytes, node, self.parts.layout.contract.nonfinite == "zero")
            elif home.base is Region.STATE:
                place = self.arena.received[node.name]
                self._copy(target, home, self.address(place, node.name), place.planar_bytes, node)
            if node.name in self.arena.sent:  # passed on to a later stage
                place = self.arena.sent[node.name]
                self._copy(self.address(place, node.name), place, target, home.planar_bytes, node)

    def _copy(
        self, target: Value, place: Placement, source: Value, row_bytes: Number, node: Node, finite: bool = False
    ) -> None:
        """``row_bytes``: of the source.  ``finite``: samples that are not become 0."""
        arguments = [target, place.planar_bytes, source, row_bytes, node.channels, self.frames]
        support = self.parts.support
        self._call_support(support.copy_finite if finite else support.copy, arguments)

    def _send(self) -> None:
        """The caller's output; handoffs were written by the kernels."""
        for node in self.stage.graph.outputs:
            assert isinstance(node.op, Output)
            if node.op.handoff:
                continue
            (name,) = node.operands
            place = self.arena.rows[name]
            row_bytes = self.b.items(self.frames)
            arguments = [
                self.target,
                row_bytes,
                self.address(place, name),
                place.planar_bytes,
                place.channels,
                self.frames,
            ]
            self._call_support(self.parts.support.copy, arguments)

    # -- kernels -----------------------------------------------------------------------

    def _arguments(self, kernel: BoundKernel) -> list[Value]:
        b = self.b
        arguments: list[Value] = [
            self.frames,
            b.at(self.weights, kernel.segment),
            b.at(self.state, self.arena.scratch_offset),
        ]
        names = {id(place): name for name, place in self.rings.items()}
        for slot, place in zip(kernel.shape.slots, kernel.binding.places, strict=True):
            if place is None:
                continue
            arguments.append(self.address(place, names.get(id(place), "")))
            if not slot.row_bytes:
                arguments.append(b.number(place.row_bytes))
        return [*arguments, *(b.number(b.items(dilation)) for dilation in kernel.binding.dilations)]
