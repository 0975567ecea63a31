"""Liveness: from where to where each stream of a stage is alive."""

from __future__ import annotations

from dataclasses import dataclass

from schedc.ir.ops import Output, Pointwise, Slice, history
from schedc.ir.program import Stage


@dataclass(frozen=True)
class LiveRange:
    """Positions in the stage's node sequence: made at ``begin``, last read at ``end``.

    ``in_place``: the last reader is element-wise, so its result may take over the memory.
    ``crosses``: something outside the making kernel reads it.  ``history``: past samples read.
    """

    begin: int
    end: int
    in_place: bool
    crosses: bool
    history: int


def live_ranges(stage: Stage) -> dict[str, LiveRange]:
    """The live range of every stream of the stage, inputs included (made at -1)."""
    position = {name: i for i, name in enumerate(n for kernel in stage.kernels for n in kernel.nodes)}
    kernel_of = {name: kernel.name for kernel in stage.kernels for name in kernel.nodes}
    ranges: dict[str, LiveRange] = {}
    for node in reversed(list(stage.graph)):
        if isinstance(node.op, Output):
            continue
        readers = stage.graph.consumers(node.name)
        # A slice is a view: whoever reads it reads this stream's memory, as late as that may be.
        ends = [
            (
                ranges[reader.name].end if isinstance(reader.op, Slice) else position.get(reader.name, len(position)),
                reader,
            )
            for reader in readers
        ]
        end, last = max(ends, key=lambda pair: pair[0], default=(position.get(node.name, -1), node))
        ranges[node.name] = LiveRange(
            begin=position.get(node.name, -1),
            end=end,
            in_place=isinstance(last.op, Pointwise),
            crosses=any(kernel_of.get(r.name) != kernel_of.get(node.name) for r in readers),
            history=max((history(r.op) for r in readers if r.operands[0] == node.name), default=0),
        )
    return {node.name: ranges[node.name] for node in stage.graph if node.name in ranges}
