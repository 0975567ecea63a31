"""Static work of kernels: what balancing and predictions start from."""

from __future__ import annotations

from schedc.ir.graph import Graph
from schedc.ir.ops import Activation, macs
from schedc.ir.program import Kernel

# Cost of an activation, in multiply-accumulates: a division and an exponential, or a select.
_COSTLY = {"tanh": 24, "sigmoid": 20, "silu": 21, "fasttanh": 14, "softsign": 8}


def kernel_work(graph: Graph, kernel: Kernel) -> int:
    """Work of a kernel per sample, in multiply-accumulates."""
    total = 0
    for name in kernel.nodes:
        node = graph[name]
        total += macs(node.op)
        total += node.channels * (_COSTLY.get(node.op.kind, 3) if isinstance(node.op, Activation) else 1)
    return total
