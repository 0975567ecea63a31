"""What else could be asked for, and what it is predicted to take: the advice of ``schedc explain``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from schedc.compiler import Compilation
from schedc.errors import UserError
from schedc.frontend.capture import Capture
from schedc.ir.contract import MACS, MATHS
from schedc.ir.program import Program
from schedc.options import MAX_CORES, Options
from schedc.planning import partition_pass, plan_graph
from schedc.targets.keys import MAX_BLOCK

_LEAST_GAIN = 0.005  # less is not worth a line


@dataclass(frozen=True)
class Change:
    """Other options.

    ``option``: what to add to the command line.  ``cycles_per_sample``: predicted, of the slowest stage.
    ``latency_samples``: with the stages running at the same time.  ``other_bits``: another contract, other output.
    """

    option: str
    cycles_per_sample: float
    latency_samples: int
    other_bits: bool


def slowest_cycles(program: Program, options: Options) -> float | None:
    """Predicted cycles per sample of the slowest stage of a scheduled program under ``options``; None if it cannot be
    cut so."""
    step = partition_pass(options)
    if options.split:
        return step.costs(program).slowest(options.split)
    ranked = step.ranked(program)
    return ranked[0].cycles_per_sample if ranked else None


def changes(compilation: Compilation, capture: Capture, clock_share: float) -> list[Change]:
    """What is predicted to be faster, the fastest first: other cores, another contract, a block twice as long.

    ``clock_share``: cycles per sample that the clock has.  Several changes at once are tried only where none is enough.
    The schedule is the compilation's, but for another block.
    """
    program, options = compilation.program, compilation.options
    now = slowest_cycles(program, options)
    if now is None or now == 0:
        return []
    found = [_changed(program, options, other) for other in _others(program, options, alone=True)]
    if now > clock_share:
        found.append(_longer_block(capture, options))
    if now > clock_share and not any(one and one.cycles_per_sample <= clock_share for one in found):
        found += [_changed(program, options, other) for other in _others(program, options, alone=False)]
    offered = [one for one in found if one]
    better = [one for one in offered if all(_is_better(one, other) for other in (Change("", now, 0, False), *offered))]
    return sorted(better, key=lambda one: (one.cycles_per_sample, one.other_bits, one.option))


def _is_better(one: Change, other: Change) -> bool:
    """Whether it gains something over another that asks for less."""
    asks_for_less = set(other.option.split()) < set(one.option.split())
    return not asks_for_less or one.cycles_per_sample < (1 - _LEAST_GAIN) * other.cycles_per_sample


def _others(program: Program, options: Options, alone: bool) -> Iterator[Options]:
    """Options that differ in one choice, or in several."""
    contract, target = options.contract, options.target
    stated = int(target.facts["cores"].value) if "cores" in target.facts else MAX_CORES
    most = min(MAX_CORES, stated, max(1, len(program.kernels)))
    macs = [mac for mac in MACS if mac in target.mac]
    for cores, mac, math in product(range(1, most + 1), macs, MATHS):
        different = (cores != options.cores) + (mac != contract.mac) + (math != contract.math)
        if (different == 1) is not alone or not different:
            continue
        other = replace(options, contract=replace(contract, mac=mac, math=math))
        yield other if cores == options.cores else replace(other, cores=cores, split=(), core_speeds=())


def _changed(program: Program, options: Options, other: Options) -> Change | None:
    cycles = slowest_cycles(program, other)
    if cycles is None:
        return None
    return Change(
        _spelled(options, other),
        cycles,
        (other.cores - 1) * other.frames,
        other_bits=other.contract != options.contract,
    )


def _longer_block(capture: Capture, options: Options) -> Change | None:
    other = replace(options, block=2 * options.frames)
    if other.frames > MAX_BLOCK:
        return None
    try:
        cycles = slowest_cycles(plan_graph(capture.graph, other).program, other)
    except UserError:  # what a schedule file forces may not go with this block
        return None
    return (
        None if cycles is None else Change(f"--block {other.frames}", cycles, (other.cores - 1) * other.frames, False)
    )


def _spelled(options: Options, other: Options) -> str:
    words = [f"--cores {other.cores}"] if other.cores != options.cores else []
    words += [f"--mac {other.contract.mac}"] if other.contract.mac != options.contract.mac else []
    words += [f"--math {other.contract.math}"] if other.contract.math != options.contract.math else []
    return " ".join(words)
