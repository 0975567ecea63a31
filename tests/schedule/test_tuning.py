"""bench --tune: what is measured, what is kept, and that later compilations use it."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES

import schedc
from schedc.cache.tuned import keep_tuned, with_tuned
from schedc.cli.main import main
from schedc.compiler import compile_graph
from schedc.frontend.capture import Reading, read_capture
from schedc.measure.labels import Label, labels
from schedc.measure.schedules import ScheduleTime, candidates, fastest
from schedc.options import make_options
from schedc.planning import plan_graph
from schedc.schedule import ScheduleOverrides
from schedc.schedule_file import decisions, parse_schedule, schedule_text

LITE = {path.stem: path for path in EXAMPLES}["a2_lite"]
SLOW = ScheduleOverrides((("*", (("tile_vectors", 1),)),), (("most_blocks", 2),), ("array0.layer3.activation",))


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))


def time(nanoseconds: float) -> ScheduleTime:
    return ScheduleTime(Label("", ""), 0.0, nanoseconds, ScheduleOverrides())


def test_candidates_begin_with_the_cost_models_choice_and_differ() -> None:
    capture, options = read_capture(LITE), make_options("host")
    found = candidates(capture, options)
    own = plan_graph(capture.graph, options).program
    assert found[0].program.schedules == own.schedules and found[0].program.rings == own.rings
    assert len({repr((w.program.schedules, w.program.rings)) for w in found}) == len(found) > 30
    assert [w.cycles_per_sample for w in found[1:]] == sorted(w.cycles_per_sample for w in found[1:])


@pytest.mark.parametrize(
    ("name", "target", "block"), [("a1_nano", "zen4", 64), ("a2_lite", "avx2", 16), ("lstm_1x16", "m33", 48)]
)
def test_no_two_rows_read_alike(name: str, target: str, block: int) -> None:
    found = candidates(read_capture(LITE.with_stem(name)), make_options(target, block=block))
    named = labels(found)
    assert len({str(label) for label in named}) == len(named) == len(found) > 10
    own = found[0].program.schedules
    for whole, label in zip(found[1:], named[1:], strict=True):
        assert (label.tiles == "as the first") == (whole.program.schedules == own)


def test_rows_that_differ_in_one_kernel_name_it() -> None:
    first, *_ = candidates(read_capture(LITE), make_options("avx2"))
    kernels = dict(first.program.schedules)
    changed = {"array0.layer5": replace(kernels["array0.layer5"], tile_vectors=1, output_block=1)}
    again = {"array0.layer6": replace(kernels["array0.layer6"], tile_vectors=1, output_block=1)}
    others = [replace(first, program=replace(first.program, schedules=kernels | one)) for one in (changed, again)]
    one, two, three = labels([first, *others])
    assert one.tiles != two.tiles != three.tiles
    assert three.tiles.startswith(f"{two.tiles}; array0.layer5 ")


def test_only_what_is_clearly_faster_replaces_the_first() -> None:
    first, close, fast = time(100.0), time(99.5), time(95.0)
    assert fastest([first, close]) is first
    assert fastest([first, close, fast]) is fast


def test_decisions_survive_a_file(tmp_path: Path) -> None:
    capture, options = read_capture(LITE), make_options("host", block=32)
    program = candidates(capture, options)[5].program
    stated = decisions(program, ("array0.layer3.activation",))
    assert parse_schedule(schedule_text(stated).encode(), "text") == stated


@pytest.mark.usefixtures("cache")
def test_a_kept_schedule_is_used_and_changes_no_bit() -> None:
    capture, options = read_capture(LITE), make_options("host", block=32)
    x = np.random.default_rng(3).standard_normal(500).astype(np.float32)
    wanted = schedc.load(LITE, block=32).process(x)
    before = schedc.compile(LITE, block=32)
    assert before.report["schedule"] == "cost model"
    assert keep_tuned(capture.graph, options, SLOW)
    after = schedc.compile(LITE, block=32)
    assert after.report["schedule"] == "tuned on this machine"
    assert after.code != before.code
    assert after.code == compile_graph(capture.graph, with_tuned(capture.graph, options), "a2_lite").code.elf
    np.testing.assert_array_equal(schedc.load(LITE, block=32).process(x).view(np.int32), wanted.view(np.int32))
    assert schedc.compile(LITE, block=32, object_format="coff").report["schedule"] == "tuned on this machine"
    other = schedc.compile(LITE, block=32, fp_mode="caller", visibility="default")
    assert other.report["schedule"] == "tuned on this machine"
    # Another block, a schedule that is forced, another target: nothing was measured for those.
    assert schedc.compile(LITE, block=48).report["schedule"] == "cost model"
    assert schedc.compile(LITE, target="m33", block=32).report["schedule"] == "cost model"


@pytest.mark.usefixtures("cache")
def test_a_schedule_file_beats_a_kept_schedule(tmp_path: Path) -> None:
    keep_tuned(read_capture(LITE).graph, make_options("host"), SLOW)
    file = tmp_path / "schedule.yaml"
    file.write_text("kernels: {'*': {tile_vectors: 2}}", encoding="utf-8")
    assert schedc.compile(LITE, schedule=file).report["schedule"] == "schedule file"


@pytest.mark.usefixtures("cache")
def test_the_command_measures_keeps_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ROUNDS", 1), ("PASSES", 1), ("PASS_NS", 1)):
        monkeypatch.setattr(f"schedc.measure.schedules.{name}", value)
    monkeypatch.setattr("schedc.commands.tune.MOST_SCHEDULES", 3)
    assert main(["bench", str(LITE), "--tune", "--block", "16", "--json"]) == 0
    (tuning,) = json.loads(capsys.readouterr().out)
    assert tuning["block"] == 16 and tuning["kept"] and len(tuning["schedules"]) == 3
    assert tuning["chosen"] in [row["schedule"] for row in tuning["schedules"]]
    assert schedc.compile(LITE, block=16).report["schedule"] == "tuned on this machine"
    assert main(["bench", str(LITE), "--tune", "--block", "16"]) == 0
    assert "<- kept" in capsys.readouterr().out


def test_without_a_cache_nothing_is_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", "off")
    monkeypatch.setattr("schedc.commands.tune.MOST_SCHEDULES", 1)
    assert main(["bench", str(LITE), "--tune"]) == 0
    assert "It cannot be kept: the cache is off" in capsys.readouterr().out


def test_the_example_ranks_and_its_models_are_captures(tmp_path: Path) -> None:
    path = LITE.parents[1] / "predicted_and_measured.py"
    spec = importlib.util.spec_from_file_location("predicted_and_measured", path)
    assert spec and spec.loader
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.ranks([3.0, 1.0, 2.0, 2.0]).tolist() == [4.0, 1.0, 2.5, 2.5]
    agreeing = [
        ScheduleTime(Label("", ""), predicted, predicted**2, ScheduleOverrides()) for predicted in (1.0, 2.0, 3.0)
    ]
    assert example.spearman(agreeing) == pytest.approx(1.0)
    assert [len(read_capture(file, Reading(slim)).graph) > 10 for _, file, slim in example.models(tmp_path)] == [
        True
    ] * 6
