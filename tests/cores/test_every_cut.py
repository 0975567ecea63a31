"""Every place a capture can be cut gives the bits of one core: by stage functions and on real threads.

The float32 interpreter is the measure.  SCHEDC_LONG=1 cuts A2-Lite everywhere, also on the emulated Cortex-M33, and
A2-Full and A1-standard everywhere on threads; else at both ends, beside them, in the middle and here and there between.
"""

from __future__ import annotations

import functools
import json

import pytest
from helpers.captures import EXAMPLES, capture_of, interpret_core, packed, random_weights
from helpers.effort import LONG, examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import LoadedStages, assert_same_bits, cut_blocks
from helpers.threads import load_threads, process_in_calls
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.compiler import Compilation, compile_graph
from schedc.frontend.build_graph import build_graph
from schedc.frontend.capture import Capture, Reading, read_capture
from schedc.frontend.model import WaveNetModel
from schedc.frontend.nam_file import read_nam_document
from schedc.host.job_table import FloatArray
from schedc.ir.contract import Contract
from schedc.options import make_options
from schedc.passes.core import core_graph, core_weights
from schedc.passes.fuse_layers import fuse_layers
from schedc.passes.partition_cores import cut_stages
from schedc.planning import plan_graph

BLOCK, SAMPLES = 48, 700
CAPTURES = {path.stem: path for path in EXAMPLES}


def a1_standard() -> Capture:
    """The shape most captures in the field have, with random weights."""
    dilations = [2**k for k in range(10)]
    common = {"input_size": 1, "condition_size": 1, "kernel_size": 3, "dilations": dilations, "activation": "Tanh"}
    arrays = [
        {**common, "channels": 16, "head_size": 8, "gated": False, "head_bias": False},
        {**common, "input_size": 16, "channels": 8, "head_size": 1, "gated": False, "head_bias": True},
    ]
    config = {"layers": arrays, "head": None, "head_scale": 0.02}
    document = {"version": "0.5.4", "architecture": "WaveNet", "config": config, "weights": [0.0] * 13802}
    model = read_nam_document(json.dumps(document), "a1_standard.nam").document.model
    assert isinstance(model, WaveNetModel)
    graph, _ = build_graph(model)
    return capture_of(graph, random_weights(graph, scale=0.7))


@functools.cache
def capture_named(name: str) -> Capture:
    if name == "a1_standard":
        return a1_standard()
    return read_capture(CAPTURES["a2"], Reading(1.0)) if name == "a2_full" else read_capture(CAPTURES[name])


@functools.cache
def signal_and_answer(name: str) -> tuple[FloatArray, FloatArray]:
    x = signal(1, SAMPLES, seed=5)
    return x, interpret_core(capture_named(name), x, Contract())


def compiled(name: str, target: str, split: tuple[int, ...], block: int = BLOCK) -> tuple[Compilation, bytes]:
    capture = capture_named(name)
    compilation = compile_graph(capture.graph, make_options(target, len(split) + 1, block, split=split))
    return compilation, packed(compilation, capture)


def kernel_count(name: str) -> int:
    return len(fuse_layers(core_graph(capture_named(name).graph)))


CUTS = range(1, 24) if LONG else (1, 5, 11, 12, 22, 23)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", ["a2_lite", "a2_full"])
def test_a2_cut_anywhere_on_threads(name: str, cut: int) -> None:
    assert kernel_count(name) == 24
    check_on_threads(name, (cut,))


# Compiling this one takes a while.  Its first array ends at 10.
@pytest.mark.parametrize("cut", range(1, 20) if LONG else (1, 10, 19))
def test_a1_standard_cut_anywhere_on_threads(cut: int) -> None:
    assert kernel_count("a1_standard") == 20
    check_on_threads("a1_standard", (cut,))


@pytest.mark.parametrize("split", [(1, 2), (8, 16), (1, 12, 23), (3, 6, 9, 12, 15, 18, 21), (1, 2, 3, 4, 5, 6, 23)])
def test_many_stages_on_threads(split: tuple[int, ...]) -> None:
    check_on_threads("a2_lite", split)


def check_on_threads(name: str, split: tuple[int, ...]) -> None:
    x, wanted = signal_and_answer(name)
    staged = load_threads(*compiled(name, "host", split))
    try:
        assert staged.latency_samples == len(split) * BLOCK
        found = process_in_calls(staged, x, cut_blocks(SAMPLES, 3 * BLOCK, seed=split[0]))
    finally:
        staged.close()
    assert_same_bits(found, wanted, f"{name} {split}")


@pytest.mark.parametrize("cut", CUTS)
def test_a2_lite_cut_anywhere_on_the_emulated_m33(cut: int) -> None:
    check_by_stages("a2_lite", "m33", (cut,), 240)


@pytest.mark.parametrize("name", ["a2_full", "a1_standard"])
@pytest.mark.parametrize("cut", [1, 9, 10, 11, 19] if LONG else [1, 10])
def test_larger_captures_on_the_emulated_m33(name: str, cut: int) -> None:
    check_by_stages(name, "m33", (cut,), 100)


def check_by_stages(name: str, target: str, split: tuple[int, ...], samples: int) -> None:
    x, wanted = signal_and_answer(name)
    stages = LoadedStages(*compiled(name, target, split))
    found = stages.process(x[:, :samples], cut_blocks(samples, BLOCK, seed=split[0]))
    assert_same_bits(found, wanted[:, :samples], f"{name} on {target}, {split}")


@st.composite
def cut_examples(draw: st.DrawFn) -> tuple[Example, tuple[int, ...]]:
    example = draw(examples(recurrent=True))
    kernels = len(fuse_layers(core_graph(example.graph)))
    cuts = draw(st.sets(st.integers(1, max(1, kernels - 1)), max_size=7)) if kernels > 1 else set()
    return example, tuple(sorted(cuts))


@given(cut_examples(), st.sampled_from([1, 5, 16, 33, 64]))
@examples_per_test(24)
def test_random_models_and_cuts(drawn: tuple[Example, tuple[int, ...]], block: int) -> None:
    example, cuts = drawn
    if not cuts:
        return
    capture = capture_of(example.graph, example.weights)
    x = signal(example.graph.in_channels, 300, example.seed)
    wanted = interpret_core(capture, x, Contract())
    for target in ("host", "m33"):
        compilation = compile_graph(example.graph, make_options(target, len(cuts) + 1, block, split=cuts))
        blob = packed(compilation, capture)
        stages = LoadedStages(compilation, blob)
        assert_same_bits(stages.process(x, cut_blocks(300, block, example.seed)), wanted, f"stages on {target}")
        if target == "host":
            staged = load_threads(compilation, blob)
            found = process_in_calls(staged, x, cut_blocks(300, 4 * block, example.seed))
            staged.close()
            assert_same_bits(found, wanted, "threads")


@pytest.mark.parametrize("name", ["a2_lite", "a2_full", "a1_standard"])
def test_the_interpreter_gives_the_same_bits_stage_by_stage(name: str) -> None:
    """The stages' graphs, interpreted one after the other: the cut itself changes nothing."""
    x, wanted = signal_and_answer(name)
    capture = capture_named(name)
    graph = core_graph(capture.graph)
    weights = core_weights(graph, capture.weights)
    whole = Interpreter(graph, weights, "float32", Contract())
    whole.prewarm(capture.prewarm_samples)
    program = plan_graph(capture.graph, make_options("m33", 1, BLOCK)).program
    for cut in range(1, len(program.kernels)):
        streams = [x]
        for stage in cut_stages(program.graph, program.kernels, (cut,)):
            own = {node.name: dict.fromkeys(node.op.parameters()) for node in stage.graph}
            table = {node: {key: weights[node][key] for key in keys} for node, keys in own.items() if keys}
            interpreter = Interpreter(stage.graph, table, "float32", Contract())
            interpreter.state = {name: whole.state[name] for name in interpreter.state}
            streams = interpreter.run(streams)
        assert_same_bits(streams[0], wanted, f"cut {cut}")
