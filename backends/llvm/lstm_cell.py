"""One frame of an LSTM cell (:mod:`schedc.backends.llvm.recurrent_cell`): c in place, or h and c in registers.

A cell of one block leaves h and c in registers; in which order its parts follow each other is
:mod:`schedc.backends.llvm.lstm_kernels`' matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.llvm.recurrent_cell import CellFrame, Chains
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.ir.functions import sigmoid, tanh

ENTRY, FORGET, CANDIDATE, OUTPUT = GATES = range(4)


class LstmFrame(CellFrame):
    """``places``: what a loop over frames carries, h and c where each is one vector."""

    def __init__(self, b: Builder, given: Sequence[Value], shape: KernelShape) -> None:
        super().__init__(b, given, shape)
        _, self.cell = self.state
        self.places = self.state if self.layout.blocks == 1 else []

    def held(self) -> list[Value]:
        """What the first frame finds."""
        return [*(self.b.load(place, self.b.vector) for place in self.places), *(self.inputs(0) if self.places else [])]

    def keep(self, values: Sequence[Value]) -> None:
        """What the last frame leaves."""
        for value, place in zip(values[: len(self.places)], self.places, strict=True):
            self.b.store(value, place)

    # -- one block: h and c in registers -------------------------------------------

    def following(self, frame: Number) -> Number:
        """The next frame; the same one again where a block ends, which is as good as any and surely there."""
        following = self.b.number(self.b.add(frame, 1))
        inside = self.b.ir.icmp_signed("<", following, self.frames)
        return self.b.ir.select(inside, following, self.b.number(frame))

    def inputs(self, frame: Number) -> list[Value]:
        """Each gate's sum as far as it does not wait for h: chain 0, bias and input."""
        pointer = self.b.item(self.frame_weights, self.step.offset(self.op.word))
        return self.input_sums(pointer, self.b.items(frame), self.gate_offsets())

    def gate(self, gate: int, first: Value, hidden: Value) -> Value:
        """One gate's sum, from its chain 0 so far."""
        self.forget_constants()
        pointer = self.b.at(self.field(), (1 + self.op.in_channels) * self.column_bytes)
        chains: Chains = [[first]]
        for unit in range(self.op.hidden):
            h = hidden if self.b.lanes == 1 else self.b.shuffle(hidden, [unit] * self.b.lanes)
            weights = self.weights_at(self.b.at(pointer, unit * self.column_bytes), [self.gate_offsets()[gate]])
            chains = self.accumulate(chains, weights, h, unit)
        return self.sum_chains(chains)[0]

    def new_hidden(self, first: Number, count: int, frame: Number) -> tuple[Value, ...]:
        b, together = self.b, InterleavedMath(self.math, count)
        gates = self.gates(first, count, frame)
        candidate = tanh(together, gates(CANDIDATE))
        gated = together.mul(sigmoid(together, gates(ENTRY)), candidate)
        kept = sigmoid(together, gates(FORGET))
        places = b.at(self.cell, self.vectors(first))
        old = tuple(b.load(b.at(places, self.vectors(number)), b.vector) for number in range(count))
        cells = together.mac(kept, old, gated)
        self.store(cells, places)
        opened = sigmoid(together, gates(OUTPUT))
        return together.mul(opened, tanh(together, cells))
