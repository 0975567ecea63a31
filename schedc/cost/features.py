"""What a kernel does in one tile, counted from graph and schedule: the same counts the lowering emits.

All counts are of vector operations (of ``lanes`` floats, or scalars without a vector unit) per tile of
``tile_frames`` frames; for an LSTM cell a tile is one frame.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from schedc.ir.contract import Contract
from schedc.ir.functions import apply_activation
from schedc.ir.graph import Graph, Node
from schedc.ir.ops import Activation, ActivationKind, Combine, Conv, LstmCell, Output, Scale, Slice, Start, history
from schedc.ir.program import Kernel
from schedc.schedule import KernelSchedule, WeightRoute


@dataclass(frozen=True)
class KernelFeatures:
    """``macs``: multiply-accumulates.  ``loads``: of samples, weights, constants.  ``stores``.

    ``arithmetic``: other float and bit operations.  ``divisions``.  ``moves``: copies of start values.
    ``chain``: dependent multiply-accumulates of a tile, one block of outputs after the other.  ``blocks`` of
    outputs, each with a start and an end.  ``frames`` of the tile.
    """

    macs: float
    loads: float
    stores: float
    arithmetic: float
    divisions: float
    moves: float
    chain: float
    blocks: float
    frames: int


def kernel_features(
    graph: Graph, kernel: Kernel, schedule: KernelSchedule, contract: Contract | None = None
) -> KernelFeatures:
    """Counts for one kernel; see the module."""
    contract = contract or Contract()
    total: Counter[str] = Counter()
    inside = set(kernel.nodes)
    for name in kernel.nodes:
        node = graph[name]
        if isinstance(node.op, LstmCell):
            return _lstm(node.op, schedule, contract)
        total.update(_node(graph, node, inside, schedule, contract))
    return KernelFeatures(
        total["macs"],
        total["loads"],
        total["stores"],
        total["arithmetic"],
        total["divisions"],
        total["moves"],
        total["chain"],
        total["blocks"],
        schedule.tile_frames,
    )


def _node(graph: Graph, node: Node, inside: set[str], schedule: KernelSchedule, contract: Contract) -> Counter[str]:
    vectors = schedule.tile_vectors
    counts: Counter[str] = Counter()
    readers = graph.consumers(node.name)
    leaves = any(r.name not in inside or isinstance(r.op, Output) or history(r.op) for r in readers)
    if leaves:
        counts["stores"] += node.channels * vectors
    if isinstance(node.op, Slice):
        return counts
    if isinstance(node.op, Conv):
        counts.update(_convolution(node, inside, schedule))
        return counts
    for operand in node.operands:
        if operand not in inside:
            counts["loads"] += node.channels * vectors
    if isinstance(node.op, Combine | Scale):
        counts["arithmetic"] += node.channels * vectors
    if isinstance(node.op, Activation):
        work = activation_work(node.op.kind, contract)
        for key in ("arithmetic", "divisions"):
            counts[key] += work[key] * node.channels * vectors
        counts["loads"] += work["constants"]
    return counts


def _convolution(node: Node, inside: set[str], schedule: KernelSchedule) -> Counter[str]:
    op, vectors = node.op, schedule.tile_vectors
    assert isinstance(op, Conv)
    terms = op.columns * op.kernel_size
    block = schedule.output_block if op.kernel_size > 1 else schedule.pointwise_block
    passes = max(1, -(-(op.out_channels // op.groups) // block))  # times a source is read
    in_registers = op.kernel_size == 1 and node.operands[0] in inside
    samples = 0 if in_registers else op.in_channels * op.kernel_size * vectors * passes
    if schedule.share_taps and op.kernel_size > 1:
        samples = op.in_channels * (op.kernel_size + vectors - 1) * passes
    weights = op.out_channels * terms / (4 if schedule.weight_route is WeightRoute.LANE else 1)
    starts = op.out_channels if op.start is Start.BIAS else 0
    counts: Counter[str] = Counter()
    counts["macs"] = op.out_channels * terms * vectors
    counts["loads"] = int(samples + weights + starts)
    counts["moves"] = starts * (vectors - 1)
    blocks = op.groups * passes if op.out_channels // op.groups >= block else -(-op.out_channels // block)
    counts["chain"] = terms * blocks
    counts["blocks"] = blocks
    return counts


def _lstm(op: LstmCell, schedule: KernelSchedule, contract: Contract) -> KernelFeatures:
    """One frame; hidden units across the lanes."""
    blocks = -(-op.hidden // schedule.lanes)
    columns = op.in_channels + op.hidden
    sigmoid, tanh = (activation_work(kind, contract) for kind in (ActivationKind.SIGMOID, ActivationKind.TANH))
    arithmetic = 3 * sigmoid["arithmetic"] + 2 * tanh["arithmetic"] + 4 * min(4, op.hidden) + 3
    constants = sigmoid["constants"] + tanh["constants"]
    weights, copies = 4 * (columns + 1), 2 + op.hidden / blocks
    return KernelFeatures(
        macs=4 * columns * blocks,
        loads=(weights + columns + constants + copies) * blocks,
        stores=(copies + 1) * blocks,
        arithmetic=arithmetic * blocks,
        divisions=(3 * sigmoid["divisions"] + 2 * tanh["divisions"]) * blocks,
        moves=0,
        # A quarter of the columns, then the functions one after the other.
        chain=-(-op.hidden // 4) + (24 if contract.math == "fast" else 36),
        blocks=blocks,
        frames=1,
    )


def activation_work(kind: ActivationKind, contract: Contract | None = None) -> Counter[str]:
    """Operations of one evaluation of an activation, counted by evaluating its definition."""
    counter = _Counting(contract or Contract())
    parameters = {ActivationKind.LEAKY_HARDTANH: 4, ActivationKind.LEAKY_RELU: 1, ActivationKind.PRELU: 1}
    apply_activation(counter, kind, None, [None] * parameters.get(kind, 0))
    return counter.counts + Counter({"constants": len(counter.constants) + parameters.get(kind, 0)})


class _Counting:
    """Primitives on nothing: only how many there are matters."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.counts: Counter[str] = Counter()
        self.constants: set[float] = set()

    def constant(self, value: float) -> None:
        self.constants.add(value)

    def bits(self, value: int) -> None:
        self.constants.add(float(value))

    def add(self, a: None, b: None) -> None:
        self.counts["arithmetic"] += 1

    sub = mul = maximum = bits_and = bits_or = bits_add = bits_sub = add

    def mac(self, a: None, b: None, c: None) -> None:
        self.counts["arithmetic"] += 1

    def div(self, a: None, b: None) -> None:
        self.counts["divisions"] += 1

    def where_greater(self, a: None, b: None, yes: None, no: None) -> None:
        self.counts["arithmetic"] += 2

    def shift_left(self, a: None, count: int) -> None:
        self.counts["arithmetic"] += 1

    shift_right = shift_left
