"""Out-of-order cores: named bounds of a piece of code, of which the largest counts.

decode     instructions over the decoder's width
vector     floating-point and vector operations over their pipes
load       loads (16 bytes a pipe and cycle) over the load pipes
store      stores over the store pipes
integer    integer operations over their pipes
chain      the longest dependence, when an instruction enters only after the one a window's length
           before it has left, and nothing else is scarce
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Instruction
from schedc.analysis.timing import BlockTiming, PipelineTable, State, Step, row_of

BOUNDS = ("decode", "vector", "load", "store", "integer", "chain")


@dataclass
class OutOfOrder:
    """Bounds by targets/aarch64.yaml's table."""

    table: PipelineTable
    _rows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {kind: (row.issue, int(row.latency)) for kind, row in self.table.kinds.items()}
        self._options = {name: option.value for name, option in self.table.options.items()}

    def run(self, block: Sequence[Instruction], taken: bool, state: State) -> BlockTiming:
        """A block without cycles of its own: they come from ``bounds``."""
        return BlockTiming(tuple(Step(instruction, 0, "", 0) for instruction in block), 0, state)

    def bounds(self, code: Sequence[Instruction]) -> dict[str, float]:
        """Cycles of ``code`` run once, by bound."""
        options = self._options
        work = {"vector": 0.0, "load": 0.0, "store": 0.0, "integer": 0.0}
        for instruction in code:
            pipe, cycles = self._work(instruction)
            work[pipe] += cycles
        return {
            "decode": len(code) / options["decode"],
            "vector": work["vector"] / options["vector_pipes"],
            "load": work["load"] / options["load_pipes"],
            "store": work["store"] / options["store_pipes"],
            "integer": work["integer"] / options["int_pipes"],
            "chain": float(self._chain(code)),
        }

    def _work(self, instruction: Instruction) -> tuple[str, float]:
        issue, _ = row_of(self._rows, instruction)
        if instruction.access is not None:
            pieces = max(1, -(-instruction.access.size // 16))
            return ("store" if instruction.access.is_store else "load"), issue * pieces
        return ("vector" if instruction.kind in k.FLOAT else "integer"), issue

    def _chain(self, code: Sequence[Instruction]) -> int:
        window, chained = int(self._options["window"]), int(self._options["fma_chained"])
        ready: dict[str, tuple[int, bool]] = {}
        left: list[int] = []  # when each instruction retires, in order
        last = 0
        for number, instruction in enumerate(code):
            start = left[number - window] if number >= window else 0
            is_fma = instruction.kind == k.FMA
            for unit in instruction.reads:
                cycle, forwards = ready.get(unit, (0, False))
                if is_fma and forwards and unit in instruction.chained:
                    cycle -= self._rows[k.FMA][1] - chained
                start = max(start, cycle)
            _, latency = row_of(self._rows, instruction)
            for unit in instruction.writes:
                base = instruction.access is not None and unit == instruction.access.base
                ready[unit] = (start + (1 if base else latency), is_fma)
            last = max(last, start + latency)
            left.append(last)
        return last
