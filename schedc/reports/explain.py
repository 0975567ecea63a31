"""The facts behind ``schedc explain``: memory by use, what fits, what another contract would gain, kernels by shape."""

from __future__ import annotations

from dataclasses import dataclass, replace

from schedc.compiler import Compilation
from schedc.cost.model import predict_program
from schedc.ir.contract import MACS, MATHS, Contract
from schedc.ir.program import Arena, Region
from schedc.reports.report import KernelFacts


@dataclass(frozen=True)
class StageMemory:
    """A stage's state by use, in bytes; the four add up to ``state``.

    ``rings``: past samples of streams that are read with history.  ``scratch``: tile scratch.
    ``other``: streams of one block, LSTM states, ring positions.  ``handoff`` (to the next stage) is
    not part of the state.
    """

    state: int
    rings: int
    scratch: int
    other: int
    handoff: int


def stage_memory(arena: Arena) -> StageMemory:
    """The memory of a planned stage."""
    rings = sum(p.bytes for p in arena.rings.values() if p.base is Region.STATE)
    other = arena.state_bytes - rings - arena.scratch_bytes
    return StageMemory(arena.state_bytes, rings, arena.scratch_bytes, other, arena.handoff_bytes)


def memory_by_stage(compilation: Compilation) -> list[StageMemory]:
    """One entry per stage, in order."""
    return [stage_memory(stage.arena) for stage in compilation.program.stages if stage.arena]


@dataclass(frozen=True)
class Fit:
    """The target's memory against what the code needs, in bytes.

    ``needed``: state and handoffs, which must be in RAM.  ``constant``: code and weights, which may
    be in RAM or in flash.
    """

    available: int
    needed: int
    constant: int

    @property
    def fits(self) -> bool:
        """What must be in RAM does."""
        return self.needed <= self.available

    @property
    def verdict(self) -> str:
        if self.needed + self.constant <= self.available:
            return "all of it fits"
        if self.fits:
            return "the state fits if code and weights stay in flash"
        return "it does not fit"


def fit(compilation: Compilation, code_bytes: int) -> Fit | None:
    """None if the target does not state its RAM.

    ``code_bytes``: what the object takes in memory.  Several stages running at once need two handoffs
    per cut, one being written while the other is read.
    """
    target = compilation.options.target
    if "sram_bytes" not in target.facts:
        return None
    stages = memory_by_stage(compilation)
    needed = sum(stage.state for stage in stages) + 2 * sum(stage.handoff for stage in stages)
    return Fit(int(target.fact("sram_bytes")), needed, code_bytes + compilation.layout.total_bytes)


@dataclass(frozen=True)
class Alternative:
    """Another contract that the target allows, with its *predicted* cycles per sample.

    ``option``: what to add to the command line for it.
    """

    option: str
    cycles_per_sample: float


def other_contracts(compilation: Compilation) -> list[Alternative]:
    """What this schedule would cost with the target's other multiply-accumulate, and with the other ``math``.

    Only contracts that change the cost of this model are listed.
    """
    contract = compilation.options.contract
    others = [(f"--mac {mac}", replace(contract, mac=mac)) for mac in MACS if mac != contract.mac]
    others = [(option, other) for option, other in others if other.mac in compilation.options.target.mac]
    others += [(f"--math {math}", replace(contract, math=math)) for math in MATHS if math != contract.math]
    now = _cycles(compilation, contract)
    found = [Alternative(option, _cycles(compilation, other)) for option, other in others]
    return [one for one in found if one.cycles_per_sample != now]


def _cycles(compilation: Compilation, contract: Contract) -> float:
    return predict_program(compilation.program, compilation.options.target, contract)


def total_cycles(facts: list[KernelFacts]) -> float:
    """Predicted cycles per sample of all kernels together."""
    return sum(fact.estimated_cycles_per_sample for fact in facts)


@dataclass(frozen=True)
class ShapeFacts:
    """Kernels that share their code, in numbers; sums of all of them.  ``first``: the one that runs first."""

    first: KernelFacts
    kernels: int
    macs_per_sample: int
    activations_per_sample: int
    estimated_cycles_per_sample: float


def facts_by_shape(facts: list[KernelFacts]) -> list[ShapeFacts]:
    """The shapes, those that are predicted to take most first."""
    groups: dict[int, list[KernelFacts]] = {}
    for fact in facts:
        groups.setdefault(fact.shape, []).append(fact)
    shapes = [
        ShapeFacts(
            group[0],
            len(group),
            sum(fact.macs_per_sample for fact in group),
            sum(fact.activations_per_sample for fact in group),
            total_cycles(group),
        )
        for group in groups.values()
    ]
    return sorted(shapes, key=lambda shape: (-shape.estimated_cycles_per_sample, shape.first.shape))
