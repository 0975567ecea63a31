"""Recordings of the C++ engine (``../shared``, where present) and the project's own captures.

Criterion (docs/nam_format.md#tolerance): max|y - wanted| <= 1e-5 max(1, max|wanted|), from the silence state and from
zero, in blocks of any size; and the same bits on every machine, on one core or several.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES, SHARED, compile_for, interpret_core, packed
from helpers.effort import LONG
from helpers.graph_strategy import signal
from helpers.machines import FOREIGN, Loaded, LoadedStages, assert_same_bits, cut_blocks, native_targets

from schedc.backends.interpreter import Interpreter
from schedc.compiler import Compilation
from schedc.frontend.capture import Capture, Reading, read_capture
from schedc.ir.graph import is_recurrent
from schedc.ir.weights import FloatArray
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers

Case = tuple[Path, float | None]
SAMPLES_EMULATED = 160
BLOCK = 64


def _cases() -> dict[str, tuple[Case, list[Path]]]:
    """Name -> (model and size, its recordings)."""
    found: dict[str, tuple[Case, list[Path]]] = {}
    for recording in sorted([*(SHARED / "golden").glob("*.npz"), *(SHARED / "models").glob("*.npz")]):
        model = recording.parent / f"{recording.stem.split('__')[0]}.nam"
        with np.load(recording) as data:
            slim = float(data["slim"]) if "slim" in data else None
        name = f"{recording.parent.name}/{model.stem}" + ("" if slim is None else f"@{slim:g}")
        found.setdefault(name, ((model, slim), []))[1].append(recording)
    for model in EXAMPLES:
        found[f"examples/{model.stem}"] = ((model, None), [])
    return found


CASES = _cases()


@cache
def capture_for(case: Case) -> Capture:
    path, slim = case
    return read_capture(path, Reading(slim))


def _distinct() -> list[str]:
    """The cases without those whose graph an earlier size of the same model has."""
    seen: set[tuple[Path, str]] = set()
    names = []
    for name, (case, _) in CASES.items():
        key = (case[0], "" if case[1] is None else capture_for(case).graph.digest())
        if key not in seen:
            seen.add(key)
            names.append(name)
    return names


DISTINCT = _distinct()


def engines_own(x: FloatArray, wanted: FloatArray, what: str) -> None:
    error = float(np.abs(x - wanted).max())
    allowed = 1e-5 * max(1.0, float(np.abs(wanted).max()))
    assert error <= allowed, f"{what}: off by {error:.2e}, allowed {allowed:.2e}"


@pytest.mark.parametrize("name", [name for name, (_, recordings) in CASES.items() if recordings])
def test_recording(name: str) -> None:
    case, recordings = CASES[name]
    capture = capture_for(case)
    compilation = compile_for(capture.graph, native_targets()[-1], block=BLOCK)
    # The interpreter walks an LSTM sample by sample.
    length = (700 if LONG else 250) if is_recurrent(capture.graph) else None
    for recording in recordings:
        with np.load(recording) as data:
            x, wanted, prewarm = data["x"][:, :length], data["y"][:, :length], bool(data["prewarmed"])
        bits = interpret_core(capture, x, compilation.options.contract, prewarm)
        engines_own(bits, wanted, f"{recording.stem} float32")
        oracle = Interpreter(capture.graph, capture.weights, "float64")
        if prewarm:
            oracle.prewarm(capture.prewarm_samples)
        engines_own(oracle.process(x), wanted, f"{recording.stem} float64")
        n = x.shape[1]
        loaded = Loaded(compilation, packed(compilation, capture, prewarm))
        alone = n if LONG else min(n, 150)
        for blocks in ([1] * alone, [16] * (n // 16), [BLOCK] * (n // BLOCK), cut_blocks(n, BLOCK)):
            loaded.reset()
            m = sum(blocks)
            assert_same_bits(loaded.process(x[:, :m], blocks), bits[:, :m], f"{recording.stem} machine code")


def emulated(compilation: Compilation, capture: Capture, x: FloatArray) -> FloatArray:
    """The machine code's output, in changing blocks; with several cores stage by stage as well."""
    blob = packed(compilation, capture)
    blocks = cut_blocks(x.shape[1], compilation.options.frames)
    y = Loaded(compilation, blob).process(x, blocks)
    if compilation.options.cores > 1:
        assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), y, "stage by stage")
    return y


def _on_foreign_machines() -> list[tuple[str, str]]:
    """The project's own captures on each machine, every second of the others on one of them in turn; SCHEDC_LONG: all
    on all.
    """
    return [
        (name, target)
        for number, name in enumerate(DISTINCT)
        for place, target in enumerate(FOREIGN)
        if LONG or name.startswith("examples/") or (number + place) % (2 * len(FOREIGN)) == 0
    ]


@pytest.mark.parametrize(("name", "target"), _on_foreign_machines())
def test_same_bits_on_foreign_machines(name: str, target: str) -> None:
    """One, two or three cores in turn; SCHEDC_LONG tries all three."""
    capture = capture_for(CASES[name][0])
    if is_recurrent(capture.graph):  # whose silence is run, sample by sample; test_recording runs all of it
        capture = replace(capture, prewarm_samples=min(capture.prewarm_samples, 500))
    x = signal(capture.graph.in_channels, SAMPLES_EMULATED, 5)
    turn = (DISTINCT.index(name) + FOREIGN.index(target)) % 3 + 1
    kernels = len(fuse_layers(core_graph(capture.graph)))
    wanted: FloatArray | None = None
    for cores in (1, 2, 3) if LONG else (turn,):
        compilation = compile_for(capture.graph, target, cores=min(cores, kernels))
        if wanted is None:
            wanted = interpret_core(capture, x, compilation.options.contract)
        assert_same_bits(emulated(compilation, capture, x), wanted, f"{name} on {cores} cores of {target}")
