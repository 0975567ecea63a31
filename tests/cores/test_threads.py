"""Stages on threads: their lag, their ends, their failures."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.captures import EXAMPLES, capture_of, compile_for, graph_of, interpret_core, packed
from helpers.graph_strategy import signal
from helpers.machines import assert_same_bits, cut_blocks
from helpers.threads import Before, load_threads, process_in_calls, wait_until

import schedc
from schedc.errors import InternalError, UserError
from schedc.frontend.capture import read_capture
from schedc.host.stage_threads import StageThreads
from schedc.ir.contract import Contract
from schedc.ir.ops import Conv, Input

CAPTURES = {path.stem: path for path in EXAMPLES}
LITE = CAPTURES["a2_lite"]
X = signal(1, 3000, seed=3)[0]


def stage_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("schedc-stage")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    gc.collect()  # of other tests' threads
    yield
    gc.collect()
    assert not stage_threads()


@pytest.fixture(scope="module")
def single() -> schedc.Processor:
    return schedc.load(LITE, block=32)


@pytest.mark.parametrize("cores", [2, 3, 8])
def test_output_lags_by_the_stated_latency(single: schedc.Processor, cores: int) -> None:
    single.reset()
    wanted = single.process(X)
    with schedc.load(LITE, block=32, cores=cores) as processor:
        lag = processor.latency_samples
        assert lag == (cores - 1) * 32
        found = processor.process(X)
        assert len(found) == len(X)
        assert not found[:lag].any()
        assert found[lag:].tobytes() == wanted[: len(X) - lag].tobytes()


def test_calls_of_any_size(single: schedc.Processor) -> None:
    single.reset()
    wanted = single.process(X)
    with schedc.load(LITE, block=32, cores=3) as processor:
        parts, begin = [], 0
        for n in [0, 1, 31, 32, 33, 64, 0, 1, 1, 500, *cut_blocks(len(X) - 663, 200)]:
            parts.append(processor.process(X[begin : begin + n]))
            assert len(parts[-1]) == n
            begin += n
        found = np.concatenate(parts)
        assert found[64:].tobytes() == wanted[:-64].tobytes()


def test_reset_starts_again(single: schedc.Processor) -> None:
    with schedc.load(LITE, block=32, cores=2) as processor:
        first = processor.process(X)
        processor.process(X[:77])  # leaves a block half full
        processor.reset()
        assert processor.process(X).tobytes() == first.tobytes()


def test_several_channels_each_way() -> None:
    graph = graph_of(
        ("x", Input(2), ""), ("a", Conv(2, 5, 3, 7), "x"), ("b", Conv(5, 4, 4), "a"), ("c", Conv(4, 3, 2), "b")
    )
    capture = capture_of(graph)
    x = signal(2, 500, seed=1)
    compilation = compile_for(capture.graph, "host", cores=2, block=16, split=(1,))
    staged = load_threads(compilation, packed(compilation, capture))
    found = process_in_calls(staged, x, cut_blocks(500, 90))
    staged.close()
    assert_same_bits(found, interpret_core(capture, x, Contract()))


def test_input_longer_than_the_output_ring() -> None:
    """Several stretches in one call; the ring wraps around at other places each time."""
    x = signal(1, 300_000, seed=8)
    plain = schedc.load(CAPTURES["a1_nano"], block=200).process(x[0])
    with schedc.load(CAPTURES["a1_nano"], block=200, cores=2) as processor:
        found = np.concatenate([processor.process(x[0, :123_457]), processor.process(x[0, 123_457:])])
    assert found[200:].tobytes() == plain[:-200].tobytes()


def test_close_ends_the_threads_and_processing() -> None:
    processor = schedc.load(LITE, cores=3)
    processor.process(X)
    assert len(stage_threads()) == 2
    processor.close()
    assert not stage_threads()
    processor.close()
    with pytest.raises(UserError, match="process: the processor is closed; load the capture again"):
        processor.process(X)


def test_threads_start_with_the_first_block() -> None:
    with schedc.load(LITE, cores=2) as processor:
        processor.process(X[:63])
        assert not stage_threads()
        processor.process(X[:1])
        assert len(stage_threads()) == 1


def test_collected_processor_leaves_no_thread() -> None:
    processor = schedc.load(LITE, cores=3)
    processor.process(X)
    del processor
    gc.collect()
    assert not stage_threads()


@pytest.mark.parametrize("end", ["", "import gc; gc.disable()", "raise SystemExit(0)"])
def test_interpreter_exit_with_live_threads(end: str) -> None:
    program = (
        f"import numpy as np, schedc\np = schedc.load({str(LITE)!r}, cores=3)\n"
        f"p.process(np.zeros(5000, np.float32))\n{end}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")


class Broken(Exception):
    """Planted."""


def lite_threads(cores: int = 2, before: Before | None = None) -> StageThreads:
    """A2-Lite at 32 frames; ``before``: called before a stage works on a block."""
    capture = read_capture(LITE)
    compilation = compile_for(capture.graph, "host", cores=cores, block=32)
    return load_threads(compilation, packed(compilation, capture), before)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_stalled_stage_costs_time_but_no_bit(single: schedc.Processor, stage: int) -> None:
    """The stage does not go on with each fiftieth block before those behind it have found nothing to read."""
    single.reset()
    x = np.tile(X, 4)
    wanted = single.process(x)
    blocks, stalls = 0, 0

    def starved() -> list[int]:
        return [wait.starved for wait in staged.waits[stage + 1 :]]

    def before(at: int) -> None:
        nonlocal blocks, stalls
        blocks += at == stage
        if at == stage and blocks % 50 == 0:
            seen = starved()
            stalls += wait_until(lambda: all(now > then for now, then in zip(starved(), seen, strict=True)))

    staged = lite_threads(3, before)
    found = process_in_calls(staged, x[None], cut_blocks(len(x), 500))
    waits = staged.waits
    staged.close()
    assert found.tobytes() == wanted.tobytes()
    assert stalls == blocks // 50 > 5
    assert all(wait.starved >= stalls for wait in waits[stage + 1 :])
    assert waits[0].starved == waits[2].blocked == 0


def test_full_ring_blocks_the_stage_before() -> None:
    """The second stage does not begin before the first has found no room, which is a ring's length ahead of it."""
    found_no_room: list[bool] = []

    def before(at: int) -> None:
        if at == 1 and not found_no_room:
            found_no_room.append(wait_until(lambda: staged.waits[0].blocked > 0))

    staged = lite_threads(2, before)
    staged.process(np.tile(X, 30)[None])  # more blocks than a ring holds
    assert found_no_room == [True]
    staged.close()


def test_failure_of_a_stage_surfaces() -> None:
    staged = lite_threads(3)
    run, failing = staged._shared.code.run, threading.Event()

    def fail(job: int, until: int) -> int:
        if failing.is_set() and threading.current_thread().name == "schedc-stage1":
            raise Broken("planted")
        return run(job, until)

    object.__setattr__(staged._shared.code, "run", fail)
    staged.process(X[None])
    failing.set()
    with pytest.raises(InternalError, match=r"a stage of the pipeline failed: Broken\('planted'\)") as caught:
        for _ in range(100):
            staged.process(X[None])
    assert isinstance(caught.value.__cause__, Broken)
    assert staged.closed
    with pytest.raises(InternalError, match="the pipeline is closed"):
        staged.process(X[None])


def test_interrupt_from_the_keyboard_ends_the_threads() -> None:
    staged = lite_threads(2)

    def interrupted(job: int, until: int) -> int:
        raise KeyboardInterrupt

    object.__setattr__(staged._shared.code, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        staged.process(X[None])
    assert staged.closed
    assert not stage_threads()


def test_two_processors_with_threads_at_once(single: schedc.Processor) -> None:
    single.reset()
    wanted = single.process(X)
    with schedc.load(LITE, block=32, cores=2) as one, schedc.load(LITE, block=32, cores=2) as other:
        found: dict[int, bytes] = {}
        threads = [
            threading.Thread(target=lambda n=n, p=p: found.update({n: p.process(X)[32:].tobytes()}))
            for n, p in enumerate((one, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {0: wanted[:-32].tobytes(), 1: wanted[:-32].tobytes()}


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="no clocks of single threads")
def test_idle_threads_sleep() -> None:
    """Between calls the stages' threads burn no processor time, by their own clocks: what others do is not theirs."""
    with schedc.load(LITE, cores=3) as processor:
        processor.process(X)
        clocks = [time.pthread_getcpuclockid(thread.ident or 0) for thread in stage_threads()]
        used: list[list[float]] = []

        def idle() -> bool:
            used.append([time.clock_gettime(clock) for clock in clocks])
            time.sleep(0.05)
            return len(used) > 1 and used[-1] == used[-2]

        assert clocks and wait_until(idle)
