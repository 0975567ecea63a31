"""Processors of captures that no file holds: any number of channels, quickly compiled."""

from __future__ import annotations

from pathlib import Path

from helpers.captures import capture_of, graph_of
from schedc.host.code import host_program
from schedc.host.load import load
from schedc.host.processor import Processor
from schedc.host.weights import Weights
from schedc.ir.ops import Activation, ActivationKind, Conv, Input
from schedc.ir.weights import FloatArray
from schedc.options import make_options


def small_processor(inputs: int = 1, outputs: int = 1, block: int = 16, cores: int = 1) -> Processor:
    """Two kernels in a row, so that two cores can share the work."""
    layer = (("a", Conv(inputs, 3, 3), "x"), ("t", Activation(ActivationKind.TANH, 3), "a"))
    graph = graph_of(("x", Input(inputs), ""), *layer, ("b", Conv(3, outputs, 2), "t"))
    program = host_program(graph, make_options("host", cores, block, split=[1] if cores == 2 else []))
    return Processor(program, program.pack(capture_of(graph)))


def play_here(path: Path, weights: Weights, x: FloatArray) -> bytes:
    """What a capture's code makes of ``x`` with these weights; for a process that shares no memory with the test's."""
    processor = load(path)
    processor.set_weights(weights)
    return processor.process(x).tobytes()
