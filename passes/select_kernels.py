"""select-kernels: tiles, output blocks, weight routes; a ring policy.

    kernel array0.layer3   -->   kernel array0.layer3 tile=4x16 block=3

What is legal, and has what a schedule file forces, :mod:`schedc.passes.schedule_space` lists.  Which one is taken
is the autoscheduler's decision (a field of the pass).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from schedc.ir.elements import FLOAT32
from schedc.ir.graph import Graph
from schedc.ir.ops import history
from schedc.ir.program import Kernel, Level, Program
from schedc.schedule import Forced, KernelSchedule, RingPolicy, RingSchedule, ScheduleOverrides
from schedc.targets.base import Target

_LEAST_CHUNK = 8  # frames that a rewind copies at once
# Picks one schedule for a kernel at blocks of so many frames, among those that have what is forced.
Choose = Callable[[Graph, Kernel, int, Forced], KernelSchedule]


@dataclass(frozen=True)
class SelectKernels:
    """``choose``: one of the space; ``overrides``: what a schedule file leaves of the space."""

    target: Target
    choose: Choose
    overrides: ScheduleOverrides = field(default_factory=ScheduleOverrides)
    name: str = "select-kernels"

    def __call__(self, program: Program) -> Program:
        self.overrides.check_names([kernel.name for kernel in program.kernels])
        schedules = {
            k.name: self.choose(program.graph, k, program.block, self.overrides.forced(k.name)) for k in program.kernels
        }
        frames = round_up_to_tiles(program.block, schedules.values())
        rings = self.overrides.apply_rings(select_rings(program.graph, self.target, frames))
        return replace(program, schedules=schedules, rings=rings, level=Level.SCHEDULED)


def select_rings(graph: Graph, target: Target, block_frames: int) -> RingSchedule:
    """The target's policy and the longest spans whose rings leave a quarter of its memory to others (where it states
    any); rewinds, which need least, where that is too little.
    """
    # Blocks of single frames are short, and rings full as soon as ever: more of them.
    rings = RingSchedule(
        block_frames,
        target.limits.rewind_blocks * max(1, target.vectors.lanes // block_frames),
        copy_frames=max(_LEAST_CHUNK, target.vectors.lanes),
        policy=RingPolicy(target.limits.rings),
        colour="sram_bytes" not in target.facts,  # the others have caches
    )
    room = 0.75 * target.facts["sram_bytes"].value if "sram_bytes" in target.facts else math.inf
    if ring_bytes(graph, rings) > room:
        rings = replace(rings, policy=RingPolicy.REWIND)
    while rings.most_blocks > 2 and ring_bytes(graph, rings) > room:
        rings = replace(rings, most_blocks=rings.most_blocks // 2)
    return rings


def ring_bytes(graph: Graph, rings: RingSchedule) -> int:
    """Bytes of all rings under a policy, planar and not aligned: targets that state their memory have no vectors."""
    total = 0
    for node in graph:
        past = max((history(reader.op) for reader in graph.consumers(node.name)), default=0)
        if past:
            total += FLOAT32.bytes * node.channels * (past + rings.span(past))
    return total


def round_up_to_tiles(block: int, schedules: Iterable[KernelSchedule]) -> int:
    """Frames that the last tile of a full block may reach, for the widest tile in use."""
    tiles = {schedule.tile_frames for schedule in schedules}
    return max((-(-block // tile) * tile for tile in tiles), default=block)
