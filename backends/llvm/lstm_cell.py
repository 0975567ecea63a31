"""One frame of an LSTM cell: hidden units across the lanes.

Blocks of ``lanes`` hidden units, one or several side by side: the gates' accumulators, up to four chains each (the
order that :class:`schedc.ir.ops.LstmCell` states), and the activations; c in place and h to tile scratch until
every block has read the old h.  A cell of one block leaves h and c in registers; in which order its parts
follow each other is :mod:`schedc.backends.llvm.recurrent`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import I32, Builder, Number, Value
from schedc.backends.llvm.tile_values import Memory
from schedc.backends.llvm.vector_math import InterleavedMath, VectorMath
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.backends.weights.weight_layout import LstmLayout
from schedc.errors import InternalError
from schedc.ir.functions import sigmoid, tanh
from schedc.ir.ops import LSTM_CHAINS, LstmCell

Chains = list[list[Value]]  # [chain][gate, or block]
ENTRY, FORGET, CANDIDATE, OUTPUT = GATES = range(4)
_UNROLLED_UNITS = 32  # more hidden units than this are written out in a loop


class Cell:
    """One cell's part of a function; ``places``: what a loop over frames carries, h and c where each is one vector."""

    def __init__(self, b: Builder, given: Sequence[Value], shape: KernelShape) -> None:
        (self.step,) = shape.steps
        if not isinstance(self.step.op, LstmCell):
            raise InternalError(f"{self.step.op} is not an LSTM cell")
        self.op, self.shape = self.step.op, shape
        self.layout = LstmLayout(self.op, shape.schedule.lanes)
        self.b = b
        arguments = iter(given)
        self.frames, self.weights, scratch = next(arguments), next(arguments), next(arguments)
        self.memory: list[Memory] = []
        for slot in shape.slots:
            offset = slot.scratch_offset
            base = next(arguments) if offset is None else self.b.at(scratch, offset)
            self.memory.append(Memory(base, slot.row_bytes or next(arguments)))
        state = self.memory[self.step.stores[-1]]
        self.hidden, self.cell = state.pointer, self.b.at(state.pointer, state.row_bytes)
        fresh = next(slot for slot in self.step.stores if shape.slots[slot].in_scratch)
        self.fresh = self.memory[fresh].pointer
        self.outputs = [self.memory[slot] for slot in self.step.stores[:-1] if slot != fresh]
        self.source = self.memory[self.step.operands[0].index]
        self.math = VectorMath(self.b, shape.contract, self._constant)
        self.entry_weights = self.frame_weights = self.weights
        self.places = [self.hidden, self.cell] if self.layout.blocks == 1 else []

    def held(self) -> list[Value]:
        """What the first frame finds."""
        return [*(self.b.load(place, self.b.vector) for place in self.places), *(self.inputs(0) if self.places else [])]

    def keep(self, values: Sequence[Value]) -> None:
        """What the last frame leaves."""
        for value, place in zip(values[: len(self.places)], self.places, strict=True):
            self.b.store(value, place)

    def frame_in_blocks(self, index: Number) -> None:
        """One frame of a cell of several blocks, ``output_block`` of them side by side."""
        self.weights = self.b.opaque(self.entry_weights)
        at = self.b.mul(index, 4)
        blocks, together = self.layout.blocks, self.shape.schedule.output_block
        if blocks <= together:
            self._store(self._new_hidden(0, blocks, at), self.hidden)
        else:
            whole, rest = divmod(blocks, together)
            self._each(whole, lambda group: self._keep_fresh(self.b.mul(group, together), together, at))
            if rest:
                self._keep_fresh(whole * together, rest, at)
            self._each(blocks, self._replace_hidden)
        self.scatter(at)

    def scatter(self, frame: Number) -> None:
        """The new h to its output rows."""
        for_each = self._unrolled if self.op.hidden <= _UNROLLED_UNITS else self._each
        for_each(self.op.hidden, lambda unit: self._scatter(unit, frame))

    # -- one block: h and c in registers -------------------------------------------

    def following(self, frame: Number) -> Number:
        """The next frame; the same one again where a block ends, which is as good as any and surely there."""
        following = self.b.number(self.b.add(frame, 1))
        inside = self.b.ir.icmp_signed("<", following, self.frames)
        return self.b.ir.select(inside, following, self.b.number(frame))

    def inputs(self, frame: Number) -> list[Value]:
        """Each gate's sum as far as it does not wait for h: chain 0, bias and input."""
        pointer = self.b.at(self.frame_weights, 4 * self.step.offset("lstm"))
        return self._inputs(pointer, self.b.mul(frame, 4), [4 * gate * self.b.lanes for gate in GATES])

    def gate(self, gate: int, first: Value, hidden: Value) -> Value:
        """One gate's sum, from its chain 0 so far."""
        self.forget_constants()
        pointer = self.b.at(self.weights, 4 * self.step.offset("lstm"))
        column_bytes = 16 * self.b.lanes
        pointer = self.b.at(pointer, (1 + self.op.in_channels) * column_bytes)
        chains: Chains = [[first]]
        for unit in range(self.op.hidden):
            h = hidden if self.b.lanes == 1 else self.b.shuffle(hidden, [unit] * self.b.lanes)
            weights = self._weights(self.b.at(pointer, unit * column_bytes), [4 * gate * self.b.lanes])
            chains = self._accumulate(chains, weights, h, unit)
        return self._sum(chains)[0]

    def forget_constants(self) -> None:
        """Load them again where they are used: held in registers they would come back as stack traffic."""
        self.weights = self.b.opaque(self.weights, pinned=False)

    # -- several blocks ------------------------------------------------------------

    def _keep_fresh(self, first: Number, count: int, frame: Number) -> None:
        self._store(self._new_hidden(first, count, frame), self.b.at(self.fresh, self._vectors(first)))

    def _store(self, vectors: Sequence[Value], pointer: Value) -> None:
        for number, vector in enumerate(vectors):
            self.b.store(vector, self.b.at(pointer, self._vectors(number)))

    def _vectors(self, count: Number) -> Number:
        """Bytes of so many vectors."""
        return self.b.mul(count, 4 * self.b.lanes)

    def _replace_hidden(self, block: Value) -> None:
        offset = self._vectors(block)
        self.b.store(self.b.load(self.b.at(self.fresh, offset), self.b.vector), self.b.at(self.hidden, offset))

    def _scatter(self, unit: Number, frame: Number) -> None:
        """One unit of the new h to its output rows, at this frame."""
        value = self.b.load(self.b.at(self.hidden, self.b.mul(unit, 4)), I32)
        for rows in self.outputs:
            self.b.store(value, self.b.at(self.b.at(rows.pointer, self.b.mul(rows.row_bytes, unit)), frame))

    def _unrolled(self, count: int, body: Callable[[int], None]) -> None:
        for index in range(count):
            body(index)

    def _each(self, count: int, body: Callable[[Value], None]) -> None:
        """``body(index)`` for each index, in a loop."""

        def once(index: Value, _: list[Value]) -> list[Value]:
            body(index)
            return []

        self.b.loop(count, [], once)

    def _constant(self, bits: int) -> Value:
        return self._splat(self.weights, self.shape.constants_at + self.shape.constants.index(bits))

    def _splat(self, pointer: Value, floats: int) -> Value:
        return self.b.splat(self.b.load(self.b.at(pointer, 4 * floats), ir.FloatType()))

    def _weights(self, column: Value, offsets: Sequence[int]) -> list[Value]:
        """A column's weights: a vector at each of ``offsets``, in bytes."""
        return [self.b.load(self.b.at(column, offset), self.b.vector) for offset in offsets]

    def _new_hidden(self, first: Number, count: int, frame: Number) -> tuple[Value, ...]:
        """The new h of ``count`` blocks of units from number ``first`` on; their new c is stored.

        The four gates of one block together; of several gate by gate, equal functions step by step together.
        """
        b, together = self.b, InterleavedMath(self.math, count)
        block_bytes = 4 * self.layout.block_floats
        pointer = b.at(b.at(self.weights, 4 * self.step.offset("lstm")), b.mul(first, block_bytes))
        one = self._sums(pointer, frame, [4 * gate * b.lanes for gate in GATES]) if count == 1 else []

        def gates(number: int) -> tuple[Value, ...]:
            if one:
                return (one[number],)
            self.forget_constants()
            offsets = [4 * number * b.lanes + k * block_bytes for k in range(count)]
            # Written out, weights of several blocks are loaded so early that sums lose their registers.
            return tuple(self._sums(pointer, frame, offsets, rolled=True))

        candidate = tanh(together, gates(CANDIDATE))
        gated = together.mul(sigmoid(together, gates(ENTRY)), candidate)
        kept = sigmoid(together, gates(FORGET))
        places = b.at(self.cell, self._vectors(first))
        old = tuple(b.load(b.at(places, self._vectors(number)), b.vector) for number in range(count))
        cells = together.mac(kept, old, gated)
        self._store(cells, places)
        opened = sigmoid(together, gates(OUTPUT))
        return together.mul(opened, tanh(together, cells))

    def _sums(self, pointer: Value, frame: Number, offsets: Sequence[int], rolled: bool = False) -> list[Value]:
        """Gate sums of one frame: of all columns' weights at ``offsets`` from ``pointer`` on."""
        recurrent = self.b.at(pointer, (1 + self.op.in_channels) * 16 * self.b.lanes)
        return self._sum(self._recurrent(self._inputs(pointer, frame, offsets), recurrent, offsets, rolled))

    def _inputs(self, pointer: Value, frame: Number, offsets: Sequence[int]) -> list[Value]:
        """Chain 0 so far: bias, then the input columns ascending."""
        column_bytes = 16 * self.b.lanes

        def column(index: Number, carried: list[Value]) -> list[Value]:
            at, *total = carried
            row = self.b.at(self.source.pointer, self.b.mul(self.source.row_bytes, index))
            x = self.b.splat(self.b.load(self.b.at(row, frame), ir.FloatType()))
            total = [self.math.mac(w, x, t) for w, t in zip(self._weights(at, offsets), total, strict=True)]
            return [self.b.at(at, column_bytes), *total]

        carried = [self.b.at(pointer, column_bytes), *self._weights(pointer, offsets)]
        if self.op.in_channels * len(offsets) > self.shape.schedule.unroll_macs:
            return self.b.loop(self.op.in_channels, carried, column)[1:]
        for index in range(self.op.in_channels):
            carried = column(index, carried)
        return carried[1:]

    def _recurrent(self, first: list[Value], pointer: Value, offsets: Sequence[int], rolled: bool) -> Chains:
        """Hidden columns 4q + c onto chain c."""
        size, width = self.op.hidden, len(offsets)
        chains: Chains = [first]
        for column in range(min(size, LSTM_CHAINS)):
            chains = self._column(chains, pointer, self.hidden, column, offsets)
        whole = size // LSTM_CHAINS - 1  # further rounds of a column for each chain
        quad_bytes = LSTM_CHAINS * 16 * self.b.lanes
        if whole > 0 and (rolled or width * size > self.shape.schedule.unroll_macs):

            def quad(_: Value, carried: list[Value]) -> list[Value]:
                at, h, *flat = carried
                inner: Chains = [flat[width * c : width * c + width] for c in range(LSTM_CHAINS)]
                for column in range(LSTM_CHAINS):
                    inner = self._column(inner, at, h, column, offsets)
                return [
                    self.b.at(at, quad_bytes),
                    self.b.at(h, 4 * LSTM_CHAINS),
                    *(v for chain in inner for v in chain),
                ]

            start = [self.b.at(pointer, quad_bytes), self.b.at(self.hidden, 4 * LSTM_CHAINS)]
            flat = self.b.loop(whole, [*start, *(v for chain in chains for v in chain)], quad)[2:]
            chains = [flat[width * c : width * c + width] for c in range(LSTM_CHAINS)]
            done = LSTM_CHAINS * (whole + 1)
        else:
            done = min(size, LSTM_CHAINS)
        for column in range(done, size):
            chains = self._column(chains, pointer, self.hidden, column, offsets)
        return chains

    def _column(self, chains: Chains, weights: Value, hidden: Value, column: int, offsets: Sequence[int]) -> Chains:
        found = self._weights(self.b.at(weights, column * 16 * self.b.lanes), offsets)
        return self._accumulate(chains, found, self._splat(hidden, column), column)

    def _accumulate(self, chains: Chains, weights: list[Value], h: Value, column: int) -> Chains:
        """Column ``column``'s products onto its chain."""
        chain = column % LSTM_CHAINS
        if chain == len(chains):
            return [*chains, [self.math.mul(w, h) for w in weights]]
        total = [self.math.mac(w, h, t) for w, t in zip(weights, chains[chain], strict=True)]
        return [*chains[:chain], total, *chains[chain + 1 :]]

    def _sum(self, chains: Chains) -> list[Value]:
        """(0 + 1) + (2 + 3), as far as there are chains."""
        add = self.math.add

        def both(a: list[Value], b: list[Value]) -> list[Value]:
            return [add(x, y) for x, y in zip(a, b, strict=True)]

        pairs = [both(*chains[i : i + 2]) if len(chains) > i + 1 else chains[i] for i in range(0, len(chains), 2)]
        return both(*pairs) if len(pairs) == 2 else pairs[0]
