"""The functions that callers see.

Where they put the floating-point mode in force, what they do is in functions of the object's own, which they call:
``NAME_process`` sets the mode once, however many stages there are.  Init functions do no arithmetic and set none.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from schedc.backends.llvm.builder import I32, Builder, Value, internal_function
from schedc.backends.llvm.float_registers import FloatRegisters
from schedc.backends.llvm.init import INIT_TYPE
from schedc.backends.llvm.stages import STAGE_TYPE
from schedc.backends.objects.object_format import Convention, Visibility
from schedc.targets.base import Target


class Entries:
    """Makes the exported functions of ``module`` by ``convention``."""

    def __init__(self, module: ir.Module, target: Target, convention: Convention) -> None:
        self._module, self._target, self._convention = module, target, convention

    def exported(self, kind: ir.FunctionType, name: str) -> ir.Function:
        """A function without a body yet."""
        function = ir.Function(self._module, kind, name)
        if self._convention.visibility is Visibility.HIDDEN:
            function.linkage = "hidden"  # llvmlite knows no visibility; it stands where linkage does
        function.calling_convention = self._convention.calls
        function.attributes.add("nounwind")
        return function

    def stage(self, symbol: str, number: int) -> ir.Function:
        """The function, without a body yet, that runs a stage; ``symbol`` is it, or sets the mode and calls it."""
        if self._convention.mode is None:
            return self.exported(STAGE_TYPE, symbol)
        function = internal_function(self._module, STAGE_TYPE, f"stage{number}")
        self.process(symbol, [function], (0,), ())
        return function

    def init(self, symbol: str, inits: Sequence[ir.Function], states: Sequence[int]) -> None:
        """The states of all stages in one; the first refusal ends it."""
        function = self.exported(INIT_TYPE, symbol)
        state, weights = function.args
        b = self._builder(function)
        for init, offset in zip(inits, states, strict=True):
            refused = b.ir.call(init, [b.at(state, offset), weights])
            b.return_if(b.ir.icmp_signed("!=", refused, I32(0)), refused)
        b.ir.ret(I32(0))

    def process(
        self, symbol: str, stages: Sequence[ir.Function], states: Sequence[int], handoffs: Sequence[int]
    ) -> None:
        """All stages, one after the other, in one state; offsets of theirs and of the handoffs in bytes."""
        function = self.exported(STAGE_TYPE, symbol)
        state, weights, source, target, frames = function.args
        b = self._builder(function)

        def run() -> None:
            ends: list[Value] = [source, *(b.at(state, offset) for offset in handoffs), target]
            for number, stage in enumerate(stages):
                b.ir.call(stage, [b.at(state, states[number]), weights, ends[number], ends[number + 1], frames])

        FloatRegisters(b, self._target).run_in(self._convention.mode, run)
        b.ir.ret_void()

    def _builder(self, function: ir.Function) -> Builder:
        return Builder(function, self._target.codegen.pointer_bits, 1)
