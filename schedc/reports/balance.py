"""How the work of a compilation is spread over its cores: the numbers behind ``schedc explain --cores``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from schedc.cost.model import predict_program
from schedc.ir.program import Program
from schedc.options import Options
from schedc.passes.stage_costs import RankedCut
from schedc.planning import partition_pass


@dataclass(frozen=True)
class StageLoad:
    """One stage, predicted; cycles per sample of a core of speed 1.

    ``kernels``: names of the first and the last one.  ``begin``, ``end``: their numbers in the chain.
    """

    kernels: tuple[str, str]
    begin: int
    end: int
    core_speed: float
    compute_cycles: float
    copy_cycles: float
    synchronisation_cycles: float

    @property
    def cycles(self) -> float:
        """What the stage takes on its core, in cycles per sample of a core of speed 1."""
        return (self.compute_cycles + self.copy_cycles + self.synchronisation_cycles) / self.core_speed


@dataclass(frozen=True)
class Balance:
    """The stages and what they amount to.

    ``alternatives``: the best cuts of the same cores, best first, the chosen one among them unless it
    was forced.  ``single_core_cycles``: of the whole model on one core of speed 1.
    """

    stages: tuple[StageLoad, ...]
    block: int
    latency_samples: int
    latency_ms: float
    single_core_cycles: float
    alternatives: tuple[RankedCut, ...]

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(stage.begin for stage in self.stages[1:])

    @property
    def slowest_cycles(self) -> float:
        return max(stage.cycles for stage in self.stages)

    @property
    def speed_up(self) -> float:
        """Predicted throughput over that of one core of speed 1."""
        return self.single_core_cycles / self.slowest_cycles if self.slowest_cycles else 1.0

    @property
    def runners_up(self) -> tuple[RankedCut, ...]:
        return tuple(cut for cut in self.alternatives if cut.cuts != self.cuts)


def balance_of(program: Program, options: Options, sample_rate: float, alternatives: int = 4) -> Balance:
    """The balance of a planned program.  ``sample_rate``: Hz."""
    step = partition_pass(options)
    costs = step.costs(program)
    edges = [0]
    for stage in program.stages:
        edges.append(edges[-1] + len(stage.kernels))
    stages = tuple(
        StageLoad(
            kernels=(program.kernels[begin].name, program.kernels[end - 1].name),
            begin=begin,
            end=end,
            core_speed=costs.core_speeds[number],
            compute_cycles=costs.compute_cycles(begin, end),
            copy_cycles=costs.copy_cycles(begin, end),
            synchronisation_cycles=costs.synchronisation_cycles(begin, end),
        )
        for number, (begin, end) in enumerate(pairwise(edges))
    )
    latency = (len(stages) - 1) * program.block
    return Balance(
        stages=stages,
        block=program.block,
        latency_samples=latency,
        latency_ms=1e3 * latency / sample_rate,
        single_core_cycles=predict_program(replace(program, stages=()), options.target, options.contract),
        alternatives=tuple(step.ranked(program, alternatives)),
    )
