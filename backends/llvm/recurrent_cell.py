"""One frame of a recurrent cell: hidden units across the lanes.

Blocks of ``lanes`` hidden units, one or several side by side: the gates' accumulators, up to four chains each (the
order that :class:`schedc.ir.ops.RecurrentCell` states); the new output waits in tile scratch until every block has
read the old one.  What a cell makes of its gates is a class of its own (:mod:`schedc.backends.llvm.lstm_cell`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from schedc.backends.llvm.builder import I32, Builder, Number, Value
from schedc.backends.llvm.tile_values import Memory
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.weights.cell_layout import CellLayout
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.errors import InternalError
from schedc.ir.ops import CHAINS, RecurrentCell

Chains = list[list[Value]]  # [chain][gate, or block]
_UNROLLED_UNITS = 32  # more hidden units than this are written out in a loop


class CellFrame(ABC):
    """One cell's part of a function: one frame of it, block by block of units, whatever its gates do."""

    def __init__(self, b: Builder, given: Sequence[Value], shape: KernelShape) -> None:
        (self.step,) = shape.steps
        if not isinstance(self.step.op, RecurrentCell):
            raise InternalError(f"{self.step.op} is not a recurrent cell")
        self.op, self.shape = self.step.op, shape
        self.layout = CellLayout(self.op, shape.schedule.lanes)
        self.b, self.item_bytes = b, b.element.bytes
        self.column_bytes = self.item_bytes * self.layout.column_floats
        arguments = iter(given)
        self.frames, self.weights, scratch = next(arguments), next(arguments), next(arguments)
        self.memory: list[Memory] = []
        for slot in shape.slots:
            offset = slot.scratch_offset
            base = next(arguments) if offset is None else self.b.at(scratch, offset)
            self.memory.append(Memory(base, slot.row_bytes or next(arguments)))
        state = self.memory[self.step.stores[-1]]
        rows = [self.b.mul(state.row_bytes, row) for row in range(1, len(self.op.state))]
        self.state = [state.pointer, *(self.b.at(state.pointer, row) for row in rows)]
        self.hidden = self.state[0]
        fresh = next(slot for slot in self.step.stores if shape.slots[slot].in_scratch)
        self.fresh = self.memory[fresh].pointer
        self.outputs = [self.memory[slot] for slot in self.step.stores[:-1] if slot != fresh]
        self.source = self.memory[self.step.operands[0].index]
        self.math = VectorMath(self.b, shape.contract, self._constant)
        self.entry_weights = self.frame_weights = self.weights

    def frame_in_blocks(self, index: Number) -> None:
        """One frame, ``output_block`` blocks side by side."""
        self.weights = self.b.opaque(self.entry_weights)
        at = self.b.items(index)
        blocks, together = self.layout.blocks, self.shape.schedule.output_block
        if blocks <= together:
            self.store(self.new_hidden(0, blocks, at), self.hidden)
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

    @abstractmethod
    def new_hidden(self, first: Number, count: int, frame: Number) -> tuple[Value, ...]:
        """The new output of ``count`` blocks of units from number ``first`` on; the rest of their state is stored."""

    def field(self) -> Value:
        """Where the weights are, as often as they are asked for."""
        return self.b.item(self.weights, self.step.offset(self.op.word))

    def gate_offsets(self) -> list[int]:
        """Bytes from a column's weights to those of each gate."""
        return [self.item_bytes * gate * self.b.lanes for gate in range(self.op.gates)]

    def forget_constants(self) -> None:
        """Load them again where they are used: held in registers they would come back as stack traffic."""
        self.weights = self.b.opaque(self.weights, pinned=False)

    def _keep_fresh(self, first: Number, count: int, frame: Number) -> None:
        self.store(self.new_hidden(first, count, frame), self.b.at(self.fresh, self.vectors(first)))

    def store(self, vectors: Sequence[Value], pointer: Value) -> None:
        for number, vector in enumerate(vectors):
            self.b.store(vector, self.b.at(pointer, self.vectors(number)))

    def vectors(self, count: Number) -> Number:
        """Bytes of so many vectors."""
        return self.b.mul(count, self.item_bytes * self.b.lanes)

    def _replace_hidden(self, block: Value) -> None:
        offset = self.vectors(block)
        self.b.store(self.b.load(self.b.at(self.fresh, offset), self.b.vector), self.b.at(self.hidden, offset))

    def _scatter(self, unit: Number, frame: Number) -> None:
        """One unit of the new h to its output rows, at this frame."""
        value = self.b.load(self.b.item(self.hidden, unit), I32)
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
        return self.b.splat(self.b.load(self.b.item(pointer, floats), self.b.scalar))

    def weights_at(self, column: Value, offsets: Sequence[int]) -> list[Value]:
        """A column's weights: a vector at each of ``offsets``, in bytes."""
        return [self.b.load(self.b.at(column, offset), self.b.vector) for offset in offsets]

    def gates(self, first: Number, count: int, frame: Number) -> Callable[[int], tuple[Value, ...]]:
        """The sums of a gate of ``count`` blocks of units from number ``first`` on, by the gate's number.

        All gates of one block together; of several gate by gate, equal functions step by step together.
        """
        block_bytes = self.item_bytes * self.layout.block_floats
        pointer = self.b.at(self.field(), self.b.mul(first, block_bytes))
        one = self.sums(pointer, frame, self.gate_offsets()) if count == 1 else []

        def gate(number: int) -> tuple[Value, ...]:
            if one:
                return (one[number],)
            self.forget_constants()
            offsets = [self.item_bytes * number * self.b.lanes + k * block_bytes for k in range(count)]
            # Written out, weights of several blocks are loaded so early that sums lose their registers.
            return tuple(self.sums(pointer, frame, offsets, rolled=True))

        return gate

    def sums(self, pointer: Value, frame: Number, offsets: Sequence[int], rolled: bool = False) -> list[Value]:
        """Gate sums of one frame: of all columns' weights at ``offsets`` from ``pointer`` on."""
        recurrent = self.b.at(pointer, (1 + self.op.in_channels) * self.column_bytes)
        return self.recurrent_sums([self.input_sums(pointer, frame, offsets)], recurrent, offsets, rolled)

    def input_sums(self, pointer: Value, frame: Number, offsets: Sequence[int]) -> list[Value]:
        """Chain 0 so far: bias, then the input columns ascending."""

        def column(index: Number, carried: list[Value]) -> list[Value]:
            at, *total = carried
            row = self.b.at(self.source.pointer, self.b.mul(self.source.row_bytes, index))
            x = self.b.splat(self.b.load(self.b.at(row, frame), self.b.scalar))
            total = [self.math.mac(w, x, t) for w, t in zip(self.weights_at(at, offsets), total, strict=True)]
            return [self.b.at(at, self.column_bytes), *total]

        carried = [self.b.at(pointer, self.column_bytes), *self.weights_at(pointer, offsets)]
        if self.op.in_channels * len(offsets) > self.shape.schedule.unroll_macs:
            return self.b.loop(self.op.in_channels, carried, column)[1:]
        for index in range(self.op.in_channels):
            carried = column(index, carried)
        return carried[1:]

    def recurrent_sums(self, chains: Chains, pointer: Value, offsets: Sequence[int], rolled: bool) -> list[Value]:
        """Hidden columns 4q + c onto chain c, then the sums of the chains.  ``chains``: chain 0 so far, or none."""
        size, width = self.op.hidden, len(offsets)
        for column in range(min(size, CHAINS)):
            chains = self._column(chains, pointer, self.hidden, column, offsets)
        whole = size // CHAINS - 1  # further rounds of a column for each chain
        quad_bytes = CHAINS * self.column_bytes
        if whole > 0 and (rolled or width * size > self.shape.schedule.unroll_macs):

            def quad(_: Value, carried: list[Value]) -> list[Value]:
                at, h, *flat = carried
                inner: Chains = [flat[width * c : width * c + width] for c in range(CHAINS)]
                for column in range(CHAINS):
                    inner = self._column(inner, at, h, column, offsets)
                return [
                    self.b.at(at, quad_bytes),
                    self.b.item(h, CHAINS),
                    *(v for chain in inner for v in chain),
                ]

            start = [self.b.at(pointer, quad_bytes), self.b.item(self.hidden, CHAINS)]
            flat = self.b.loop(whole, [*start, *(v for chain in chains for v in chain)], quad)[2:]
            chains = [flat[width * c : width * c + width] for c in range(CHAINS)]
            done = CHAINS * (whole + 1)
        else:
            done = min(size, CHAINS)
        for column in range(done, size):
            chains = self._column(chains, pointer, self.hidden, column, offsets)
        return self.sum_chains(chains)

    def _column(self, chains: Chains, weights: Value, hidden: Value, column: int, offsets: Sequence[int]) -> Chains:
        found = self.weights_at(self.b.at(weights, column * self.column_bytes), offsets)
        return self.accumulate(chains, found, self._splat(hidden, column), column)

    def accumulate(self, chains: Chains, weights: list[Value], h: Value, column: int) -> Chains:
        """Column ``column``'s products onto its chain."""
        chain = column % CHAINS
        if chain == len(chains):
            return [*chains, [self.math.mul(w, h) for w in weights]]
        total = [self.math.mac(w, h, t) for w, t in zip(weights, chains[chain], strict=True)]
        return [*chains[:chain], total, *chains[chain + 1 :]]

    def sum_chains(self, chains: Chains) -> list[Value]:
        """(0 + 1) + (2 + 3), as far as there are chains."""
        add = self.math.add

        def both(a: list[Value], b: list[Value]) -> list[Value]:
            return [add(x, y) for x, y in zip(a, b, strict=True)]

        pairs = [both(*chains[i : i + 2]) if len(chains) > i + 1 else chains[i] for i in range(0, len(chains), 2)]
        return both(*pairs) if len(pairs) == 2 else pairs[0]
