"""Swapping captures while playing: each block is one capture's work, nothing is locked, allocated or leaked."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers.captures import EXAMPLES
from helpers.counting import peak_bytes
from helpers.siblings import write_sibling

import schedc
from schedc.errors import ArchitectureMismatch, UserError
from schedc.host.cue import fade_gains
from schedc.host.processor import Processor

BY_NAME = {path.stem: path for path in EXAMPLES}
FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two captures of one architecture."""
    other = tmp_path_factory.mktemp("sibling") / "other.nam"
    return BY_NAME["a2_lite"], write_sibling(BY_NAME["a2_lite"], other, seed=1)


def signal(samples: int) -> FloatArray:
    return np.random.default_rng(3).normal(0, 0.2, samples).astype(np.float32)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_swap_starts_the_new_capture_from_silence(pair: tuple[Path, Path], cores: int) -> None:
    """Before the swap the old capture, after it the new one, as if it had been loaded there."""
    x = signal(3000)
    with schedc.load(pair[0], cores=cores) as p:
        lag = p.latency_samples
        y = [p.process(x[:1000])]
        p.set_weights(pair[1])
        y.append(p.process(np.concatenate([x[1000:], np.zeros(lag, np.float32)])))
    old, new = (schedc.interpret(path, part, "float32") for path, part in zip(pair, (x[:1000], x[1000:]), strict=True))
    np.testing.assert_array_equal(np.concatenate(y)[lag:], np.concatenate([old, new]))


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("fade", [1, 100, 500])
def test_a_crossfade_is_the_two_captures_mixed(pair: tuple[Path, Path], cores: int, fade: int) -> None:
    x = signal(2000)
    with schedc.load(pair[0], cores=cores) as p:
        lag = p.latency_samples
        parts = [p.process(x[:700])]
        p.set_weights(p.pack(pair[1]), crossfade=fade)
        parts += [p.process(x[a:b]) for a, b in pairwise(range(700, 2001, 130))]
        parts.append(p.process(np.zeros(lag, np.float32)))
    y = np.concatenate(parts)[lag:]
    end = min(len(y), 2000)
    old = schedc.interpret(pair[0], x[:end], "float32")
    new = schedc.interpret(pair[1], x[700:end], "float32")
    gains = fade_gains(fade)
    wanted = np.concatenate([old[:700], new])[: len(y)]
    wanted[700 : 700 + fade] = old[700 : 700 + fade] * gains[0] + new[:fade] * gains[1]
    np.testing.assert_array_equal(y, wanted)


def test_equal_power() -> None:
    gains = fade_gains(480).astype(np.float64)
    np.testing.assert_allclose((gains**2).sum(axis=0), 1, atol=1e-6)
    assert gains[0, 0] > 0.99 and gains[1, -1] > 0.99


def explained(y: FloatArray, x: FloatArray, pair: tuple[Path, Path], block: int) -> list[int]:
    """Replay: every block must be one of the captures going on, or one of them from silence.

    Returns the samples at which there was a swap.
    """
    players = [schedc.load(path, block=block) for path in pair]
    playing, swaps = 0, []
    fresh = schedc.load(pair[0], block=block)
    for begin in range(0, len(y), block):
        part, wanted = x[begin : begin + block], y[begin : begin + block]
        if np.array_equal(players[playing].process(part), wanted):
            continue
        for other in (1 - playing, playing):
            fresh.set_weights(players[other].weights)
            if np.array_equal(fresh.process(part), wanted):
                break
        else:
            raise AssertionError(f"the block at sample {begin} is neither capture's")
        playing = other
        swaps.append(begin)
        players[playing].reset()
        players[playing].process(part)
    return swaps


@pytest.mark.parametrize("per_call", [64, 1 << 18])
def test_every_block_is_one_captures_while_another_thread_swaps(pair: tuple[Path, Path], per_call: int) -> None:
    """Also inside one long call: a swap is heard at the next block, not at the end of the call.

    All of it takes 10 ms, which the other thread of a busy machine may sleep through: then it is played again.
    Every block must be explained each time.
    """
    for _ in range(1000):
        swaps = heard_while_swapping(pair, per_call)
        if len(swaps) >= 2 and any(begin % (1 << 16) for begin in swaps):  # inside a stretch of machine code
            return
    pytest.fail(f"swaps were heard between stretches of machine code only: {swaps}")


def heard_while_swapping(pair: tuple[Path, Path], per_call: int) -> list[int]:
    """The samples at which there was a swap, while another thread swaps every 2 ms."""
    x = signal(1 << 18)
    p = schedc.load(pair[0])
    weights = [p.pack(path) for path in pair]
    done = threading.Event()

    def swap() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            p.set_weights(weights[turn % 2])
            time.sleep(0.002)

    thread = threading.Thread(target=swap)
    thread.start()
    y = np.concatenate([p.process(x[begin : begin + per_call]) for begin in range(0, len(x), per_call)])
    done.set()
    thread.join()
    return explained(y, x, pair, p.block)


def test_the_audio_side_allocates_and_locks_nothing(tmp_path: Path) -> None:
    """With ``out``, no sample buffer is allocated, swap or not; and the control side's lock is not taken.

    Views, integers and Python's free lists take a few kilobytes, which vary from run to run; so the capture
    is one whose samples, state and blob are far larger.
    """
    big = BY_NAME["a2"]
    p = schedc.load(big)
    weights = [p.pack(path) for path in (big, write_sibling(big, tmp_path / "other.nam", seed=1))]
    x, out = signal(1 << 15), np.empty(1 << 15, np.float32)
    for turn in range(4):
        p.set_weights(weights[turn % 2])
        p.process(x, out)
    p.set_weights(weights[0])
    smallest = min(x.nbytes, p.memory_bytes.state, p.memory_bytes.weights)
    with p._control:  # held by somebody else: process must not care
        peak = peak_bytes(lambda: [p.process(x, out) for _ in range(50)], smallest / 2)
    assert smallest > 40_000 and peak < smallest / 2


def test_the_old_voice_is_taken_for_used_at_every_moment_of_a_change(pair: tuple[Path, Path]) -> None:
    """Else a swap in that moment would start it again under the fade's hands."""
    p = schedc.load(pair[0])
    old = p._playing.voice
    p.set_weights(p.pack(pair[1]), crossfade=1000)
    named: list[bool] = []

    def look(frame: FrameType, _event: str, _argument: object) -> Any:
        frame.f_trace_opcodes = True
        named.append(old in (p._published.voice, p._taking.voice, p._playing.voice, p._fading))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    p._follow()
    sys.settrace(before)
    assert p._fading is old and p._playing.voice is not old
    assert len(named) > 20 and all(named)


def test_memory_is_bounded_and_freed(pair: tuple[Path, Path]) -> None:
    p = schedc.load(pair[0])
    first = p.memory_bytes
    old = weakref.ref(p.weights)
    weights = [p.pack(path) for path in pair]
    for turn in range(20):
        p.set_weights(weights[turn % 2])
        if turn % 3:
            p.process(signal(64))
    assert old() is None
    used = p.memory_bytes
    assert (used.code, used.weights) == (first.code, first.weights)
    assert used.state <= 3 * first.state


def test_clones_share_code_and_weights_but_no_state(pair: tuple[Path, Path]) -> None:
    x = signal(500)
    p = schedc.load(pair[0])
    q = p.clone()
    assert q.weights is p.weights
    first = p.process(x)
    np.testing.assert_array_equal(q.process(x), first)
    q.set_weights(pair[1])
    assert not np.array_equal(q.process(x), p.process(x))
    assert p.weights is not q.weights


def test_processors_of_one_architecture_share_its_code(pair: tuple[Path, Path]) -> None:
    a, b = (schedc.load(path) for path in pair)
    assert a._program is b._program


def test_a_blob_file_can_be_swapped_in(pair: tuple[Path, Path], tmp_path: Path) -> None:
    x = signal(200)
    p = schedc.load(pair[0])
    (tmp_path / "w.bin").write_bytes(p.pack(pair[1]).data.tobytes())
    p.set_weights(tmp_path / "w.bin")
    np.testing.assert_array_equal(p.process(x), schedc.interpret(pair[1], x, "float32"))
    (tmp_path / "w.bin").write_bytes(p.pack(pair[1]).data.tobytes()[:-1])
    with pytest.raises(UserError, match="is cut off"):
        p.set_weights(tmp_path / "w.bin")
    with pytest.raises(UserError, match="no such file"):
        p.set_weights(tmp_path / "none.bin")


def refused(p: Processor, act: str) -> None:
    match act:
        case "another architecture":
            p.set_weights(BY_NAME["convnet"])
        case "other code's weights":
            p.set_weights(schedc.load(BY_NAME["convnet"]).weights)
        case "a negative fade":
            p.set_weights(p.weights, crossfade=-1)
        case "a wrong out":
            p.process(np.zeros(4, np.float32), np.zeros(5, np.float32))
        case _:
            p.close()
            p.process(np.zeros(4, np.float32))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("another architecture", "another architecture: it has"),
        ("other code's weights", "set_weights: weights of other code; pack them with this processor's pack"),
        ("a negative fade", "crossfade: -1 samples; give 0 to 4194304"),
        ("a wrong out", r"process: out is float32 of shape \(5,\); give writable, C-order float32 of shape \(4,\)"),
        ("after close", "process: the processor is closed; load the capture again"),
    ],
)
def test_refusals_in_words(pair: tuple[Path, Path], act: str, words: str) -> None:
    p = schedc.load(pair[0])
    kind = ArchitectureMismatch if act == "another architecture" else UserError
    with pytest.raises(kind, match=words):
        refused(p, act)
