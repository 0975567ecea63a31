"""plan-arena: a place for every byte of state.

    streams that outlive their tile   -->   rings (with history), shared rows (without), tile scratch

Rings and states of cells live for ever.  Rows without history are shared by streams that are never
alive together; all rows are equally long, so a tile touches the same frames in each of them and a
stream may take over the row of one that ends in the same kernel.  For that interleaved streams share with their
equals only.  Tile scratch is shared by all kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from schedc.errors import InternalError
from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Node
from schedc.ir.liveness import LiveRange, live_ranges
from schedc.ir.ops import Input, Output, RecurrentCell, Slice
from schedc.ir.program import POSITION_BYTES, Arena, Level, Placement, Program, Region, Stage
from schedc.loops.channel_axis import frame_items, interleaved_streams, sampled_in_memory
from schedc.loops.form import cut_convolutions
from schedc.loops.tap_parts import kept_sums
from schedc.schedule import KernelSchedule, RingSchedule

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True)
class PlanArena:
    name: str = "plan-arena"

    def __call__(self, program: Program) -> Program:
        stages = tuple(replace(stage, arena=plan_stage(stage, program)) for stage in program.stages)
        return replace(program, stages=stages, level=Level.PLANNED)


def plan_stage(stage: Stage, program: Program) -> Arena:
    """The memory map of one stage."""
    if program.rings is None:
        raise InternalError("plan-arena needs a ring policy; run select-kernels before it")
    planner = _Planner(stage, program.schedules, program.rings)
    return planner.plan()


def align(size: int, to: int = ALIGNMENT) -> int:
    return -(-size // to) * to


@dataclass
class _Planner:
    stage: Stage
    schedules: Mapping[str, KernelSchedule]
    rings: RingSchedule
    rows: dict[str, Placement] = field(default_factory=dict)
    sums: dict[str, Placement] = field(default_factory=dict)
    size: int = 0

    def __post_init__(self) -> None:
        self.interleaved = interleaved_streams(self.stage, self.schedules)

    def take(self, bytes_needed: int) -> int:
        offset = self.size
        self.size = align(offset + bytes_needed)
        return offset

    def plan(self) -> Arena:
        ranges = live_ranges(self.stage)
        homed = [node for node in self.stage.graph if _needs_home(node, ranges)]
        rings = [node for node in homed if ranges[node.name].history]
        split = self._split_convolutions()
        positions = self.take(POSITION_BYTES * (len(rings) + len(split)))
        received = self._handoff(Region.HANDOFF_IN, [n for n in self.stage.graph.inputs if _is_handoff(n)])
        sends = [self.stage.graph[n.operands[0]] for n in self.stage.graph.outputs if _is_handoff(n)]
        sent = self._handoff(Region.HANDOFF_OUT, sends)
        cells = {n.name: self._place_cell(n, n.op) for n in self.stage.graph if isinstance(n.op, RecurrentCell)}
        for index, node in enumerate(rings):
            place = Placement(
                Region.STATE, 0, node.channels, 0, ranges[node.name].history, frame_items=self._frame_items(node)
            )
            self.rows[node.name] = self._place_ring(place, index, positions)
        for index, (name, channels, history) in enumerate(split, len(rings)):
            self.sums[name] = self._place_ring(Placement(Region.STATE, 0, channels, 0, history), index, positions)
        plain = [node for node in homed if node.name not in self.rows]
        self.rows.update({n.name: received[n.name] for n in plain if n.name in received})
        own = [n for n in plain if n.name not in received]
        for floats in sorted({self._frame_items(n) for n in own}):
            self._place_rows([n for n in own if self._frame_items(n) == floats], ranges, floats)
        scratch, scratch_bytes = self._scratch()
        offset = self.take(scratch_bytes)
        slack = FLOAT32.bytes * self.rings.copy_frames  # rewinds copy whole vectors
        return Arena(
            rows=self.rows,
            sent=sent,
            received=received,
            cells=cells,
            sums=self.sums,
            scratch=scratch,
            scratch_offset=offset,
            scratch_bytes=scratch_bytes,
            state_bytes=align(self.size + slack),
            handoff_bytes=_handoff_bytes(sent),
            received_bytes=_handoff_bytes(received),
        )

    def _handoff(self, base: Region, nodes: list[Node]) -> dict[str, Placement]:
        places: dict[str, Placement] = {}
        offset = 0
        for node in nodes:
            place = Placement(base, offset, node.channels, self.rings.block_frames)
            places[node.name] = place
            offset += align(place.bytes)
        return places

    def _frame_items(self, node: Node) -> int:
        return self.interleaved.get(node.name, 1)

    def _place_cell(self, node: Node, op: RecurrentCell) -> Placement:
        """A row for all that a cell keeps, each padded to whole vectors."""
        padded, rows = align(op.hidden, self._kernel_lanes(node)), len(op.state)
        return Placement(Region.STATE, self.take(rows * FLOAT32.bytes * padded), rows, padded)

    def _kernel_lanes(self, node: Node) -> int:
        return next(self.schedules[k.name].lanes for k in self.stage.kernels if node.name in k.nodes)

    def _split_convolutions(self) -> list[tuple[str, int, int]]:
        """(node, channels of partial sums, frames of them that are kept) of convolutions whose taps run in parts."""
        result = []
        for kernel in self.stage.kernels:
            for name, op, cut in cut_convolutions(self.stage.graph, kernel, self.schedules[kernel.name]):
                result.append((name, kept_sums(op, cut.parts), cut.taps))
        return result

    def _place_ring(self, ring: Placement, index: int, positions: int) -> Placement:
        """Ring number ``index`` of the stage, given its channels, history and form."""
        history, floats = ring.history, ring.frame_items
        span = self.rings.span(history)
        # On a whole vector, so that blocks of whole vectors are stored without crossing lines.
        rewound = history if floats > 1 else align(history, self.rings.copy_frames)
        # Each ring begins one block further into its span than the last: starting over spreads out.
        stagger = self.rings.stagger(index, history)
        row_frames = rewound + span + -(-self.rings.copy_frames // floats)
        if floats == 1:
            row_frames = self.rings.row_frames(align(row_frames, ring.element.items(ALIGNMENT)))
        place = replace(
            ring,
            offset=self.size,
            row_frames=row_frames,
            first_frame=rewound + stagger,
            rewound_frame=rewound,
            last_frame=rewound + span - self.rings.block_frames,
            mirror_distance=self.rings.mirror_distance(history),
            position_offset=positions + POSITION_BYTES * index,
        )
        self.take(place.bytes)
        return place

    def _place_rows(self, nodes: list[Node], ranges: Mapping[str, LiveRange], floats: int) -> None:
        """First fit, row by row, in order of definition; of streams of ``floats`` floats a frame (1: planar)."""
        row_frames = self.rings.block_frames if floats > 1 else self.rings.row_frames(self.rings.block_frames)
        row_bytes = FLOAT32.bytes * floats * row_frames
        busy: list[tuple[int, int, LiveRange]] = []  # first row, end row, range
        count = 0
        for node in sorted(nodes, key=lambda n: ranges[n.name].begin):
            place, wanted = Placement(Region.STATE, 0, node.channels, row_frames, frame_items=floats), ranges[node.name]
            busy = [entry for entry in busy if entry[2].end >= wanted.begin]
            first = _first_row(place.rows, wanted, busy)
            busy.append((first, first + place.rows, wanted))
            self.rows[node.name] = replace(place, offset=first * row_bytes)
            count = max(count, first + place.rows)
        base = self.take(count * row_bytes)
        for node in nodes:
            place = self.rows[node.name]
            self.rows[node.name] = replace(place, offset=base + place.offset)

    def _scratch(self) -> tuple[dict[str, int], int]:
        """(offset of each stream in tile scratch, bytes of tile scratch)."""
        offsets: dict[str, int] = {}
        largest = 0
        for kernel in self.stage.kernels:
            end, schedule = 0, self.schedules[kernel.name]
            sampled = sampled_in_memory(self.stage.graph, kernel, schedule)
            for node in (self.stage.graph[name] for name in kernel.nodes):
                size = self._scratch_bytes(node, schedule, node.name in sampled)
                if size:
                    offsets[node.name] = end
                    end += align(size)
            largest = max(largest, end)
        return offsets, largest

    def _scratch_bytes(self, node: Node, schedule: KernelSchedule, sampled: bool) -> int:
        if isinstance(node.op, RecurrentCell):  # the new h, until every unit has read the old one
            return FLOAT32.bytes * align(node.channels, schedule.lanes)
        if isinstance(node.op, Slice) or node.name in self.rows:
            return 0
        if not sampled and schedule.holds(node.channels):
            return 0
        floats = frame_items(node.channels, schedule) if schedule.across_channels else node.channels
        return FLOAT32.bytes * floats * schedule.tile_frames


def _needs_home(node: Node, ranges: Mapping[str, LiveRange]) -> bool:
    """Rows of its own: an input, or anything that is read by another kernel or by an output."""
    if isinstance(node.op, Output):
        return False
    return isinstance(node.op, Input) or ranges[node.name].crosses or ranges[node.name].history > 0


def _handoff_bytes(places: Mapping[str, Placement]) -> int:
    return sum(align(place.bytes) for place in places.values())


def _is_handoff(node: Node) -> bool:
    return isinstance(node.op, Input | Output) and node.op.handoff


def _first_row(rows: int, wanted: LiveRange, busy: list[tuple[int, int, LiveRange]]) -> int:
    """Where so many rows fit beside what is still alive: in place of an operand that ends here, else the first gap."""
    for first, end, other in busy:
        if other.in_place and other.end == wanted.begin and end - first == rows:
            return first
    row = 0
    for first, end, _ in sorted(busy, key=lambda entry: entry[:2]):
        if row + rows <= first:
            break
        row = max(row, end)
    return row
