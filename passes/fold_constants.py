"""fold-constants: batch norms go into the convolution before them.

    %v = conv from nothing(%x); %y = batchnorm(%v)   -->   %v = conv from bias(%x)
                                                           recipe FoldBatchNorm(%v, %y)

The graph has no numbers, so the fold is recorded as a recipe; packing a capture runs it.  The
WaveNet head_scale is *not* folded: scaling last is part of the numeric contract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schedc.errors import InternalError
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import BatchNorm, Conv, Start
from schedc.ir.program import Level, Program
from schedc.ir.recipes import FoldBatchNorm


@dataclass(frozen=True)
class FoldConstants:
    name: str = "fold-constants"

    def __call__(self, program: Program) -> Program:
        return replace(program, graph=fold_batch_norms(program.graph), level=Level.CORE)


def fold_batch_norms(graph: Graph) -> Graph:
    builder = GraphBuilder(graph.recipes)
    renamed: dict[str, str] = {}
    for node in graph:
        operands = tuple(renamed.get(name, name) for name in node.operands)
        if not isinstance(node.op, BatchNorm):
            builder.add(node.name, node.op, *operands)
            continue
        conv = builder.nodes[operands[0]]
        if not isinstance(conv.op, Conv) or conv.op.start is Start.STREAM or len(graph.consumers(conv.name)) > 1:
            raise InternalError(f"{node.name} does not follow a convolution of its own")
        builder.nodes[conv.name] = replace(conv, op=replace(conv.op, start=Start.BIAS))
        builder.recipes.append(FoldBatchNorm(conv.name, node.name))
        renamed[node.name] = conv.name
    return builder.build()
