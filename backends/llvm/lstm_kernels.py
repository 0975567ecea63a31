"""Kernels that are LSTM cells: frame after frame, of one cell or two.

Where a cell is one block of units, h and c stay in registers from frame to frame: each frame waits for the one
before, so only latency counts, and the columns of the input are summed a frame ahead.  Two such cells in a row
share one loop.  What a cell computes is in :mod:`schedc.backends.llvm.lstm_cell`.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.llvm.kernel_function import kernel_type
from schedc.backends.llvm.lstm_cell import CANDIDATE, ENTRY, FORGET, GATES, OUTPUT, LstmFrame
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.ir.functions import sigmoid, tanh

_HELD = 2 + len(GATES)  # values that a cell of one block carries from frame to frame


def emit_cell(function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
    """The function of a kernel that is one LSTM cell; arguments as in ``kernel_type``."""
    b = Builder(function, pointer_bits, shape.schedule.lanes)
    cell = LstmFrame(b, function.args, shape)

    def frame(index: Value, carried: list[Value]) -> list[Value]:
        if cell.places:
            return _advance([cell], [index], carried)
        cell.frame_in_blocks(index)
        return []

    cell.keep(b.loop(cell.frames, cell.held(), frame))
    b.ir.ret_void()


def emit_cells(function: ir.Function, shapes: tuple[KernelShape, KernelShape], pointer_bits: int) -> None:
    """Two cells in one loop, the second two frames behind the first: neither waits for the other, and the second
    can sum its input a frame ahead too.

    Arguments: the first cell's, then the second's.
    """
    b = Builder(function, pointer_bits, shapes[0].schedule.lanes)
    count = len(kernel_type(shapes[0], b.native).args)
    first, second = LstmFrame(b, function.args[:count], shapes[0]), LstmFrame(b, function.args[count:], shapes[1])
    frames = first.frames

    def together(index: Value, carried: list[Value]) -> list[Value]:
        return _advance([first, second], [index, b.add(index, -2)], carried)

    def several() -> list[Value]:
        held = [*_advance([first], [1], one), *behind]
        three = b.ir.icmp_signed(">", frames, b.number(2))
        held = b.choose(three, lambda: b.loop(frames, held, together, begin=2), held)
        return [*held[:_HELD], *_advance([second], [b.add(frames, -2)], held[_HELD:])]

    one = _advance([first], [0], first.held())
    behind = second.held()  # now that the first output of the first cell is there
    last = b.choose(b.ir.icmp_signed(">", frames, b.number(1)), several, [*one, *behind])
    first.keep(last[:_HELD])
    second.keep(_advance([second], [b.add(frames, -1)], last[_HELD:]))
    b.ir.ret_void()


def _advance(cells: Sequence[LstmFrame], frames: Sequence[Number], carried: Sequence[Value]) -> list[Value]:
    """One frame of each cell, which is one vector; what it carries before and after: h, c and, by gate, the sums
    of bias and input for the frame that follows.

    In the order in which a processor with a short window keeps busiest: what a cell waits for first, gate by
    gate, equal functions step by step together, and what waits for nothing beside what waits longest.  Scalars
    read the new h from memory, which is quicker than taking it apart while the next frame waits for the same units.
    """
    b = cells[0].b
    held = [carried[at : at + _HELD] for at in range(0, len(carried), _HELD)]
    for cell in cells:
        cell.weights = cell.frame_weights = b.opaque(cell.entry_weights)

    def gates(gate: int) -> tuple[Value, ...]:
        return tuple(cell.gate(gate, own[2 + gate], own[0]) for cell, own in zip(cells, held, strict=True))

    math = cells[0].math  # all have the same constants
    together = InterleavedMath(math, len(cells))
    candidate, entry, forget = gates(CANDIDATE), gates(ENTRY), gates(FORGET)
    candidate = tanh(together, candidate)
    both = [sigmoid(InterleavedMath(math, 2), pair) for pair in zip(entry, forget, strict=True)]
    products = [math.mul(a, z) for (a, _), z in zip(both, candidate, strict=True)]
    states = tuple(math.mac(f, own[1], p) for (_, f), own, p in zip(both, held, products, strict=True))

    def outputs() -> list[Value]:
        opened = [sigmoid(math, value) for value in gates(OUTPUT)]
        cells[0].forget_constants()
        bounded = tanh(together, states)
        return [math.mul(o, value) for o, value in zip(opened, bounded, strict=True)]

    def inputs() -> list[list[Value]]:
        return [cell.inputs(cell.following(frame)) for cell, frame in zip(cells, frames, strict=True)]

    new, following = b.side_by_side(outputs, inputs)
    for cell, h in zip(cells, new, strict=True):
        b.store(h, cell.hidden)
    for cell, frame in zip(cells, frames, strict=True):
        cell.scatter(b.items(frame))
    return [value for h, c, sums in zip(new, states, following, strict=True) for value in (h, c, *sums)]
