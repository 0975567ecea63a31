"""An LSTM cell of any size and contract over a whole signal, as code for this machine: what silence runs through.

One function, whose sizes are arguments (:mod:`schedc.backends.plain_cell`).  It adds in the order that
:class:`schedc.ir.ops.LstmCell` states, and ends early where nothing will change any more.
"""

from __future__ import annotations

from llvmlite import ir

from schedc.backends.float_mode import Mode
from schedc.backends.llvm.builder import I32, PTR, Builder, Value, internal_function
from schedc.backends.llvm.float_registers import FloatRegisters
from schedc.backends.llvm.flushing_math import FlushingMath
from schedc.backends.llvm.lstm_cell import CANDIDATE, ENTRY, FORGET, OUTPUT
from schedc.backends.llvm.module import emit_object
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.plain_cell import GATES, NUMBERS, POINTERS, SYMBOL, cell_constants
from schedc.backends.weights.constant_table import NEGATIVE_ZERO
from schedc.ir.contract import Contract
from schedc.ir.functions import sigmoid, tanh
from schedc.ir.ops import CHAINS
from schedc.targets.base import Target


def plain_cell(target: Target, contract: Contract) -> bytes:
    """The object.  The function returns how many samples it ran; after fewer than all, nothing changes."""
    module = ir.Module(name=SYMBOL)
    module.triple = target.codegen.triple
    native = ir.IntType(target.codegen.pointer_bits)
    kind = ir.FunctionType(native, [*[native] * len(NUMBERS), *[PTR] * len(POINTERS)])
    calculates = internal_function(module, kind, "cell")
    _Emitter(calculates, target, contract).emit()
    entry = ir.Function(module, kind, SYMBOL)
    b, ran = Builder(entry, target.codegen.pointer_bits, 1), list[Value]()
    # This machine's mode as arithmetic of IEEE has it: what is flushed, is flushed by instructions.
    FloatRegisters(b, target).run_in(Mode(), lambda: ran.append(b.ir.call(calculates, entry.args)))
    b.ir.ret(ran[0])
    return emit_object(module, target).elf


class _Emitter:
    def __init__(self, function: ir.Function, target: Target, contract: Contract) -> None:
        self.b = Builder(function, target.codegen.pointer_bits, target.vectors.lanes)
        self.given = dict(zip((*NUMBERS, *POINTERS), function.args, strict=True))
        self.constants = cell_constants(contract)
        # Explicit where this machine would not do it: no mode of a processor judges tininess as Arm does.
        kind = FlushingMath if contract.subnormals not in target.subnormals else VectorMath
        self.math = kind(self.b, contract, self._constant)
        self.vector_bytes = self.b.items(target.vectors.lanes)
        self.row_bytes = self.b.items(self.given["padded"])
        self.line_bytes = self.b.mul(self.row_bytes, GATES)

    def emit(self) -> None:
        b, given = self.b, self.given
        entry = b.ir.block
        inside, after = (b.function.append_basic_block(name) for name in ("sample", "done"))
        b.ir.branch(inside)
        b.ir.position_at_end(inside)
        sample, x, hidden = (b.ir.phi(kind) for kind in (b.native, PTR, PTR))
        following = b.at(hidden, self.row_bytes)
        self._sums(x, hidden)
        changed = self._units(hidden, following)
        done = b.ir.add(sample, b.number(1))
        moving = b.ir.icmp_signed("<", sample, given["constant_from"])
        goes_on = b.ir.and_(b.ir.icmp_signed("<", done, given["samples"]), b.ir.or_(changed, moving))
        values = (b.number(0), given["x"], given["hidden"]), (done, b.item(x, given["inputs"]), following)
        last = b.ir.block
        for phi, first, next_one in zip((sample, x, hidden), *values, strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(next_one, last)
        b.ir.cbranch(goes_on, inside, after)
        b.ir.position_at_end(after)
        b.ir.ret(done)

    def _sums(self, x: Value, hidden: Value) -> None:
        """The sums of all gates to ``sums``: two vectors at a time, four chains of each."""
        b, given, math = self.b, self.given, self.math

        def pair(offset: Value, _: list[Value]) -> list[Value]:
            zero = self._constant(NEGATIVE_ZERO)

            def add(line: Value, scalar: Value, sums: list[Value]) -> list[Value]:
                factor = math.flushed(b.splat(b.load(scalar, b.scalar)))
                return [math.flushed(math.mac(self._load(line, at), factor, math.flushed(sums[at]))) for at in range(2)]

            def column(index: Value, carried: list[Value]) -> list[Value]:
                line, *sums = carried
                return [b.at(line, self.line_bytes), *add(line, b.item(x, index), sums)]

            def columns(index: Value, carried: list[Value]) -> list[Value]:
                line, *sums = carried
                found: list[Value] = []
                for chain in range(CHAINS):
                    scalar = b.item(hidden, b.add(index, chain))
                    found += add(line, scalar, sums[2 * chain : 2 * chain + 2])
                    line = b.at(line, self.line_bytes)
                return [line, *found]

            weights = b.at(given["weights"], offset)
            start = [b.at(weights, self.line_bytes), *(self._load(weights, at) for at in range(2))]
            line, *first = b.loop(given["inputs"], start, column)
            _, *sums = b.loop(given["recurrent"], [line, *first, *[math.flushed(zero)] * 6], columns, CHAINS)
            for at in range(2):
                one, two, three, four = (math.flushed(sums[2 * chain + at]) for chain in range(CHAINS))
                total = math.add(math.add(one, two), math.add(three, four))
                b.store(total, b.at(b.at(given["sums"], offset), at * self.vector_bytes))
            return []

        b.loop(self.line_bytes, [], pair, 2 * self.vector_bytes)

    def _units(self, hidden: Value, following: Value) -> Value:
        """The activations, vector by vector of units; returns whether any h or c is another than before."""
        b, math = self.b, self.math
        integers = ir.VectorType(I32, b.lanes)

        def difference(one: Value, other: Value) -> Value:
            return b.ir.xor(b.ir.bitcast(one, integers), b.ir.bitcast(other, integers))

        def units(offset: Value, carried: list[Value]) -> list[Value]:
            def gate(number: int) -> Value:
                return self._load(b.at(b.at(self.given["sums"], b.mul(self.row_bytes, number)), offset))

            place = b.at(self.given["cell"], offset)
            old_cell, old_hidden = self._load(place), self._load(b.at(hidden, offset))
            gated = math.mul(sigmoid(math, gate(ENTRY)), tanh(math, gate(CANDIDATE)))
            cell = math.mac(sigmoid(math, gate(FORGET)), old_cell, gated)
            new_hidden = math.mul(sigmoid(math, gate(OUTPUT)), tanh(math, cell))
            b.store(cell, place)
            b.store(new_hidden, b.at(following, offset))
            changed = b.ir.or_(difference(cell, old_cell), difference(new_hidden, old_hidden))
            return [b.ir.or_(carried[0], changed)]

        (changes,) = b.loop(self.row_bytes, [ir.Constant(integers, None)], units, self.vector_bytes)
        whole = b.ir.bitcast(changes, ir.IntType(8 * self.vector_bytes))
        return b.ir.icmp_unsigned("!=", whole, ir.Constant(whole.type, 0))

    def _load(self, pointer: Value, vector: int = 0) -> Value:
        """A vector of weights, of sums, of h or of c: all flushed already."""
        return self.math.flushed(self.b.load(self.b.at(pointer, vector * self.vector_bytes), self.b.vector))

    def _constant(self, bits: int) -> Value:
        pointer = self.b.item(self.given["constants"], self.constants.index(bits))
        return self.b.splat(self.b.load(pointer, self.b.scalar))
