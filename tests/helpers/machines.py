"""Compiled code on its machine: whole signals through :mod:`schedc.machines`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from schedc.backends.float_mode import Mode
from schedc.backends.this_machine import can_run_here
from schedc.compiler import Compilation
from schedc.ir.weights import FloatArray
from schedc.machines import Driver, Memory, Route, machine_for, routes
from schedc.targets.base import load_target
from schedc.verification import same_bits

FOREIGN = ("m33", "a8", "aarch64")


def native_targets() -> tuple[str, ...]:
    """The x86 targets that this machine's processor can run."""
    return tuple(name for name in ("avx2", "avx512") if can_run_here(load_target(name)))


TARGETS = (*native_targets(), *FOREIGN)


def cut_blocks(total: int, most: int, seed: int = 0) -> list[int]:
    """Block sizes that add up to ``total``: 1, the largest, and random ones in between."""
    rng = np.random.default_rng(seed)
    sizes: list[int] = []
    while sum(sizes) < total:
        wanted = [1, most, most - 1, 2][len(sizes)] if len(sizes) < 4 else int(rng.integers(1, most + 1))
        sizes.append(min(max(wanted, 1), most, total - sum(sizes)))
    return sizes


class Loaded(Driver):
    """One capture's code, weights and state on a machine, its own by default, through ``NAME_process``."""

    def __init__(self, compilation: Compilation, blob: bytes, machine: Memory | None = None) -> None:
        route = self.choose(routes(compilation))
        super().__init__(machine or machine_for(compilation), compilation, blob, route, modes=modes_of_the_suite())

    def choose(self, found: list[Route]) -> Route:
        return found[0]

    def process(self, x: FloatArray, blocks: Sequence[int]) -> FloatArray:
        """``x`` [channels, n] in calls of ``blocks`` samples."""
        assert sum(blocks) == x.shape[1]
        return np.concatenate([self.play(x[:, begin : begin + n]) for begin, n in _spans(blocks)], axis=1)


class LoadedStages(Loaded):
    """The same through ``NAME_stageK``, each with a state of its own, handoffs in a buffer of their own."""

    def choose(self, found: list[Route]) -> Route:
        return found[1]


def modes_of_the_suite() -> Sequence[Mode]:
    """SCHEDC_CALLER_MODE=flush or towards_zero: that one everywhere; else nothing."""
    wanted = os.environ.get("SCHEDC_CALLER_MODE")
    return (Mode(**{wanted: True}),) if wanted else ()


def _spans(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for n in blocks:
        yield begin, n
        begin += n


def assert_same_bits(found: FloatArray, wanted: FloatArray, what: str = "") -> None:
    """Equal bits, except that any NaN equals any other."""
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, wanted {wanted.shape}"
    same = same_bits(found, wanted)
    if not same.all():
        channel, frame = np.argwhere(~same)[0]
        raise AssertionError(
            f"{what}: {np.count_nonzero(~same)} of {same.size} differ, first at channel {channel}, sample {frame}: "
            f"{found[channel, frame]!r}, wanted {wanted[channel, frame]!r}"
        )
