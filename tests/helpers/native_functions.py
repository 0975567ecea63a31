"""A definition of :mod:`schedc.ir.functions` as machine code of this machine: quick enough for all of float32."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from llvmlite import ir

from schedc.backends.llvm.builder import I32, PTR, VOID, Builder, Value
from schedc.backends.llvm.target_machine import execution_engine
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.this_machine import host_target_name
from schedc.ir.contract import Contract
from schedc.ir.weights import FloatArray
from schedc.targets.base import load_target

LANES = 8


class NativeFunction:
    """``define(p, x, ...)`` on arrays: of one value, or of as many as ``operands``.

    This machine keeps subnormals, whatever ``contract`` says, unless ``math`` flushes them.
    """

    def __init__(
        self,
        define: Callable[..., Value],
        contract: Contract,
        math: type[VectorMath] = VectorMath,
        operands: int = 1,
    ) -> None:
        target = load_target(host_target_name())
        module = ir.Module("function")
        module.triple = target.codegen.triple
        length = ir.IntType(target.codegen.pointer_bits)
        function = ir.Function(module, ir.FunctionType(VOID, [length, *[PTR] * (operands + 1)]), "evaluate")
        b = Builder(function, target.codegen.pointer_bits, LANES)
        integers = ir.VectorType(I32, LANES)
        primitives = math(b, contract, lambda bits: b.ir.bitcast(ir.Constant(integers, [I32(bits)] * LANES), b.vector))
        count, *sources, result = function.args

        def body(index: Value, _: list[Value]) -> list[Value]:
            offset = b.mul(index, 4)
            values = [b.load(b.at(source, offset), b.vector) for source in sources]
            b.store(define(primitives, *values), b.at(result, offset))
            return []

        b.loop(count, [], body, LANES)
        b.ir.ret_void()
        self._engine = execution_engine(target, str(module))
        address = self._engine.get_function_address("evaluate")
        kind = ctypes.CFUNCTYPE(None, ctypes.c_ssize_t, *[ctypes.c_void_p] * (operands + 1))
        self._evaluate = kind(address)

    def __call__(self, *values: FloatArray) -> FloatArray:
        """Arrays of one size."""
        size = values[0].size
        padded = [np.concatenate([x, np.zeros(LANES - size % LANES, np.float32)]) for x in values]
        result = np.empty_like(padded[0])
        self._evaluate(result.size, *(x.ctypes.data for x in padded), result.ctypes.data)
        return result[:size]
