"""The reference interpreter: the meaning of every op.

A graph of any level, node by node over whole signals, in ``float64`` (the oracle for accuracy) or
``float32`` in the exact operation order of the numeric contract (the oracle for bit equality: the
machine code of every target gives these bits).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from schedc.backends.arithmetic import Arithmetic, Array, Float32, Float64, require_usual_mode
from schedc.backends.cell_meaning import STEPS, State
from schedc.errors import InternalError
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, Node, after_cells, is_recurrent
from schedc.ir.ops import (
    Activation,
    BatchNorm,
    Combine,
    Conv,
    Elementwise,
    Input,
    Output,
    RecurrentCell,
    Scale,
    Slice,
    Start,
    history,
)
from schedc.ir.weights import WeightTable, check_weights

Precision = Literal["float32", "float64"]


class Interpreter:
    """Streams a graph; state (convolution histories, what cells keep) carries over between calls."""

    def __init__(
        self,
        graph: Graph,
        weights: WeightTable,
        precision: Precision = "float32",
        contract: Contract | None = None,
    ) -> None:
        require_usual_mode()
        check_weights(graph, weights)
        self.graph, self.contract = graph, contract or Contract()
        self.arithmetic: Arithmetic = Float64() if precision == "float64" else Float32(self.contract)
        dtype = self.arithmetic.dtype
        self.weights: dict[str, dict[str, Array]] = {
            node: {name: array.astype(dtype) for name, array in table.items()} for node, table in weights.items()
        }
        self.state: dict[str, State] = {}  # of convolutions, one array [channels, history]
        self._settling = False
        self.reset()

    def reset(self) -> None:
        """The zero state: histories 0, those of cells as stored in the capture."""
        dtype = self.arithmetic.dtype
        for node in self.graph:
            match node.op:
                case Conv() if node.op.history:
                    self.state[node.name] = (np.zeros((node.op.in_channels, node.op.history), dtype),)
                case RecurrentCell():
                    table = self.weights[node.name]
                    self.state[node.name] = tuple(table[key].copy() for key in node.op.state.values())
                case _:
                    pass

    def prewarm(self, samples: int, chunk: int = 8192) -> None:
        """The silence state: what ``samples`` zeros lead to, outputs discarded.

        Without a recurrent cell silence settles exactly once every history is full, so one step with
        constant histories gives the same bits at once (``samples`` is taken to be enough).
        """
        if samples <= 0:
            return
        self.reset()
        if is_recurrent(self.graph):
            self._prewarm_cells(samples, chunk)
            return
        self._settling = True
        self.run(self._zeros(1))
        self._settling = False

    def _prewarm_cells(self, samples: int, chunk: int) -> None:
        """With cells all samples are run, but what comes before the first one stays the same once every history is
        full, and of what comes after the last only as much of the end matters.
        """
        everything, feeding = {node.name for node in self.graph}, _feeding_cells(self.graph)
        settled = 1 + sum(history(node.op) for node in self.graph)
        if samples < 2 * settled:
            self._silence(samples, chunk, everything, {})
            return
        values = self._silence(settled, chunk, feeding, {})
        constant = {name: values[name][:, -1:] for name in feeding - after_cells(self.graph)}
        self._silence(samples - 2 * settled, chunk, feeding, constant)
        self._silence(settled, chunk, everything, {})

    def _silence(self, samples: int, chunk: int, wanted: Set[str], constant: Mapping[str, Array]) -> dict[str, Array]:
        """So many zeros further; returns the streams of the last of them."""
        values: dict[str, Array] = {}
        for done in range(0, samples, chunk):
            values = self._evaluate_all(self._zeros(min(chunk, samples - done)), wanted, constant)
        return values

    def _zeros(self, count: int) -> list[Array]:
        return [np.zeros((node.channels, count), self.arithmetic.dtype) for node in self.graph.inputs]

    def process(self, x: npt.ArrayLike) -> Array:
        """``x`` [in_channels, n] through a graph of one input; returns [out_channels, n]."""
        (y,) = self.run([np.asarray(x, self.arithmetic.dtype)])
        return y

    def run(self, inputs: list[Array]) -> list[Array]:
        """One array [channels, n] per input; returns one per output, in graph order."""
        values = self._evaluate_all(inputs, {node.name for node in self.graph}, {})
        return [values[node.operands[0]] for node in self.graph.outputs]

    def _evaluate_all(self, inputs: list[Array], wanted: Set[str], constant: Mapping[str, Array]) -> dict[str, Array]:
        """The ``wanted`` streams by name, those among them that are ``constant`` ([channels, 1]) taken as known."""
        entering = zip(self.graph.inputs, inputs, strict=True)
        values: dict[str, Array] = {node.name: self._entering(node, x) for node, x in entering}
        samples = inputs[0].shape[1]
        with np.errstate(all="ignore"):
            for node in self.graph:
                if node.name in constant:
                    column = constant[node.name]
                    values[node.name] = np.broadcast_to(column, (len(column), samples))
                elif node.name in wanted and not isinstance(node.op, Input | Output):
                    values[node.name] = self._evaluate(node, [values[name] for name in node.operands])
        return values

    def _entering(self, node: Node, x: Array) -> Array:
        """Samples from the caller; what an earlier stage hands over has come in there."""
        handed_over = isinstance(node.op, Input) and node.op.handoff
        return x if self.contract.nonfinite == "keep" or handed_over else np.where(np.isfinite(x), x, x.dtype.type(0))

    def _evaluate(self, node: Node, operands: list[Array]) -> Array:
        ops = self.arithmetic
        table = self.weights.get(node.name, {})
        match node.op:
            case Conv():
                return self._conv(node.name, node.op, operands)
            case Combine(kind=Elementwise.ADD):
                return ops.add(*operands)
            case Combine(kind=Elementwise.SUB):
                return ops.sub(*operands)
            case Combine(kind=Elementwise.MUL):
                return ops.mul(*operands)
            case Combine(kind=Elementwise.MUL_ADD):
                return ops.mac(*operands)
            case Activation(kind=kind):
                return ops.activation(kind, operands[0], _activation_parameters(table))
            case Slice(begin=begin, end=end):
                return operands[0][begin:end]
            case Scale():
                return ops.mul(operands[0], table["factor"])
            case BatchNorm():
                return self._batch_norm(node.name, operands[0])
            case RecurrentCell():
                return self.run_cell(node.name, node.op, operands[0])
            case _:
                raise InternalError(f"the interpreter has no meaning for {node}")

    def _conv(self, name: str, op: Conv, operands: list[Array]) -> Array:
        x = operands[0]
        n = x.shape[1]
        if op.history:
            past = np.repeat(x, op.history, axis=1) if self._settling else self.state[name][0]
            x = np.concatenate([past, x], axis=1)
            self.state[name] = (x[:, n:].copy(),)
        table = self.weights[name]
        rows = op.out_channels // op.groups
        # weight[group, row, column, tap]; x[group, column, time]
        weight = table["weight"].reshape(op.groups, rows, op.columns, op.kernel_size)
        grouped = x.reshape(op.groups, op.columns, -1)
        total: Array | None = None
        if op.start is Start.BIAS:
            total = table["bias"].reshape(op.groups, rows, 1)
        elif op.start is Start.STREAM:
            total = operands[1].reshape(op.groups, rows, n)
        for tap in range(op.kernel_size):
            window = grouped[:, :, tap * op.dilation : tap * op.dilation + n]
            for column in range(op.columns):
                w = weight[:, :, column, tap, None]
                v = window[:, None, column, :]
                total = self.arithmetic.mul(w, v) if total is None else self.arithmetic.mac(w, v, total)
        assert total is not None
        return total.reshape(op.out_channels, n)

    def _batch_norm(self, name: str, x: Array) -> Array:
        table = {key: array[:, None] for key, array in self.weights[name].items()}
        scale = table["gamma"] / np.sqrt(table["variance"] + table["epsilon"])
        return self.arithmetic.mac(scale, x, table["beta"] - scale * table["mean"])

    def run_cell(self, name: str, op: RecurrentCell, x: Array) -> Array:
        """A recurrent cell over ``x`` [inputs, n]; returns its output [hidden, n]."""
        table, state = self.weights[name], self.state[name]
        result = np.empty((op.hidden, x.shape[1]), self.arithmetic.dtype)
        # What the input adds to chain 0 does not depend on the recurrence: all samples at once.
        fed = np.broadcast_to(table["bias"][:, None], (op.gates * op.hidden, x.shape[1]))
        for column in range(op.in_channels):
            fed = self.arithmetic.mac(table["weight"][:, column, None], x[None, column, :], fed)
        step = partial(STEPS[type(op)], self.arithmetic, table["weight"][:, op.in_channels :])
        constant_from = constant_tail(fed)
        seen: dict[bytes, int] = {}
        for t in range(x.shape[1]):
            state = step(fed[:, t], state)
            result[:, t] = state[0]
            if t < constant_from:
                continue
            key = b"".join(row.tobytes() for row in state)
            if key in seen:  # constant input and a state seen before: from here on all repeats
                first, period = seen[key], t - seen[key]
                rest = np.arange(t + 1, x.shape[1])
                result[:, t + 1 :] = result[:, first + 1 + (rest - first - 1) % period]
                for _ in range(len(rest) % period):
                    state = step(fed[:, t], state)
                break
            seen[key] = t
        self.state[name] = state
        return result


def _feeding_cells(graph: Graph) -> set[str]:
    """The recurrent cells and all that they depend on."""
    feeding: set[str] = set()
    for node in reversed(list(graph)):
        if isinstance(node.op, RecurrentCell) or node.name in feeding:
            feeding |= {node.name, *node.operands}
    return feeding


def constant_tail(fed: Array) -> int:
    """The first sample from which on the input never changes."""
    changes = np.flatnonzero((fed[:, 1:] != fed[:, :-1]).any(axis=0))
    return int(changes[-1]) + 1 if changes.size else 0


def _activation_parameters(table: dict[str, Array]) -> list[Array]:
    """Per-channel parameters as columns, limits one by one."""
    if "slope" in table:
        return [table["slope"][:, None]]
    return list(table.get("limits", ()))
