"""What LLVM is told for the whole process: set and used by one thread before another may set it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import llvmlite.binding as llvm
import pytest
from helpers.captures import EXAMPLES

from schedc.backends.llvm import target_machine as machines
from schedc.backends.llvm.mcjit import McjitCode
from schedc.backends.llvm.peak import NativeLoops
from schedc.backends.llvm.stage_runner import runner_object
from schedc.backends.this_machine import host_target_name
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.targets.base import load_target

LSTM = next(path for path in EXAMPLES if path.stem == "lstm_1x16")
PATIENCE = 600  # seconds; only a deadlock takes them
Event = tuple[str, str]  # thread, what it did


def compiled(target: str) -> bytes:
    return compile_graph(read_capture(LSTM).graph, make_options(target)).code.elf


class Watched:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, lock: Any, waits: Callable[[], None]) -> None:
        self._lock, self._waits = lock, waits

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._waits()
            self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Event]]:
    """What LLVM is told and asked to make, by whom; options cannot be told by a patched LLVM only."""
    found: list[Event] = []
    tell, make = llvm.set_option, llvm.TargetMachine.emit_object

    def told(program: str, option: str) -> None:
        found.append((threading.current_thread().name, option))
        tell(program, option)

    def made(machine: Any, module: Any) -> bytes:
        found.append((threading.current_thread().name, "emits"))
        return bytes(make(machine, module))

    monkeypatch.setattr(llvm, "set_option", told)
    monkeypatch.setattr(llvm.TargetMachine, "emit_object", made)
    yield found


def test_no_thread_sets_options_while_another_emits(monkeypatch: pytest.MonkeyPatch, events: list[Event]) -> None:
    """The second thread starts when the first is about to emit, and the first goes on when the second either waits
    for its turn or has set its options: so it is seen without any luck whether the two are kept apart."""
    first, second = "m33", "avx2"  # LLVM orders the second's instructions and not the first's
    wanted = {name: compiled(name) for name in (first, second)}
    got: dict[str, bytes] = {}
    moved = threading.Event()  # the second waits, or did what it should have waited for
    tell, make = llvm.set_option, llvm.TargetMachine.emit_object  # those that note it

    def compile_second() -> None:
        got[second] = compiled(second)

    other = threading.Thread(target=compile_second, name=second)

    def notice() -> None:
        if threading.current_thread() is other:
            moved.set()

    def tell_and_notice(program: str, option: str) -> None:
        tell(program, option)
        notice()

    def make_when_the_other_moved(machine: Any, module: Any) -> bytes:
        if not other.ident:
            other.start()
            assert moved.wait(PATIENCE)
        return bytes(make(machine, module))

    monkeypatch.setattr(machines, "_process", Watched(machines._process, notice))
    monkeypatch.setattr(llvm, "set_option", tell_and_notice)
    monkeypatch.setattr(llvm.TargetMachine, "emit_object", make_when_the_other_moved)
    events.clear()
    got[first] = compiled(first)
    other.join(PATIENCE)
    for before, after in itertools.pairwise(events):
        if after[1] == "emits":
            assert before[0] == after[0], events
    assert [what for _, what in events] == ["-enable-misched=false", "emits", "-enable-misched=true", "emits"]
    assert got == wanted


def test_whoever_makes_code_sets_the_options(events: list[Event]) -> None:
    """Else its bytes would be those of whatever was compiled before."""
    host = load_target(host_target_name())
    option = f"-enable-misched={str(host.codegen.machine_scheduler).lower()}"
    other = "avx2" if not host.codegen.machine_scheduler else "m33"
    for make in (
        lambda: runner_object(host),
        lambda: McjitCode([runner_object(host)], host),
        lambda: NativeLoops(host),
    ):
        compiled(other)
        events.clear()
        make()
        assert events[0][1] == option


def test_llvm_is_set_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that both come first: the second waits until the first is done."""
    calls: list[str] = []
    waiting = threading.Event()
    other = threading.Thread(target=machines.initialize_llvm)

    def initialize() -> None:
        calls.append("begin")
        notice()
        if not other.ident:
            other.start()
            assert waiting.wait(PATIENCE)
        calls.append("end")

    def notice() -> None:
        if threading.current_thread() is other:
            waiting.set()

    monkeypatch.setattr(machines, "_initialized", [])
    monkeypatch.setattr(machines, "_process", Watched(machines._process, notice))
    monkeypatch.setattr(llvm, "initialize_all_targets", initialize)
    machines.initialize_llvm()
    other.join(PATIENCE)
    assert calls == ["begin", "end"]
