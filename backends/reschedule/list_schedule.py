"""Another order, and other registers, for straight code on a single-issue core.

A list scheduler: of the next ``window`` instructions whose operands are there, take the one that can
issue first; among equals floating-point work before integer work (which fits behind a multiply-accumulate),
then the longest path to the end.  Registers are given out on the way, so the order never needs more than
there are; where it would, that attempt fails and a narrower window is tried.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """Which web holds which register while the order grows; ``reserve`` of them only the oldest may take."""

    def __init__(self, search: Search, reserve: int) -> None:
        region = search.region
        self._search, self._reserve = search, reserve
        self.free = list(region.free)
        self.names = {number: web.home for number, web in enumerate(region.webs) if web.live_in}
        self._left = [len(web.members) + len(web.uses) for web in region.webs]

    def fits(self, index: int, oldest: int) -> bool:
        """There is a register for the web that ``index`` begins, should it come next."""
        if self._search.begins[index] is None:
            return True
        room = len(self.free) - self._search.needs[index]
        for web, times in self._search.may_free[index]:
            if self._left[web] == times:
                room += 1
        return room >= (0 if index == oldest else self._reserve)

    def place(self, index: int) -> None:
        search, left = self._search, self._left
        begun = search.begins[index]
        for web, times in search.touches[index]:
            left[web] -= times
            if not left[web] and web in search.frees and web != begun:
                self.free.append(self.names[web])
        if begun is not None:
            value = search.region.webs[begun]
            self.names[begun] = value.home if value.fixed else self.free.pop(0)
            if not left[begun] and begun in search.frees:  # written and never read
                self.free.append(self.names[begun])


class Search:
    """What all attempts to order one region have in common."""

    def __init__(self, region: Region, costs: Costs) -> None:
        code, webs = region.code, region.webs
        self.region = region
        self.floats = [costs.uses_fpu(instruction) for instruction in code]
        self.cycles = [costs.cycles(instruction) for instruction in code]
        self.blocks = [costs.blocks[instruction.kind] for instruction in code]
        self.edges = [tuple(edges.items()) for edges in region.edges]
        self.waiting = [0] * len(code)
        for edges in self.edges:
            for after, _ in edges:
                self.waiting[after] += 1
        # Of what can issue in the same cycle the first of this order does.
        path = self._longest_paths()
        self.order = sorted(range(len(code)), key=lambda index: (not self.floats[index], -path[index], index))
        self.rank = [0] * len(code)
        for rank, index in enumerate(self.order):
            self.rank[index] = rank
        # Webs: which an instruction begins; how often it touches each; those whose registers others may take then.
        first = {web.members[0]: number for number, web in enumerate(webs) if web.members and not web.live_in}
        self.begins = [first.get(index) for index in range(len(code))]
        self.needs = [int(begun is not None and not webs[begun].fixed) for begun in self.begins]
        pairs = zip(region.reads, region.writes, strict=True)
        self.touches = [tuple(Counter([*reads.values(), *writes.values()]).items()) for reads, writes in pairs]
        self.frees = {
            number
            for number, web in enumerate(webs)
            if not web.live_out and (not web.fixed or web.home in region.reusable)
        }
        self.may_free = [
            tuple((web, times) for web, times in touched if web in self.frees and web != begun)
            for touched, begun in zip(self.touches, self.begins, strict=True)
        ]

    def _longest_paths(self) -> list[int]:
        path = [0] * len(self.edges)
        for index in range(len(self.edges) - 1, -1, -1):
            longest = self.cycles[index] + self.blocks[index]
            for after, cycles in self.edges[index]:
                if cycles + path[after] > longest:
                    longest = cycles + path[after]
            path[index] = longest
        return path

    def find_order(self, window: int, reserve: int) -> Order | None:
        """An order by the rule above, or None if registers run out."""
        count = len(self.order)
        waiting, earliest, placed = list(self.waiting), [0] * count, [False] * count
        registers = _Registers(self, reserve)
        oldest, end = 0, min(window, count)  # the first not placed; behind the window of ``window`` not placed
        ready = sorted(self.rank[index] for index in range(end) if not waiting[index])
        order: list[int] = []
        now = fpu = 0
        while len(order) < count:
            position, start = self._next(ready, earliest, registers, now, fpu, oldest)
            if position < 0:
                return None
            index = self.order[ready.pop(position)]
            registers.place(index)
            placed[index] = True
            order.append(index)
            while oldest < count and placed[oldest]:
                oldest += 1
            now = start + self.cycles[index]
            if self.blocks[index]:
                fpu = now + self.blocks[index]
            for after, cycles in self.edges[index]:
                waiting[after] -= 1
                if earliest[after] < start + cycles:
                    earliest[after] = start + cycles
                if not waiting[after] and after < end:
                    insort(ready, self.rank[after])
            if end < count:
                if not waiting[end]:
                    insort(ready, self.rank[end])
                end += 1
        return Order(tuple(order), registers.names)

    def _next(
        self,
        ready: list[int],
        earliest: list[int],
        registers: _Registers,
        now: int,
        fpu: int,
        oldest: int,
    ) -> tuple[int, int]:
        """Which of ``ready`` (ranks) comes next, -1 if none can, and in which cycle it issues."""
        order, floats = self.order, self.floats
        best, best_start = -1, 0
        for position, rank in enumerate(ready):
            index = order[rank]
            start = earliest[index]
            if floats[index] and fpu > start:
                start = fpu
            if start < now:
                start = now
            if (best >= 0 and start >= best_start) or not registers.fits(index, oldest):
                continue
            best, best_start = position, start
            if start == now:
                break
        return best, best_start


def ideal_cycles(code: Sequence[Instruction], costs: Costs) -> int:
    """The same instructions without a stall: issue cycles, integer work hidden behind multiply-accumulates."""
    floats = sum(costs.cycles(i) + costs.blocks[i.kind] for i in code if costs.uses_fpu(i))
    shadows = sum(costs.blocks[i.kind] for i in code)
    rest = sum(costs.cycles(i) for i in code if not costs.uses_fpu(i))
    return floats + max(0, rest - shadows)
