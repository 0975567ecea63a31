"""The interpreter with LSTM cells that run as machine code of this machine: seconds of silence in milliseconds.

The code (:mod:`schedc.backends.llvm.plain_cell`) is made once for a contract, whatever the cells' sizes are, and
kept in the cache on disk.  The bits are the interpreter's.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from schedc.backends.arithmetic import Array, Float32
from schedc.backends.cell_meaning import State
from schedc.backends.interpreter import Interpreter, constant_tail
from schedc.backends.plain_cell import NUMBERS, POINTERS, SYMBOL, cell_constants, cell_weights
from schedc.backends.weights.weight_layout import pad
from schedc.cache.code_cache import default_cache
from schedc.cache.keys import cache_key
from schedc.errors import InternalError, UnsupportedError
from schedc.host.job_table import FloatArray
from schedc.host.loaded_code import load_objects
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.ir.ops import CHAINS, LstmCell, RecurrentCell
from schedc.ir.weights import WeightTable
from schedc.options import host_target
from schedc.targets.base import Target

_ARGUMENTS = (*[ctypes.c_ssize_t] * len(NUMBERS), *[ctypes.c_void_p] * len(POINTERS))
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_ssize_t, *_ARGUMENTS)


class QuickInterpreter(Interpreter):
    """The float32 interpreter of a contract; see the module."""

    def __init__(self, graph: Graph, weights: WeightTable, contract: Contract, code: CellCode) -> None:
        super().__init__(graph, weights, "float32", contract)
        self._code = code

    def run_cell(self, name: str, op: RecurrentCell, x: Array) -> Array:
        if not isinstance(op, LstmCell):
            return super().run_cell(name, op, x)
        result, self.state[name] = self._code.run(self.weights[name], x, self.state[name])
        return result


def has_quick_cells(graph: Graph) -> bool:
    """Whether a graph has recurrent cells, all of the kind that there is code for."""
    cells = [node.op for node in graph if isinstance(node.op, RecurrentCell)]
    return bool(cells) and all(isinstance(op, LstmCell) for op in cells)


def quick_interpreter(graph: Graph, weights: WeightTable, contract: Contract) -> Interpreter:
    """For a core graph and its weights; the plain one where this machine is none that we have code for."""
    code = cell_code(contract)
    if code is None:
        return Interpreter(graph, weights, "float32", contract)
    return QuickInterpreter(graph, weights, contract, code)


@functools.cache
def cell_code(contract: Contract) -> CellCode | None:
    """The code for this machine: from memory, from the cache on disk, or compiled now.  None: no such machine."""
    try:
        return CellCode(host_target(), replace(contract, nonfinite="keep"))  # which is no cell's concern
    except UnsupportedError:
        return None


class CellCode:
    """One LSTM cell over whole signals."""

    def __init__(self, target: Target, contract: Contract) -> None:
        cache, key = default_cache(), cache_key("plain cell", repr(target), repr(contract))
        elf = cache.get(key)
        if elf is None:
            from schedc.backends.llvm.plain_cell import plain_cell

            elf = plain_cell(target, contract)
            cache.put(key, elf)
        self._memory = load_objects([elf], target)
        address = self._memory.address(SYMBOL)
        if not address:
            raise InternalError(f"the loaded object has no {SYMBOL}")
        self._function = _FUNCTION(address)
        self._lanes = target.vectors.lanes
        self._flush = Float32(contract).flush
        self._constants = np.array(cell_constants(contract), np.uint32)

    def run(self, table: Mapping[str, FloatArray], x: FloatArray, state: State) -> tuple[FloatArray, State]:
        """``x`` [inputs, n] from h and c [hidden] to all h [hidden, n] and the last h and c.  Releases the GIL."""
        size, samples = len(table["hidden"]), x.shape[1]
        if not samples:
            return np.empty((size, 0), np.float32), state
        weights, bias, columns, *before = map(self._flush, (table["weight"], table["bias"], x, *state))
        lines = cell_weights(weights, bias, self._lanes)
        rows = np.zeros((1 + samples, lines.shape[2]), np.float32)
        cell, sums = np.zeros(lines.shape[2], np.float32), np.empty(lines[0].shape, np.float32)
        rows[0, :size], cell[:size] = before
        given = np.ascontiguousarray(columns.T)
        numbers = (samples, constant_tail(given.T), len(x), pad(size, CHAINS), lines.shape[2])
        pointers = (array.ctypes.data for array in (given, rows, cell, lines, sums, self._constants))
        ran = self._function(*numbers, *pointers)
        rows[1 + ran :] = rows[ran]
        return rows[1:, :size].T, (rows[-1, :size].copy(), cell[:size].copy())
