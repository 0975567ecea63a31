"""Kernel shapes: what the code of a kernel depends on, apart from addresses and numbers.

Two layers that differ only in dilation, in where their streams live and in their weights have equal
shapes and share one function; the rest reaches it as arguments (``Binding``).  A kernel's weight
segment is a list of fields in reading order, constants of the activation functions last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from schedc.backends.weights.cell_layout import CellLayout
from schedc.backends.weights.constant_table import NEGATIVE_ZERO, ConstantTable
from schedc.backends.weights.weight_layout import FloatArray, convolution_layout, pad
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.elements import FLOAT32, ElementType
from schedc.ir.ops import Activation, Conv, Op, RecurrentCell, Scale, Slice, Start
from schedc.ir.program import Kernel, Placement, Program, Stage
from schedc.ir.weights import WeightTable
from schedc.loops.channel_axis import frame_items
from schedc.loops.form import AlignedCuts, Form, form
from schedc.schedule import LANES_OF_WEIGHTS, KernelSchedule

SEGMENT_ALIGN = 16  # floats


@dataclass(frozen=True)
class Slot:
    """Memory a kernel touches: planar rows of ``channels`` channels, or interleaved frames of ``frame_items`` elements.

    ``row_bytes``, from one channel to the next, is 0 where it is an argument (planar rings).  ``scratch_offset``
    is the place in tile scratch, or None for rows of a whole block.
    """

    channels: int
    row_bytes: int
    scratch_offset: int | None = None
    frame_items: int = 1
    element: ElementType = FLOAT32

    @property
    def in_scratch(self) -> bool:
        return self.scratch_offset is not None


@dataclass(frozen=True)
class FromStep:
    """An operand that an earlier step makes, by its number."""

    index: int


@dataclass(frozen=True)
class FromSlot:
    """An operand in memory, by the number of its slot."""

    index: int


Operand = FromStep | FromSlot


@dataclass(frozen=True)
class Step:
    """One node.

    ``stores``: slots that receive the result.  ``wide``: the result is not kept in registers but read back from
    ``stores[0]``.  ``weights``: offset of each field in the kernel's segment, in elements.  Of a convolution, ``form``
    is how its loop runs; ``dilation`` the number of the argument that its dilation is (``op`` then has it replaced by
    1), None where it does not matter, or the code is made for the one that ``op`` states; ``sums`` the slot of its
    partial sums where its taps run in parts.
    """

    op: Op
    operands: tuple[Operand, ...]
    stores: tuple[int, ...]
    wide: bool
    weights: tuple[tuple[str, int], ...]
    form: Form | None = None
    dilation: int | None = None
    sums: int | None = None

    def offset(self, name: str) -> int:
        return dict(self.weights)[name]


@dataclass(frozen=True)
class KernelShape:
    """Everything the code of a kernel is a function of, besides the target."""

    schedule: KernelSchedule
    contract: Contract
    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]
    dilations: int
    constants: tuple[int, ...]  # bit patterns
    constants_at: int  # offset in the segment, in elements
    segment_items: int
    element: ElementType = FLOAT32  # of the segment

    @property
    def segment_bytes(self) -> int:
        return self.element.bytes * self.segment_items


@dataclass(frozen=True)
class Field:
    """A piece of a kernel's weight segment and how to fill it."""

    node: str
    floats: int
    pack: Callable[[Mapping[str, FloatArray]], FloatArray]


@dataclass(frozen=True)
class Binding:
    """The arguments of one kernel: streams behind the slots, dilations in floats, weight fields."""

    places: tuple[Placement | None, ...]  # None: tile scratch
    dilations: tuple[int, ...]
    fields: tuple[Field, ...]


def bind_kernel(program: Program, stage: Stage, kernel: Kernel, contract: Contract) -> tuple[KernelShape, Binding]:
    """The shape of a planned kernel and its arguments."""
    return _Binder(program.schedules[kernel.name], stage, kernel, contract).bind()


def pack_segment(shape: KernelShape, binding: Binding, weights: WeightTable) -> FloatArray:
    """A kernel's weight segment for one capture, float32 [segment_items]."""
    result = np.zeros(shape.segment_items, np.float32)
    at = 0
    for item in binding.fields:
        values = item.pack(weights[item.node])
        result[at : at + values.size] = values
        at += item.floats
    constants = np.array(shape.constants, np.uint32).view(np.float32)
    result[shape.constants_at : shape.constants_at + constants.size] = constants
    return result


@dataclass
class _Binder:
    schedule: KernelSchedule
    stage: Stage
    kernel: Kernel
    contract: Contract
    slots: list[Slot] = field(default_factory=list)
    places: list[Placement | None] = field(default_factory=list)
    slot_of: dict[tuple[str, str], int] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    floats: int = 0
    dilations: list[int] = field(default_factory=list)

    def bind(self) -> tuple[KernelShape, Binding]:
        self.constants = ConstantTable(self.contract)
        arena = self.stage.arena
        if arena is None:
            raise InternalError("kernels are bound after plan-arena")
        self.rows, self.sent, self.scratch, self.cells = arena.rows, arena.sent, arena.scratch, arena.cells
        self.sums = arena.sums
        step_of: dict[str, int] = {}
        steps: list[Step] = []
        for name in self.kernel.nodes:
            steps.append(self.step(name, step_of))
            step_of[name] = len(steps) - 1
        constants_at = self.floats
        total = pad(constants_at + len(self.constants.bits), SEGMENT_ALIGN)
        shape = KernelShape(
            self.schedule,
            self.contract,
            tuple(self.slots),
            tuple(steps),
            len(self.dilations),
            tuple(self.constants.bits),
            constants_at,
            total,
        )
        return shape, Binding(tuple(self.places), tuple(self.dilations), tuple(self.fields))

    def step(self, name: str, step_of: Mapping[str, int]) -> Step:
        node = self.stage.graph[name]
        op = node.op
        past = isinstance(op, Conv) and op.history > 0
        operands = tuple(
            FromStep(step_of[operand])
            if operand in step_of and not (past and index == 0)
            else FromSlot(self.row_slot(operand))
            for index, operand in enumerate(node.operands)
        )
        loop: Form | None = None
        dilation: int | None = None
        if isinstance(op, Conv):
            loop = form(op, self.schedule)
            if past and loop.takes_dilation:
                dilation = len(self.dilations)
                self.dilations.append(op.dilation * self.rows[node.operands[0]].frame_items)
            op = op if isinstance(loop, AlignedCuts) else replace(op, dilation=1)
        weights = self.weight_fields(name, node.op, loop)
        stores = self.stores(name)
        wide = not isinstance(op, Slice) and (isinstance(op, RecurrentCell) or not self.schedule.holds(node.channels))
        sums = self.add_slot(("sums", name), self.sums[name]) if name in self.sums else None
        return Step(op, operands, stores, wide, weights, loop, dilation, sums)

    def stores(self, name: str) -> tuple[int, ...]:
        slots = []
        if name in self.rows:
            slots.append(self.row_slot(name))
        if name in self.scratch:
            slots.append(self.scratch_slot(name))
        if name in self.sent:
            slots.append(self.add_slot(("sent", name), self.sent[name]))
        if name in self.cells:
            slots.append(self.add_slot(("cells", name), self.cells[name]))
        return tuple(slots)

    def row_slot(self, name: str) -> int:
        return self.add_slot(("rows", name), self.rows[name])

    def add_slot(self, key: tuple[str, str], place: Placement) -> int:
        if key not in self.slot_of:
            self.slot_of[key] = len(self.slots)
            between = place.element.bytes if place.is_interleaved else 0 if place.is_ring else place.row_bytes
            self.slots.append(Slot(place.channels, between, None, place.frame_items, place.element))
            self.places.append(place)
        return self.slot_of[key]

    def scratch_slot(self, name: str) -> int:
        key = ("scratch", name)
        if key not in self.slot_of:
            self.slot_of[key] = len(self.slots)
            channels = self.stage.graph[name].channels
            element = FLOAT32
            if self.schedule.across_channels:
                slot = Slot(channels, element.bytes, self.scratch[name], frame_items(channels, self.schedule), element)
            else:
                slot = Slot(channels, element.bytes * self.schedule.tile_frames, self.scratch[name], 1, element)
            self.slots.append(slot)
            self.places.append(None)
        return self.slot_of[key]

    def weight_fields(self, name: str, op: Op, loop: Form | None) -> tuple[tuple[str, int], ...]:
        """Append the fields of a node to the segment; returns their names and offsets."""
        match op:
            case Conv() if loop:
                if op.start is Start.NOTHING:
                    self.constants.use(NEGATIVE_ZERO)
                layout = convolution_layout(op, loop, self.schedule)
                return self.add_field("conv", name, layout.floats, _layout_packer(layout.pack))
            case RecurrentCell():
                cell = CellLayout(op, self.schedule.lanes)
                for kind in op.functions:
                    self.constants.record(kind, 0)
                return self.add_field(op.word, name, cell.floats, _layout_packer(cell.pack))
            case Activation():
                self.constants.record(op.kind, 4 if "limits" in op.parameters() else 1)
                added: tuple[tuple[str, int], ...] = ()
                for key, (count,) in op.parameters().items():
                    added += self.add_field(key, name, count, _plain_packer(key))
                return added
            case Scale():
                return self.add_field("factor", name, 1, _plain_packer("factor"))
            case _:
                return ()

    def add_field(
        self, key: str, node: str, floats: int, pack: Callable[[Mapping[str, FloatArray]], FloatArray]
    ) -> tuple[tuple[str, int], ...]:
        offset = self.floats
        # Whole vectors of weights, so that lane loads of the next field stay aligned with its padding; of
        # channels where weights are loaded as such.
        padded = pad(floats, self.schedule.lanes if self.schedule.across_channels else LANES_OF_WEIGHTS)
        self.floats += padded
        self.fields.append(Field(node, padded, pack))
        return ((key, offset),)


def _layout_packer(
    pack: Callable[[dict[str, FloatArray]], FloatArray],
) -> Callable[[Mapping[str, FloatArray]], FloatArray]:
    return lambda parameters: pack(dict(parameters))


def _plain_packer(key: str) -> Callable[[Mapping[str, FloatArray]], FloatArray]:
    return lambda parameters: parameters[key]
