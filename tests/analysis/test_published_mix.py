"""The M33 model against the published C++ fast path: 8,396 cycles/sample measured for A2-Lite.

Only the instruction mix is known (docs/machines.md#m33-measured-kernels): 1,728 vfma, 1,190 vldr, 541
vstr, 138 vadd, 138 vmov, 69 vmul, 69 vcmpe, 69 vmrs and about 1,250 integer instructions.  Here it stands
in the order such code has: per layer the taps (addresses, loads, nine multiply-accumulates in three
chains), then activation, additions and stores.
"""

from __future__ import annotations

from collections.abc import Iterator

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Access, Instruction
from schedc.analysis.single_issue import SingleIssue
from schedc.analysis.timing import State
from schedc.targets.base import load_target

LAYERS = 23
MIX = {
    k.FMA: 1728,
    k.FLOAT_LOAD: 1190,
    k.FLOAT_STORE: 541,
    k.ADD: 138,
    k.FLOAT_MOVE: 138,
    k.MUL: 69,
    k.FLOAT_COMPARE: 69,
    k.FLOAT_STATUS: 69,
    k.INT: 1250,
}
MEASURED, LOADS_FREE, LOADS_BLOCKED = 8396, 8356, 8644


Units = tuple[str, ...]


def make(kind: str, reads: Units = (), writes: Units = (), *, chained: Units = (), data: Units = ()) -> Instruction:
    access = Access("r0", "", 0, 4, kind in k.STORES) if kind in k.LOADS | k.STORES else None
    return Instruction(0, 4, kind, "", kind, reads, writes, chained, data, access)


def shares(total: int, parts: int) -> list[int]:
    """``total`` in ``parts`` nearly equal whole shares."""
    return [total * (i + 1) // parts - total * i // parts for i in range(parts)]


def published_mix(integers_first: bool = True) -> Iterator[Instruction]:
    """One sample of the fast path; integer work before a tap's loads, or behind them."""
    groups = 8  # taps and 1x1, nine multiply-accumulates each, and a rest of three
    integers, loads = shares(MIX[k.INT], LAYERS * groups), shares(MIX[k.FLOAT_LOAD], LAYERS * groups)
    stores, macs = shares(MIX[k.FLOAT_STORE], LAYERS), shares(MIX[k.FMA], LAYERS)
    for layer in range(LAYERS):
        for output in range(6):
            yield make(k.FLOAT_MOVE, ("s16",), (f"s{output}",))
        left = macs[layer]
        for group in range(groups):
            addresses = [make(k.INT, ("r1",), ("r2",))] * integers[layer * groups + group]
            yield from addresses if integers_first else []
            for number in range(loads[layer * groups + group]):
                yield make(k.FLOAT_LOAD, ("r0",), (f"s{20 + number}",))
            yield from [] if integers_first else addresses
            for number in range(left if group == groups - 1 else 9):
                chain = f"s{number % 3}"
                yield make(k.FMA, (chain, "s20", "s21"), (chain,), chained=(chain,))
            left -= 9
        for output in range(3):
            yield make(k.FLOAT_COMPARE, (f"s{output}",), ("fpscr",))
            yield make(k.FLOAT_STATUS, ("fpscr",), ("nzcv",))
            yield make(k.MUL, (f"s{output}", "s17"), (f"s{output + 3}",))
        for output in range(6):
            yield make(k.ADD, (f"s{output}", "s18"), (f"s{output + 8}",))
        for number in range(stores[layer]):
            yield make(k.FLOAT_STORE, ("r0", f"s{8 + number % 6}"), data=(f"s{8 + number % 6}",))


def predicted(loads_blocked: bool, integers_first: bool) -> int:
    pipeline = load_target("m33").pipeline
    assert pipeline is not None
    return SingleIssue(pipeline, loads_blocked).run(list(published_mix(integers_first)), False, State()).cycles


def test_the_mix_is_the_published_one() -> None:
    kinds = [instruction.kind for instruction in published_mix()]
    assert {kind: kinds.count(kind) for kind in MIX} == MIX


def test_prediction_agrees_with_the_measurement_to_5_percent() -> None:
    for loads_blocked, simulated in ((False, LOADS_FREE), (True, LOADS_BLOCKED)):
        for integers_first in (True, False):
            cycles = predicted(loads_blocked, integers_first)
            assert abs(cycles / MEASURED - 1) < 0.05, cycles
            assert abs(cycles / simulated - 1) < 0.05, cycles


def test_only_blocked_loads_care_what_follows_a_multiply_accumulate() -> None:
    assert predicted(False, True) == predicted(False, False) == predicted(True, True)
    assert predicted(True, False) == predicted(True, True) + 2 * LAYERS * 7
