"""A process of its own that tries what LLVM makes of a target: a processor it does not know, or cannot compile for, may
end the process.  :mod:`schedc.backends.codegen_check` starts it and reads what it says.

In: a pickled :class:`~schedc.targets.base.Target`.  Standard error: LLVM's lists of processors and features, then
whatever it says.  Standard output: the name that code would call and must not, or an empty line.
"""

from __future__ import annotations

import pickle
import sys
from typing import cast

import llvmlite.binding as llvm
from llvmlite import ir

from schedc.backends.llvm.builder import PTR, VOID, Builder, Value
from schedc.backends.llvm.target_machine import checked_module, emission, initialize_llvm
from schedc.backends.llvm.vector_math import VectorMath
from schedc.backends.objects.elf import UndefinedSymbolError, finish_object
from schedc.ir.contract import Contract, Mac, Subnormals
from schedc.targets.base import Target


def main() -> None:
    """Try the target on standard input."""
    target: Target = pickle.load(sys.stdin.buffer)
    initialize_llvm()
    llvm.Target.from_triple(target.codegen.triple).create_target_machine(cpu="help")
    print(missing_function(target))


def missing_function(target: Target) -> str:
    """What code of the target would call, because no instruction does it; "" if nothing."""
    try:
        with emission(target) as machine:
            finish_object(machine.emit_object(checked_module(str(probe_module(target)))))
    except UndefinedSymbolError as error:
        return error.symbol
    return ""


def probe_module(target: Target) -> ir.Module:
    """Every primitive on every vector and in every contract of the target."""
    module = ir.Module(name="probe")
    module.triple = target.codegen.triple
    for lanes in (16, 8, 4, 1):
        if lanes == target.vectors.lanes or 4 <= lanes < target.vectors.lanes:
            for mac in target.mac:
                _probe(module, target, lanes, Contract(cast(Mac, mac), cast(Subnormals, target.subnormals[0])))
    return module


def _probe(module: ir.Module, target: Target, lanes: int, contract: Contract) -> None:
    function = ir.Function(module, ir.FunctionType(VOID, [PTR, PTR]), f"probe_{lanes}_{contract.mac}")
    set.update(function.attributes, target.codegen.attributes)  # llvmlite's own method knows plain words only
    source, results = function.args
    b = Builder(function, target.codegen.pointer_bits, lanes)
    size = b.items(lanes)

    def constant(bits: int) -> Value:
        return b.splat(b.load(b.at(source, 0), b.scalar))

    math = VectorMath(b, contract, constant)
    x, y, z = (b.load(b.at(source, size * place), b.vector) for place in range(3))
    found = [math.add(x, y), math.sub(x, y), math.mul(x, y), math.mac(x, y, z), math.maximum(x, y)]
    found += [math.div(x, y)] if contract.divides else []
    found += [math.where_greater(x, y, z, x), math.bits_and(x, y), math.bits_or(x, y), math.bits_add(x, y)]
    found += [math.bits_sub(x, y), math.shift_left(x, 23), math.shift_right(x, 23)]
    for place, value in enumerate(found):
        b.store(value, b.at(results, size * place))
    b.ir.ret_void()
