"""What a cut of the kernel chain costs, and the best cuts: the arithmetic of ``partition-cores``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from schedc.ir.program import Program

# Predicts one core's cycles per sample for each kernel of a scheduled program.
KernelCycles = Callable[[Program], Sequence[float]]
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
        edges = [0, *cuts, len(self.kernel_cycles)]
        return max(self.stage_cycles(stage, a, b) for stage, (a, b) in enumerate(pairwise(edges)))


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
    kernels, may = len(costs.kernel_cycles), allowed or (lambda begin, end: True)
    best = {end: [RankedCut(costs.stage_cycles(0, 0, end), ())] for end in range(1, kernels + 1) if may(0, end)}
    for stage in range(1, costs.cores):
        ends = range(stage + 1, kernels + 1) if stage < costs.cores - 1 else [kernels]
        best = {end: _best_ends(costs, stage, end, best, count, may) for end in ends}
    return best.get(kernels, [])


def _best_ends(
    costs: StageCosts, stage: int, end: int, best: Mapping[int, Sequence[RankedCut]], count: int, may: Allowed
) -> list[RankedCut]:
    """The ``count`` best cuts of kernels [0, end) that end in ``stage``, from the ``best`` of the stages before.

    By the least that a last cut can come to, so that few are looked at, or asked whether they are allowed.
    """
    heres = {cut: costs.stage_cycles(stage, cut, end) for cut in range(stage, end) if best.get(cut)}
    found: list[RankedCut] = []
    for least, cut in sorted((max(best[cut][0].cycles_per_sample, here), cut) for cut, here in heres.items()):
        if len(found) == count and least > found[-1].cycles_per_sample:
            break
        if may(cut, end):
            firsts = best[cut]
            found += [RankedCut(max(first.cycles_per_sample, heres[cut]), (*first.cuts, cut)) for first in firsts]
            found = sorted(found)[:count]
    return found
