"""``schedc verify`` passes what is right and fails what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import packed

import schedc.machines as machines
import schedc.verification as verification
from cli.conftest import Run
from schedc.backends.this_machine import can_run_here
from schedc.compiler import Compilation, compile_graph
from schedc.errors import InternalError
from schedc.frontend.capture import Capture, read_capture
from schedc.ir.weights import FloatArray
from schedc.options import make_options
from schedc.verification import call_sizes, difference, probe_signal, verify_compilation


@pytest.mark.parametrize("target", ["m33", "a8", "aarch64", "host"])
def test_pass_by_process_and_stages(run: Run, wavenet: Path, target: str) -> None:
    outcome = run("verify", wavenet, "--target", target, "--cores", 2, "--samples", 1500)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.lines
    assert lines[-1] == "PASS"
    for what in ("process", "2 stages, chained by handoffs"):
        (line,) = [line for line in lines if line.startswith(f"pass       {what}: 1,500 samples in ")]
        assert line.endswith("every bit as the float32 interpreter's")
    assert any(line.startswith("accuracy   float32 is -1") for line in lines)
    foreign = target != "host"
    assert any(line.startswith("executed ") for line in lines) == foreign
    assert any(line.startswith("stack ") for line in lines) == foreign


@pytest.mark.parametrize("target", ["m33", "host"])
def test_a_wrong_bit_fails(run: Run, wavenet: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    right = verification.interpret

    def wrong(compilation: Compilation, capture: Capture, x: FloatArray) -> FloatArray:
        y = right(compilation, capture, x)
        y.view(np.uint32)[0, 700] ^= 1
        return y

    monkeypatch.setattr(verification, "interpret", wrong)
    outcome = run("verify", wavenet, "--target", target, "--samples", 1000)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == "FAIL"
    wrong_run = "FAIL       process: 1 of 1,000 values differ, first at sample 700, channel 0 (in a call of "
    assert any(line.startswith(wrong_run) for line in outcome.lines)


def test_wrong_weights_fail(wavenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = read_capture(wavenet)
    compilation = compile_graph(capture.graph, make_options("host"))
    other = {
        node: {key: np.nextafter(array, np.float32(9)) for key, array in table.items()}
        for node, table in capture.weights.items()
    }
    swapped = packed(compilation, replace(capture, weights=other))
    monkeypatch.setattr(verification, "pack_from_silence", lambda *_: swapped)
    assert not verify_compilation(compilation, capture, 300).passed


@pytest.mark.parametrize("fault", ["write past the frames", "write into the input", "a trap"])
def test_bad_manners_fail(wavenet: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    class Rude(machines.HostMachine):
        def call(self, symbol: str, *arguments: int) -> int:
            result = super().call(symbol, *arguments)
            if len(arguments) == 5:
                _, _, source, target, n = arguments
                if fault == "a trap":
                    raise InternalError("access of 4 bytes at 0x0")
                if fault == "write past the frames" and n < 48:
                    self.write(target + 4 * n, b"\0\0\0\0")
                elif fault == "write into the input":
                    self.write(source, b"\0\0\0\0")
            return result

    monkeypatch.setattr(machines, "HostMachine", Rude)
    capture = read_capture(wavenet)
    result = verify_compilation(compile_graph(capture.graph, make_options("host", block=48)), capture, 400)
    words = {
        "write past the frames": "process wrote past the 1 frames of the output",
        "write into the input": "process wrote into its input",
        "a trap": "access of 4 bytes at 0x0",
    }
    assert not result.passed
    assert words[fault] in result.runs[0].fault


def test_a_write_beside_an_allocation_is_seen(wavenet: Path) -> None:
    machine = machines.machine_for(compile_graph(read_capture(wavenet).graph, make_options("host")))
    assert isinstance(machine, machines.HostMachine)
    state, weights = machine.alloc(64), machine.alloc(64)
    machine.write(state + 64, b"\0")
    with pytest.raises(InternalError, match="wrote beside an allocation of 64 bytes"):
        machine.call("capture_init", state, weights)


def test_code_that_nothing_runs_is_refused(run: Run, linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedc.commands.verify.can_run_here", lambda _: False)
    outcome = run("verify", linear, "--target", "avx2")
    line = "--target: this machine cannot run avx2 code and no emulator can; verify on such a machine"
    assert (outcome.code, outcome.err) == (2, f"schedc: {line}\n")


def test_an_overflowing_model_is_said_to_be_one(run: Run, linear: Path) -> None:
    linear.write_text(linear.read_text().replace("[1.0]", "[2e38]"))
    outcome = run("verify", linear, "--samples", 900)
    assert outcome.code == 0
    words = "of 900 values overflow on the loud part of the signal (not part of the verdict)"
    assert any(line.endswith(words) for line in outcome.lines)


def test_the_signal_has_everything() -> None:
    x = probe_signal(2, 9000)
    assert x.shape == (2, 9000) and x.dtype == np.float32
    assert np.array_equal(x, probe_signal(2, 9000))
    assert (x[:, :1000] == 0).all() and (x[:, -900:] == 0).all()
    assert {-1.0, 1.0} <= set(x[0, 1000:2000].tolist())
    assert np.abs(x).max() > 3.9
    assert ((np.abs(x) > 0) & (np.abs(x) < np.finfo(np.float32).tiny)).any()


@pytest.mark.parametrize("most", [1, 2, 3, 48, 64])
def test_calls_add_up_and_vary(most: int) -> None:
    sizes = list(call_sizes(5000, most))
    assert sum(sizes) == 5000
    assert (min(sizes), max(sizes)) == (1, most)
    assert len(set(sizes)) >= min(most, 6)


def test_any_nan_equals_any_other() -> None:
    a, b = np.array([[np.nan, 0.0]], np.float32), np.array([[-np.nan, 0.0]], np.float32)
    assert difference(a, b, [2]) == ""
    assert difference(a, np.array([[np.nan, -0.0]], np.float32), [2]).startswith("1 of 2 values differ")


def test_the_host_runs_itself() -> None:
    assert can_run_here(make_options("host").target)
    assert not can_run_here(make_options("m33").target)
