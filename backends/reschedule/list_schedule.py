"""Another order, and other registers, for straight code on a single-issue core.

A list scheduler: of the next ``window`` instructions whose operands are there, take the one that can
issue first; among equals floating-point work before integer work (which fits behind a multiply-accumulate),
then the longest path to the end.  Registers are given out on the way, so the order never needs more than
there are; where it would, that attempt fails and a narrower window is tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.backends.reschedule.dependences import Region

# (instructions looked at, registers that only the oldest may take)
ATTEMPTS = ((64, 2), (40, 3), (20, 3), (8, 2))


@dataclass(frozen=True)
class Costs:
    """Cycles by kind: issue, and how long floating-point work waits after it."""

    issue: Mapping[str, int]
    blocks: Mapping[str, int]
    bus_blocked: bool

    def uses_fpu(self, instruction: Instruction) -> bool:
        if instruction.kind in (k.FLOAT_LOAD, k.FLOAT_STORE):
            return self.bus_blocked
        return instruction.kind in k.FLOAT

    def cycles(self, instruction: Instruction) -> int:
        words = instruction.access.words if instruction.access else 0
        return max(words, self.issue[instruction.kind])


@dataclass(frozen=True)
class Order:
    """``indices`` of the region's instructions in their new order; web -> register."""

    indices: tuple[int, ...]
    registers: Mapping[int, str]


class _Registers:
    """Which web holds which register while the order grows."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.free = list(region.free)
        self.names = {number: web.home for number, web in enumerate(region.webs) if web.live_in}
        self.left = [len(web.members) + len(web.uses) for web in region.webs]
        pairs = zip(region.reads, region.writes, strict=True)
        self.touches = [Counter([*reads.values(), *writes.values()]) for reads, writes in pairs]
        first = {web.members[0]: number for number, web in enumerate(region.webs) if web.members and not web.live_in}
        self.begins = [first.get(index) for index in range(len(region.code))]

    def ends(self, index: int) -> list[int]:
        """Webs that ``index`` touches last and that nobody reads afterwards."""
        webs = self.region.webs
        return [w for w, times in self.touches[index].items() if self.left[w] == times and not webs[w].live_out]

    def room(self, index: int) -> int:
        """Registers that remain free if ``index``, which begins a web, comes next; negative if it cannot."""
        begun = self.begins[index]
        needs = begun is not None and not self.region.webs[begun].fixed
        return len(self.free) + sum(self.names.get(w) in self.region.reusable for w in self.ends(index)) - needs

    def place(self, index: int) -> None:
        begun, ends = self.begins[index], self.ends(index)
        for web, times in self.touches[index].items():
            self.left[web] -= times
        for web in ends:
            self._release(web)
        if begun is not None:
            value = self.region.webs[begun]
            self.names[begun] = value.home if value.fixed else self.free.pop(0)
            if begun in ends:  # written and never read
                self._release(begun)

    def _release(self, web: int) -> None:
        name = self.names.get(web)
        if name in self.region.reusable:
            self.free.append(name)


def find_order(region: Region, costs: Costs, window: int, reserve: int) -> Order | None:
    """An order by the rule above, or None if registers run out."""
    count = len(region.code)
    waiting = [0] * count
    for edges in region.edges:
        for after in edges:
            waiting[after] += 1
    path = _longest_paths(region, costs)
    earliest = [0] * count
    registers = _Registers(region)
    floats = [costs.uses_fpu(instruction) for instruction in region.code]
    left = list(range(count))
    order: list[int] = []
    now = fpu = 0
    while left:
        best: tuple[tuple[int, int, int, int], int] | None = None
        for index in left[:window]:
            if waiting[index]:
                continue
            if registers.begins[index] is not None:
                room = registers.room(index)
                if room < 0 or (room < reserve and index != left[0]):
                    continue
            start = max(now, earliest[index], fpu if floats[index] else 0)
            key = (start, 0 if floats[index] else 1, -path[index], index)
            if best is None or key < best[0]:
                best = key, index
        if best is None:
            return None
        (start, _, _, _), index = best
        instruction = region.code[index]
        registers.place(index)
        left.remove(index)
        order.append(index)
        now = start + costs.cycles(instruction)
        if costs.blocks[instruction.kind]:
            fpu = now + costs.blocks[instruction.kind]
        for after, cycles in region.edges[index].items():
            waiting[after] -= 1
            earliest[after] = max(earliest[after], start + cycles)
    return Order(tuple(order), registers.names)


def _longest_paths(region: Region, costs: Costs) -> list[int]:
    path = [0] * len(region.code)
    for index in range(len(region.code) - 1, -1, -1):
        own = costs.cycles(region.code[index]) + costs.blocks[region.code[index].kind]
        path[index] = max([own, *(cycles + path[after] for after, cycles in region.edges[index].items())])
    return path


def ideal_cycles(code: Sequence[Instruction], costs: Costs) -> int:
    """The same instructions without a stall: issue cycles, integer work hidden behind multiply-accumulates."""
    floats = sum(costs.cycles(i) + costs.blocks[i.kind] for i in code if costs.uses_fpu(i))
    shadows = sum(costs.blocks[i.kind] for i in code)
    rest = sum(costs.cycles(i) for i in code if not costs.uses_fpu(i))
    return floats + max(0, rest - shadows)


def renamed(region: Region, order: Order) -> list[Instruction]:
    """The region's instructions in their new order with their new registers (texts and addresses are the old)."""
    result = []
    for index in order.indices:
        instruction = region.code[index]
        reads = {unit: order.registers[web] for unit, web in region.reads[index].items()}
        writes = {unit: order.registers[web] for unit, web in region.writes[index].items()}
        if reads or writes:
            instruction = replace(
                instruction,
                reads=tuple(reads.get(unit, unit) for unit in instruction.reads),
                writes=tuple(writes.get(unit, unit) for unit in instruction.writes),
                chained=tuple(reads.get(unit, unit) for unit in instruction.chained),
                data=tuple(reads.get(unit, unit) for unit in instruction.data),
            )
        result.append(instruction)
    return result
