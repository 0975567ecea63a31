"""Who may call a processor when: one in ``process``, anybody elsewhere, nobody after ``close``; and after a fork."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers.captures import EXAMPLES
from helpers.processors import small_processor

from schedc.errors import InternalError, ProcessorInUse, UserError
from schedc.host.processor import Processor
from schedc.host.voice import Voice

LITE = next(path for path in EXAMPLES if path.stem == "a2_lite")
X = np.random.default_rng(6).normal(0.0, 0.3, 200).astype(np.float32)
FloatArray = npt.NDArray[np.float32]
IN_USE = "process: another call of this processor is under way; one processor, one caller at a time: clone() it"


def during(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Calls ``act`` in the middle of the next call of ``process``, once."""
    process, acted = Voice.process, threading.Event()

    def processing(self: Voice, rows: FloatArray, out: FloatArray) -> int:
        if not acted.is_set():
            acted.set()
            act()
        return process(self, rows[:, :16], out[:, :16])

    monkeypatch.setattr(Voice, "process", processing)


def in_thread(act: Callable[[], object]) -> list[object]:
    """What ``act`` returns, or the error it raises, in a thread of its own."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


@pytest.mark.parametrize("cores", [1, 2])
def test_a_second_caller_is_refused_and_harms_nobody(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """From another thread, and from the same one, as by a signal's handler."""
    with small_processor(cores=cores) as lonely, small_processor(cores=cores) as busy:
        wanted = lonely.process(X)
        refused: list[object] = []

        def others() -> None:
            for _ in range(3):
                refused.extend(in_thread(lambda: busy.process(X)))
            with pytest.raises(ProcessorInUse):
                busy.process(X)

        during(monkeypatch, others)
        found = busy.process(X)
        assert found.tobytes() == wanted.tobytes()
        assert [type(error) for error in refused] == [ProcessorInUse] * 3
        assert {str(error) for error in refused} == {IN_USE}
        assert busy.process(X).tobytes() == lonely.process(X).tobytes()  # the state, too, is as if nobody had come


def test_after_an_error_it_is_the_next_ones_turn() -> None:
    processor = small_processor()
    with pytest.raises(UserError, match="samples of type"):
        processor.process("abc")
    with pytest.raises(UserError, match="out is"):
        processor.process(X, np.zeros(3, np.float32))
    assert processor.process(X).tobytes() == small_processor().process(X).tobytes()


def test_four_threads_at_once_get_right_samples_or_the_error() -> None:
    x = np.tile(X, 2000)
    processor, wanted = small_processor(), small_processor().process(x).tobytes()
    start, found = threading.Barrier(4), list[object]()

    def run() -> None:
        start.wait()
        try:
            found.append(processor.process(x).tobytes() == wanted)
        except ProcessorInUse as error:
            found.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever came when another had finished went on from there.
    assert found.count(True) == 1 and set(found) <= {True, False, IN_USE}


@pytest.mark.parametrize("cores", [1, 2])
def test_others_may_swap_and_reset_meanwhile(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    with small_processor(cores=cores) as processor:

        def others() -> None:
            assert in_thread(processor.reset) == in_thread(lambda: processor.set_weights(processor.weights)) == [None]
            (played,) = in_thread(lambda: processor.clone().process(X))
            assert isinstance(played, np.ndarray)

        during(monkeypatch, others)
        processor.process(X)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_call_ends_with_an_error_when_the_processor_is_closed(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    processor = small_processor(cores=cores)
    during(monkeypatch, lambda: (in_thread(processor.close), None)[1])
    with pytest.raises(UserError) as ended:
        processor.process(X)
    assert str(ended.value) == "process: the processor was closed during the call; load the capture again"
    acts: list[tuple[str, Callable[[], object]]] = [
        ("process", lambda: processor.process(X)),
        ("process", lambda: processor.process([])),
        ("reset", processor.reset),
        ("set_weights", lambda: processor.set_weights(processor.weights)),
    ]
    for where, act in acts:
        with pytest.raises(UserError) as refusal:
            act()
        assert str(refusal.value) == f"{where}: the processor is closed; load the capture again"
    assert processor.clone().process(X).shape == X.shape


def cut_short(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that Ctrl-C ends while threads are at work."""
    assert processor._playing.voice.threads is not None
    shared = processor._playing.voice.threads._shared
    with monkeypatch.context() as patch:
        patch.setattr(shared, "wait_for_output", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            processor.process(X)


def raise_interrupt(_: int) -> None:
    raise KeyboardInterrupt


def test_after_a_call_that_was_cut_short_it_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """No internal error, and no samples from a state that nobody knows; also in the middle of a fade."""
    wanted = small_processor(cores=2).process(X).tobytes()
    for fade in (0, 100):
        with small_processor(cores=2) as processor:
            processor.process(X)
            processor.set_weights(processor.weights, crossfade=fade)
            processor.process(X[:20])
            cut_short(processor, monkeypatch)
            with pytest.raises(UserError) as refusal:
                processor.process(X)
            words = "process: an earlier call was cut short, or this process forked since; reset() it"
            assert str(refusal.value) == words
            processor.reset()
            assert processor.process(X).tobytes() == wanted


def test_a_bug_of_ours_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> int:
        raise InternalError("planted")

    monkeypatch.setattr(Voice, "process", fail)
    with pytest.raises(InternalError, match="planted"):
        small_processor().process(X)


@pytest.mark.parametrize(
    ("crossfade", "words"),
    [
        (-1, "crossfade: -1 samples; give 0 to 4194304"),
        (10**20, "crossfade: 100000000000000000000 samples; give 0 to 4194304"),
        (1.5, "crossfade: 1.5 is not a whole number; give 0 to 4194304"),
        (True, "crossfade: True is not a number; give 0 to 4194304"),
        ("10", "crossfade: '10' is not a whole number; give 0 to 4194304"),
    ],
)
def test_how_long_a_fade_may_be(crossfade: Any, words: str) -> None:
    processor = small_processor()
    with pytest.raises(UserError) as refusal:
        processor.set_weights(processor.weights, crossfade=crossfade)
    assert str(refusal.value) == words


FORKING = """
import os, signal, sys, threading
import numpy as np
import schedc
from schedc.backends.llvm import target_machine
from schedc.host import code
from schedc.host.voice import Voice

x = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)
used, single, fresh, busy = (schedc.load(sys.argv[1], cores=cores) for cores in (2, 1, 2, 1))
with schedc.load(sys.argv[1]) as other:
    wanted = other.process(x).tobytes()
single.process(x[:1000])
used.process(x)

forked, child_done, answers = threading.Event(), threading.Event(), []
process = Voice.process

def slow(self, rows, out):
    if self is busy._playing.voice and not forked.is_set():
        inside.set()
        forked.wait()
    return process(self, rows, out)

def said(act):
    try:
        return act()
    except schedc.UserError as error:
        return str(error)

def child():
    lagging = lambda y: y[64:].tobytes() == wanted[: len(wanted) - 4 * 64]
    assert said(lambda: used.process(x)) == said(lambda: busy.process(x)) == WORDS
    assert single.process(x[1000:]).tobytes() == wanted[4000:]
    assert lagging(fresh.process(x)) and lagging(used.clone().process(x))
    for processor in (used, busy):
        processor.reset()
    assert lagging(used.process(x)) and busy.process(x).tobytes() == wanted
    assert schedc.load(sys.argv[1]).process(x).tobytes() == wanted
    used.close()
    words = "compile: this process was forked while another thread was compiling; "
    assert said(lambda: schedc.compile(sys.argv[1], with_texts=True)).startswith(words)

WORDS = "process: an earlier call was cut short, or this process forked since; reset() it"
inside = threading.Event()
Voice.process = slow
thread = threading.Thread(target=lambda: answers.append(busy.process(x).tobytes()))
thread.start()
inside.wait()
held = threading.Event()

def hold():
    with busy._control, code._lock, target_machine._process:  # by a thread that the child does not have
        held.set()
        forked.wait()

holder = threading.Thread(target=hold)
holder.start()
held.wait()
pid = os.fork()
forked.set()
if pid == 0:
    signal.alarm(300)  # a child that hangs is ended, and the test fails
    child()
    sys.exit(0)
thread.join()
holder.join()
assert answers == [wanted]
assert single.process(x[1000:]).tobytes() == wanted[4000:] and len(used.process(x)) == len(x)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_process_hangs_nowhere() -> None:
    """What had threads or was in use has to be started again there; all else goes on, and the parent unharmed."""
    done = subprocess.run([sys.executable, "-c", FORKING, str(LITE)], capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_process_ends_while_the_parents_threads_live() -> None:
    """Nothing at its exit waits for threads that are not there; multiprocessing's children, too."""
    program = (
        "import multiprocessing, sys\nimport numpy as np\nimport schedc\n"
        "p = schedc.load(sys.argv[1], cores=2)\np.process(np.zeros(5000, np.float32))\n"
        "child = multiprocessing.get_context('fork').Process(target=lambda: p.clone().process(np.zeros(99)))\n"
        "child.start()\nchild.join()\nassert child.exitcode == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(LITE)], capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
