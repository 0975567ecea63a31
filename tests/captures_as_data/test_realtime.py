"""Blocks at the audio rate: every block is played, deadlines are counted, refusals are said."""

from __future__ import annotations

import json
import os
import sys

import pytest
from helpers.captures import EXAMPLES

from schedc.cli.main import main
from schedc.frontend.capture import read_capture
from schedc.measure import realtime
from schedc.options import make_options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
LSTM = {path.stem: path for path in EXAMPLES}["lstm_1x16"]


def test_every_block_is_played_at_its_time() -> None:
    run = realtime.measure_realtime(read_capture(LSTM), make_options("host", block=64), 0.3, privileged=False)
    assert run.blocks == 225
    assert run.period_ns == pytest.approx(1e9 * 64 / 48000)
    assert 0 < run.work_p50 <= run.response_p50 <= run.response_p99 <= run.response_p999 <= run.response_max
    assert 0 <= run.missed <= run.blocks
    assert (run.means, run.refused) == ((), ())


def test_work_that_takes_longer_than_a_block_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = read_capture(LSTM)
    object.__setattr__(capture, "sample_rate", 1e9)  # 64 ns for each block
    assert realtime.measure_realtime(capture, make_options("host", block=64), 1e-5, privileged=False).missed > 100


def test_what_the_system_refuses_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(process: int, policy: int, parameters: object) -> None:
        if policy == os.SCHED_FIFO:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert main(["bench", str(LSTM), "--realtime", "--seconds", "0.1", "--block", "64"]) == 0
    assert "The system refused SCHED_FIFO (Operation not permitted)" in capsys.readouterr().out


def test_numbers_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(LSTM), "--realtime", "--seconds", "0.05", "--block", "64", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["blocks"] for run in runs] == [38, 38]
    assert all(set(run["means"]) <= {"locked memory", "SCHED_FIFO 50"} for run in runs)


def test_the_scheduling_is_put_back() -> None:
    before = os.sched_getscheduler(0)
    realtime.measure_realtime(read_capture(LSTM), make_options("host", block=64), 0.01, privileged=True)
    assert os.sched_getscheduler(0) == before


def test_seconds_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(LSTM), "--realtime", "--seconds", "0"]) == 2
    assert capsys.readouterr().err == "schedc: --seconds: 0 seconds; give more than 0, at most 3600\n"
