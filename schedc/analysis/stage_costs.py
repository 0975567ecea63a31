"""What a cut of the kernel chain costs, and the best cuts: the arithmetic of ``partition-cores``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from schedc.ir.program import Kernel, Program

# Predicts one core's cycles per sample for a kernel of a scheduled program.
KernelCycles = Callable[[Program, Kernel], float]
# Whether one core may have kernels [begin, end).
Allowed = Callable[[int, int], bool]


@dataclass(frozen=True)
class HandoffCost:
    """What crossing a cut costs on each of its two sides.

    ``cycles_per_float``: to write, or to take over, one float.  ``synchronisation_cycles``: per
    block, to see the other side's counter and to set one's own.
    """

    cycles_per_float: float = 0.0
    synchronisation_cycles: float = 0.0


@dataclass(frozen=True)
class StageCosts:
    """Costs of every possible stage of a chain of n kernels.

    ``kernel_cycles``: n predictions, cycles per sample on a core of speed 1.  ``handoff_floats``:
    n + 1 numbers, floats per sample that cross a cut before kernel k (0 at both ends).  ``block``:
    frames per handoff.  ``core_speeds``: one per stage, relative.
    """

    kernel_cycles: tuple[float, ...]
    handoff_floats: tuple[int, ...]
    block: int
    core_speeds: tuple[float, ...]
    handoff: HandoffCost = HandoffCost()

    @property
    def cores(self) -> int:
        return len(self.core_speeds)

    def compute_cycles(self, begin: int, end: int) -> float:
        """Cycles per sample of kernels [begin, end) alone, at speed 1."""
        return self._sums[end] - self._sums[begin]

    @cached_property
    def _sums(self) -> list[float]:
        return [0.0, *accumulate(self.kernel_cycles)]

    def copy_cycles(self, begin: int, end: int) -> float:
        """Cycles per sample for what comes in and goes out."""
        return self.handoff.cycles_per_float * (self.handoff_floats[begin] + self.handoff_floats[end])

    def synchronisation_cycles(self, begin: int, end: int) -> float:
        """Cycles per sample for the one or two rings the stage shares."""
        rings = (begin > 0) + (end < len(self.kernel_cycles))
        return rings * self.handoff.synchronisation_cycles / self.block

    def stage_cycles(self, stage: int, begin: int, end: int) -> float:
        """All of it, in cycles per sample of a core of speed 1: comparable between unequal cores."""
        cycles = self.compute_cycles(begin, end) + self.copy_cycles(begin, end)
        return (cycles + self.synchronisation_cycles(begin, end)) / self.core_speeds[stage]

    def slowest(self, cuts: Sequence[int]) -> float:
        """Cycles per sample of the slowest stage."""
        bounds = [0, *cuts, len(self.kernel_cycles)]
        return max(self.stage_cycles(stage, a, b) for stage, (a, b) in enumerate(pairwise(bounds)))


@dataclass(frozen=True, order=True)
class RankedCut:
    """A cut and the cycles per sample of its slowest stage, at speed 1."""

    cycles_per_sample: float
    cuts: tuple[int, ...]


def best_cuts(costs: StageCosts, count: int = 1, allowed: Allowed | None = None) -> list[RankedCut]:
    """The ``count`` best cuts, best first.

    Empty if no cut is allowed.  Dynamic programming: a cut is no better than its first stages, so the
    best of those suffice.
    """
    kernels = len(costs.kernel_cycles)

    def cost(stage: int, begin: int, end: int) -> float:
        if allowed and not allowed(begin, end):
            return math.inf
        return costs.stage_cycles(stage, begin, end)

    best = {end: [RankedCut(cost(0, 0, end), ())] for end in range(1, kernels + 1)}
    for stage in range(1, costs.cores):
        longer: dict[int, list[RankedCut]] = {}
        for end in range(stage + 1, kernels + 1):
            found = [
                RankedCut(max(first.cycles_per_sample, here), (*first.cuts, cut))
                for cut in range(stage, end)
                if math.isfinite(here := cost(stage, cut, end))
                for first in best[cut]
            ]
            longer[end] = sorted(found)[:count]
        best = longer
    return [cut for cut in best.get(kernels, []) if math.isfinite(cut.cycles_per_sample)]
