"""Random ``.nam`` documents through read, build, passes and code."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.captures import compile_for, interpret_core, packed
from helpers.documents import capture_from_text, documents
from helpers.effort import examples_per_test
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits, cut_blocks
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.interpreter import Interpreter
from schedc.ir.contract import Contract
from schedc.ir.verify import verify_graph
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers

CASES = (documents(), st.sampled_from([1, 16, 17, 48, 64]), st.integers(1, 3), st.booleans(), st.integers(0, 99))


@pytest.mark.parametrize("target", TARGETS)
def test_machine_code_has_the_interpreters_bits(target: str) -> None:
    @examples_per_test(10)
    @given(*CASES)
    def run(text: str, block: int, cores: int, prewarm: bool, seed: int) -> None:
        capture = capture_from_text(text)
        cores = min(cores, len(fuse_layers(core_graph(capture.graph))))
        compilation = compile_for(capture.graph, target, cores=cores, block=block)
        blob = packed(compilation, capture, prewarm)
        blocks = cut_blocks(240, block, seed)
        x = signal(capture.graph.in_channels, 240, seed, special=seed % 4 == 0)
        wanted = interpret_core(capture, x, compilation.options.contract, prewarm)
        assert_same_bits(Loaded(compilation, blob).process(x, blocks), wanted, target)
        if cores > 1:
            assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), wanted, f"{target} stages")

    run()


@examples_per_test(120)
@given(documents(), st.booleans(), st.integers(0, 99))
def test_the_core_graph_means_what_the_built_graph_means(text: str, prewarm: bool, seed: int) -> None:
    """float64 on the graph as built against float32 on the core graph: passes change no meaning."""
    capture = capture_from_text(text)
    verify_graph(capture.graph)
    x = signal(capture.graph.in_channels, 200, seed)
    oracle = Interpreter(capture.graph, capture.weights, "float64")
    if prewarm:
        oracle.prewarm(capture.prewarm_samples)
    wanted = oracle.process(x)
    found = interpret_core(capture, x, Contract(), prewarm)
    assert np.abs(found - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())
