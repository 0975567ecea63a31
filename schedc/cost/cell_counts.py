"""What a recurrent cell costs: operations of a frame, by kind, hidden units across the lanes.

Counted from what a cell states of itself: gates, functions, rows of state.
"""

from __future__ import annotations

from schedc.cost.activations import activation_depth, activation_work
from schedc.cost.counts import Counts
from schedc.ir.contract import Contract
from schedc.ir.ops import CHAINS, RecurrentCell
from schedc.schedule import KernelSchedule

# Of a cell's groups of units after the first, what a frame waits for though another group could go on (fitted).
_EXPOSED = 0.25
_UPDATE = 3  # operations of a unit beside gates and functions: the new state from the old, the output


def units_together(op: RecurrentCell, schedule: KernelSchedule) -> int:
    """Blocks of units, a vector each, that are calculated side by side."""
    return min(schedule.output_block, -(-op.hidden // schedule.lanes))


def cell_counts(op: RecurrentCell, schedule: KernelSchedule, contract: Contract) -> Counts:
    """Operations of a frame."""
    blocks = -(-op.hidden // schedule.lanes)
    together = units_together(op, schedule)
    groups = -(-blocks // together)
    columns = op.in_channels + op.hidden
    functions = [(activation_work(kind, contract), times) for kind, times in op.functions.items()]
    work = sum((function.evaluated(times) for function, times in functions), Counts())
    constants = sum(function.constants for function, _ in functions)
    # Samples: once for all gates of one block, or once a gate for all blocks of a group.
    splats = columns * (blocks if together == 1 else op.gates * groups)
    copied = 0 if groups == 1 else blocks  # the new output, which waits until all have read the old one
    return Counts(
        macs=op.gates * columns * blocks,
        loads=(op.gates * (columns + 1) + len(op.state) - 1) * blocks,
        weights=splats + constants * groups + op.hidden + copied,
        stores=len(op.state) * blocks + op.hidden + copied,
        arithmetic=(work.arithmetic + op.gates * min(CHAINS, op.hidden) + _UPDATE) * blocks,
        multiply_adds=work.multiply_adds * blocks,
        selects=work.selects * blocks,
        dependent=work.arithmetic * groups,
        divisions=work.divisions * blocks,
        chain=cell_depth(op, contract) * (1 + (groups - 1) * _EXPOSED),
        blocks=groups,
    )


def cell_depth(op: RecurrentCell, contract: Contract) -> float:
    """Dependent operations of a frame: a chain's columns, the sums of the chains, a gate, the state, its function and
    a product.
    """
    return -(-op.hidden // CHAINS) + 5 + sum(activation_depth(kind, contract) for kind in op.functions)
