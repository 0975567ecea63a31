"""Captures without files: a graph and its weights as the compiler sees them after reading."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from schedc.compiler import Compilation, compile_graph
from schedc.frontend.capture import Capture
from schedc.host.start_state import pack_from_silence
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import Conv, Input, Op, Output, history
from schedc.ir.weights import FloatArray, WeightTable
from schedc.options import make_options
from schedc.reference import reference_interpreter
from schedc.schedule import ScheduleOverrides

T = TypeVar("T")
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "captures").glob("*.nam"))
SHARED = Path(__file__).parents[3] / "shared"


class _Memory(Generic[T]):
    """What was made of equal keys, the newest ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[object, T] = {}

    def of(self, key: object, make: Callable[[], T]) -> T:
        if key not in self._made:
            if len(self._made) >= self._most:
                self._made.pop(next(iter(self._made)))
            self._made[key] = make()
        return self._made[key]


_compiled: _Memory[Compilation] = _Memory(24)
_interpreted: _Memory[FloatArray] = _Memory(200)


def graph_of(*steps: tuple[str, Op, str], out: str = "") -> Graph:
    """Nodes after ``x`` (one channel), each as (name, op, operands separated by blanks).

    An output of the last node, or of ``out``, is added.  Where the first step is an Input, none is.
    """
    builder = GraphBuilder()
    if not isinstance(steps[0][1], Input):
        builder.add("x", Input(1))
    for name, op, operands in steps:
        builder.add(name, op, *operands.split())
    last = out or steps[-1][0]
    builder.add("out", Output(builder.nodes[last].channels), last)
    return builder.build()


def random_weights(graph: Graph, seed: int = 0, scale: float = 1.0) -> dict[str, dict[str, FloatArray]]:
    """Normal weights scaled by fan-in, so that signals stay near 1."""
    rng = np.random.default_rng(seed)
    table: dict[str, dict[str, FloatArray]] = {}
    for node in graph:
        for key, shape in node.op.parameters().items():
            fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
            values = rng.normal(0.0, scale * fan_in**-0.5, shape).astype(np.float32)
            if key in ("variance", "epsilon"):
                values = np.abs(values) + np.float32(0.1)
            if key == "limits":
                values = np.array([-0.7, 0.9, 0.02, -0.03], np.float32)
            table.setdefault(node.name, {})[key] = values
    return table


def lookback(graph: Graph) -> int:
    """Samples of silence after which every history without an LSTM before it is constant."""
    return 1 + sum(history(node.op) for node in graph if isinstance(node.op, Conv))


def capture_of(graph: Graph, weights: WeightTable | None = None, prewarm: int | None = None) -> Capture:
    return Capture(
        path=Path("made.nam"),
        graph=graph,
        weights=random_weights(graph) if weights is None else weights,
        prewarm_samples=lookback(graph) if prewarm is None else prewarm,
        sample_rate=48000.0,
        architecture="Made",
        file_warnings=(),
    )


def compile_for(
    graph: Graph,
    target: str,
    *,
    cores: int = 1,
    block: int | None = None,
    mac: str | None = None,
    split: Sequence[int] = (),
    math: str = "exact",
    nonfinite: str = "keep",
    schedule: ScheduleOverrides | None = None,
    fp_mode: str = "own",
) -> Compilation:
    """``compile_graph``, once a process for equal graphs and options: not for tests that compare two compilations."""
    options = make_options(target, cores, block, mac=mac, split=split, math=math, nonfinite=nonfinite, fp_mode=fp_mode)
    options = replace(options, schedule=schedule or ScheduleOverrides())
    return _compiled.of((graph, repr(options)), lambda: compile_graph(graph, options))


def packed(compilation: Compilation, capture: Capture, prewarm: bool = True) -> bytes:
    """The blob of a capture for its compilation; ``prewarm`` False: it starts from zero."""
    capture = capture if prewarm else replace(capture, prewarm_samples=0)
    return pack_from_silence(compilation.packing, compilation.program.graph, capture)


def interpret_core(capture: Capture, x: FloatArray, contract: Contract, prewarm: bool = True) -> FloatArray:
    """The definition: the float32 interpreter on the core graph; ``x`` is [channels, n].

    Once a process for what is equal: code for many targets is compared with the same bits.
    """

    def interpreted() -> FloatArray:
        interpreter = reference_interpreter(capture, "float32", contract)
        if prewarm:
            interpreter.prewarm(capture.prewarm_samples)
        return interpreter.process(x)

    silence = capture.prewarm_samples if prewarm else None
    key = capture.graph, _digest(capture.weights), x.shape, x.tobytes(), contract, silence
    return _interpreted.of(key, interpreted).copy()


def _digest(weights: WeightTable) -> bytes:
    named = sorted(
        ((node, key, table[key]) for node, table in weights.items() for key in table), key=lambda row: row[:2]
    )
    digest = hashlib.sha256()
    for node, key, values in named:
        digest.update(f"{node}.{key} {values.dtype} {values.shape}".encode() + values.tobytes())
    return digest.digest()
