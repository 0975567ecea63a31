"""Which LSTM cells share a loop, the second some frames behind the first (:mod:`schedc.backends.llvm.lstm_kernels`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from schedc.ir.ops import LstmCell, Op
from schedc.schedule import KernelSchedule

_MOST_PAIRED_COLUMNS = 16

K = TypeVar("K")


def share_loop(first: tuple[Op, KernelSchedule], second: tuple[Op, KernelSchedule]) -> bool:
    """Whether two kernels that follow each other on a core, each of one op, are cells that one loop takes.

    Each must fit one vector: then it needs no scratch, which is the same memory for both.  Cores that issue
    in order gain nothing; nor do cells of more columns, which keep a core busy alone (measured on Zen 4: two
    layers of 8 units 79 -> 57 ns a sample, two of 16 128 -> 137).
    """
    return _is_narrow_cell(*first) and _is_narrow_cell(*second) and first[1].lanes == second[1].lanes


def _is_narrow_cell(op: Op, schedule: KernelSchedule) -> bool:
    if not isinstance(op, LstmCell) or schedule.interleave:
        return False
    return op.hidden <= schedule.lanes and op.in_channels + op.hidden <= _MOST_PAIRED_COLUMNS


def in_loops(kernels: Sequence[K], paired: Callable[[K, K], bool]) -> Iterator[tuple[K, ...]]:
    """Kernels in order, one by one but for those that share a loop: two."""
    at = 0
    while at < len(kernels):
        count = 2 if at + 1 < len(kernels) and paired(kernels[at], kernels[at + 1]) else 1
        yield tuple(kernels[at : at + count])
        at += count
