"""A recurrent cell that schedc does not have: what it states of itself, a meaning and a lowering are all that it takes.

An Elman cell, h = tanh(W x + b + U h), is added for this test alone; everything between graph and machine code
(kernels, memory, start states, packing, predictions, reports, texts) runs as for the cells that there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed
from helpers.machines import Loaded, assert_same_bits, cut_blocks, native_targets
from llvmlite import ir

from schedc.api import make_artifact
from schedc.backends import cell_meaning
from schedc.backends.arithmetic import Arithmetic, Array
from schedc.backends.cell_meaning import State, gate_sums
from schedc.backends.llvm import module
from schedc.backends.llvm.builder import Builder, Number, Value
from schedc.backends.llvm.recurrent_cell import CellFrame
from schedc.backends.llvm.vector_math import InterleavedMath
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.backends.weights.packing import held_by
from schedc.host.start_state import CHECKED_SILENCE, is_left_to_machine_code, silent_interpreter, silent_rows
from schedc.ir.contract import Contract
from schedc.ir.functions import tanh
from schedc.ir.graph import Graph
from schedc.ir.ops import ActivationKind, Conv, Op, RecurrentCell
from schedc.ir.printer import print_program


@dataclass(frozen=True)
class ElmanCell(RecurrentCell):
    """One gate, whose function is the new state."""

    word = "elman"
    title = "an Elman cell"
    state: ClassVar[Mapping[str, str]] = {"h": "hidden"}
    gates = 1
    functions: ClassVar[Mapping[ActivationKind, int]] = {ActivationKind.TANH: 1}


def step(ops: Arithmetic, recurrent: Array, fed: Array, state: State) -> State:
    return (ops.activation(ActivationKind.TANH, gate_sums(ops, recurrent, fed, state[0]), ()),)


class ElmanFrame(CellFrame):
    def new_hidden(self, first: Number, count: int, frame: Number) -> tuple[Value, ...]:
        return tanh(InterleavedMath(self.math, count), self.gates(first, count, frame)(0))


def emit(function: ir.Function, shape: KernelShape, pointer_bits: int) -> None:
    b = Builder(function, pointer_bits, shape.schedule.lanes)
    cell = ElmanFrame(b, function.args, shape)

    def frame(index: Value, _: list[Value]) -> list[Value]:
        cell.frame_in_blocks(index)
        return []

    b.loop(cell.frames, [], frame)
    b.ir.ret_void()


@pytest.fixture
def elman(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(cast(dict[Any, Any], cell_meaning.STEPS), ElmanCell, step)
    monkeypatch.setitem(cast(dict[Any, Any], module._CELLS), ElmanCell, emit)
    yield


def graph(hidden: int) -> Graph:
    """A convolution with a past before two cells, one with a past of its own after them."""
    first, second = ElmanCell(2, hidden), ElmanCell(hidden, hidden)
    return graph_of(
        ("before", Conv(1, 2, 3), "x"),
        ("one", cast(Op, first), "before"),
        ("two", cast(Op, second), "one"),
        ("after", Conv(hidden, 1, 2), "two"),
    )


@pytest.mark.parametrize("target", [*native_targets()[-1:], "m33", "a8"])
@pytest.mark.parametrize(("hidden", "cores"), [(3, 2), (19, 1)])
def test_a_cell_of_somebody_elses(elman: None, target: str, hidden: int, cores: int) -> None:
    capture = capture_of(graph(hidden), prewarm=200)
    compilation = compile_for(graph(hidden), target, cores=cores, block=24)
    x = np.random.default_rng(3).normal(0.0, 0.5, (1, 90)).astype(np.float32)
    wanted = interpret_core(capture, x, compilation.options.contract)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(90, 24))
    assert_same_bits(found, wanted, f"{target}, {hidden} units")
    text = print_program(compilation.program)
    assert "h of %one" in text and "elman(%before)" in text
    artifact = make_artifact(compilation, capture)
    assert "an Elman cell keeps it until" in artifact.header.replace("\n * ", " ")
    kernels = artifact.report["kernels"]
    assert [kernel["axis"] for kernel in kernels if kernel["name"] in ("one", "two")] == ["units", "units"]


def test_silence_that_no_machine_code_runs_is_left_to_the_interpreter(elman: None) -> None:
    capture = capture_of(graph(3), prewarm=2 * CHECKED_SILENCE + 100)
    contract = Contract()
    rows = held_by(silent_interpreter(capture, contract))
    samples = silent_rows(capture.graph, capture.weights, contract, capture.prewarm_samples)
    assert not is_left_to_machine_code(capture, contract)
    assert rows.keys() == samples.keys() and all(np.array_equal(rows[name], samples[name]) for name in rows)
