"""A compilation's stages on real threads, for any cut; stages can be replaced, to stall or fail them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from schedc.backends.llvm.module import stage_symbol, state_layout
from schedc.backends.llvm.stage_runner import RUN_SYMBOL, WAIT_SYMBOL, pipeline_object
from schedc.backends.llvm.target_machine import execution_engine
from schedc.compiler import Compilation
from schedc.host.job_table import RUN_TYPE, WAIT_TYPE, FloatArray, aligned_bytes
from schedc.host.stage_threads import HostPipeline, PipelineCode, StageCode

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
STAGE_TYPE = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER, _POINTER, _INT)
INIT_TYPE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)
# Given the number of a stage; called before it works on a block.
Before = Callable[[int], None]


def load_threads(compilation: Compilation, blob: bytes, before: Before | None = None) -> HostPipeline:
    """The pipeline with the stages' states initialised; to be closed."""
    target = compilation.options.target
    engine = execution_engine(target, objects=(compilation.code.elf, pipeline_object(target)))
    layout = state_layout(compilation.program)
    state, weights = aligned_bytes(compilation.state_bytes), aligned_bytes(len(blob))
    weights[:] = np.frombuffer(blob, np.uint8)
    init = INIT_TYPE(engine.get_function_address(f"{compilation.name}_init"))
    assert init(state.ctypes.data, weights.ctypes.data) == 0
    arenas = [stage.arena for stage in compilation.program.stages if stage.arena]
    addresses = [
        engine.get_function_address(stage_symbol(compilation.name, k, len(arenas))) for k in range(len(arenas))
    ]
    replaced = [_preceded(address, k, before) for k, address in enumerate(addresses)] if before else []
    if replaced:
        addresses = [int(ctypes.cast(cast(int, stage), _POINTER).value or 0) for stage in replaced]
    stages = [
        StageCode(address, int(state.ctypes.data) + offset, arena.handoff_bytes)
        for address, offset, arena in zip(addresses, layout.stages, arenas, strict=True)
    ]
    run, wait = RUN_TYPE(engine.get_function_address(RUN_SYMBOL)), WAIT_TYPE(engine.get_function_address(WAIT_SYMBOL))
    code_and_memory = PipelineCode(stages, int(weights.ctypes.data), run, wait, (engine, state, weights, replaced))
    graph = compilation.program.graph
    outputs = sum(node.op.operand_channels[0] for node in graph.outputs)
    inputs = sum(node.channels for node in graph.inputs)
    return HostPipeline(code_and_memory, compilation.options.frames, inputs, outputs)


def _preceded(address: int, stage: int, before: Before) -> Callable[..., None]:
    """The stage function with ``before(stage)`` in front of it, as a C function."""
    function = STAGE_TYPE(address)

    def call(state: int, weights: int, source: int, target: int, n: int) -> None:
        before(stage)
        function(state, weights, source, target, n)

    return STAGE_TYPE(call)


def process_in_calls(pipeline: HostPipeline, x: FloatArray, calls: Sequence[int]) -> FloatArray:
    """``x`` [channels, n] in calls of ``calls`` samples, the lag taken off and made up for at the end."""
    assert sum(calls) == x.shape[1]
    padded = np.concatenate([x, np.zeros((len(x), pipeline.latency_samples), np.float32)], axis=1)
    parts, begin = [], 0
    for n in [*calls, pipeline.latency_samples]:
        parts.append(pipeline.process(np.ascontiguousarray(padded[:, begin : begin + n])))
        assert parts[-1].shape[1] == n
        begin += n
    y = np.concatenate(parts, axis=1)
    assert not y[:, : pipeline.latency_samples].any()
    return y[:, pipeline.latency_samples :]
