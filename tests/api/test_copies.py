"""Public objects shown, copied, pickled and sent to another process."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.processors import play_here

import schedc
from schedc.errors import SchedcError, UserError
from schedc.host.stage_threads import StageWaits

LITE = next(path for path in EXAMPLES if path.stem == "a2_lite")
X = np.random.default_rng(7).normal(0.0, 0.3, 300).astype(np.float32)
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "old pickle": lambda value: pickle.loads(pickle.dumps(value, 2)),
}


@cache
def processor() -> schedc.Processor:
    return schedc.load(LITE)


@cache
def artifact() -> schedc.Artifact:
    return schedc.compile(LITE, target="m33", cores=2)


ERRORS = [
    kind("where", "what", "remedy")
    for kind in (getattr(schedc, name) for name in schedc.__all__)
    if inspect.isclass(kind) and issubclass(kind, UserError)
]
VALUES: dict[str, Callable[[], object]] = {
    "Artifact": artifact,
    "Contract": lambda: schedc.Contract("unfused", nonfinite="zero"),
    "MemoryUse": lambda: processor().memory_bytes,
    "StageWaits": lambda: StageWaits(1, 2),
}


def test_every_public_class_is_tried_here() -> None:
    tried = {*VALUES, "Processor", "Weights", "Report"}
    kinds = {name for name in schedc.__all__ if inspect.isclass(getattr(schedc, name))}
    assert {name for name in kinds if not issubclass(getattr(schedc, name), Exception)} <= tried
    assert {type(error).__name__ for error in ERRORS} >= {"UserError", "OptionError", "ProcessorInUse"}


@pytest.mark.parametrize("way", COPIES)
def test_values_are_copied(way: str) -> None:
    for name, make in VALUES.items():
        value = make()
        assert COPIES[way](value) == value, name


@pytest.mark.parametrize("way", COPIES)
def test_errors_travel(way: str) -> None:
    for error in (*ERRORS, schedc.UserError("where", "what"), schedc.InternalError("message")):
        found = COPIES[way](error)
        assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("way", COPIES)
def test_copied_weights_have_memory_of_their_own(way: str) -> None:
    found = COPIES[way](processor().weights)
    assert found.address != processor().weights.address and found.address % 64 == 0
    assert found.address == found.data.ctypes.data and not found.data.flags.writeable
    assert found.data.tobytes() == processor().weights.data.tobytes()
    assert (found.digest, found.sample_rate, len(found)) == (
        processor().weights.digest,
        processor().weights.sample_rate,
        len(processor().weights),
    )
    player = processor().clone()
    player.set_weights(found)
    del found
    assert player.process(X).tobytes() == processor().clone().process(X).tobytes()


def test_weights_play_in_another_process() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as others:
        found = others.submit(play_here, LITE, processor().weights, X).result()
    assert found == processor().clone().process(X).tobytes()


@pytest.mark.parametrize("way", COPIES)
def test_a_processor_is_not_copied(way: str) -> None:
    with pytest.raises(SchedcError) as refusal:
        COPIES[way]([processor()] if way != "copy" else processor())
    remedy = "clone() makes another instance; in another process, load the capture"
    assert str(refusal.value) == f"Processor: cannot be copied or pickled; {remedy}"


def test_public_objects_are_shown_in_a_line() -> None:
    made = artifact()
    sizes = f"object of {len(made.code):,} bytes (elf), weights of {len(made.weights):,} bytes"
    assert repr(made) == f"<Artifact a2_lite: {sizes}, for m33>"
    player = processor().clone()
    assert repr(player) == "<Processor: 1 to 1 channels, blocks of up to 64, 48000 Hz>"
    player.close()
    assert repr(player) == "<Processor: 1 to 1 channels, blocks of up to 64, 48000 Hz, closed>"
    with schedc.load(LITE, cores=2) as two:
        assert repr(two) == "<Processor: 1 to 1 channels, blocks of up to 64, 2 cores, 48000 Hz>"
        lines = [repr(two.pipeline_waits[0])]
    weights = processor().weights
    assert repr(weights) == f"<Weights: {len(weights):,} bytes for code {weights.digest.hex()[:8]}, 48000 Hz>"
    lines += [repr(make()) for make in VALUES.values()] + [repr(error) for error in ERRORS]
    assert all("\n" not in line and len(line) < 160 for line in lines)
