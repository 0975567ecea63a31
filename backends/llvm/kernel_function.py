"""What every kernel function of steps begins with: its arguments, its weights and its constants."""

from __future__ import annotations

from llvmlite import ir

from schedc.backends.llvm.builder import PTR, VOID, Builder, Number, Value
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.weights.constant_table import NEGATIVE_ZERO
from schedc.backends.weights.kernel_shape import KernelShape


def kernel_type(shape: KernelShape, native: ir.IntType) -> ir.FunctionType:
    """n, weights, scratch, then per slot a pointer (and bytes per row of rings), then dilations in bytes."""
    arguments: list[ir.Type] = [native, PTR, PTR]
    for slot in shape.slots:
        if not slot.in_scratch:
            arguments += [PTR] if slot.row_bytes else [PTR, native]
    return ir.FunctionType(VOID, [*arguments, *[native] * shape.dilations])


class KernelFunction:
    """The arguments of one kernel function, by name.

    ``bases``, ``row_bytes``: of each slot.  ``weights``: the kernel's segment; constants lie at its end.
    """

    def __init__(self, function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
        self.shape = shape
        self.b = Builder(function, pointer_bits, shape.schedule.lanes, shape.element)
        arguments = iter(function.args)
        self.frames: Value = next(arguments)
        self.weights: Value = next(arguments)
        scratch = next(arguments)
        self.bases: list[Value] = []
        self.row_bytes: list[Number] = []
        for slot in shape.slots:
            offset = slot.scratch_offset
            self.bases.append(next(arguments) if offset is None else self.b.at(scratch, offset))
            self.row_bytes.append(slot.row_bytes or next(arguments))
        self.dilations: list[Value] = list(arguments)
        self.math = VectorMath(self.b, shape.contract, self._constant)

    def weight(self, offset: Number) -> Value:
        """The splat of one weight, ``offset`` elements into the segment."""
        return self.b.splat(self.b.load(self.b.item(self.weights, offset), self.b.scalar))

    def _constant(self, bits: int) -> Value:
        return self.weight(self.shape.constants_at + self.shape.constants.index(bits))

    def negative_zero(self) -> Value:
        return self._constant(NEGATIVE_ZERO)
