"""What is said about cores: numbers, picture, command line, report."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers.captures import EXAMPLES

import schedc
from schedc.cli.main import main
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.planning import plan_graph
from schedc.reports.balance import Balance, StageLoad, balance_of
from schedc.reports.gantt import bars, gantt_svg

LITE = {path.stem: path for path in EXAMPLES}["a2_lite"]


def hand_made() -> Balance:
    """Two stages of 10 and 6 + 2 cycles per sample, blocks of 4: the first core is never waiting."""
    return Balance(
        stages=(
            StageLoad(("a", "b"), 0, 2, 1.0, 9.0, 0.5, 0.5),
            StageLoad(("c", "c"), 2, 3, 0.5, 3.0, 0.5, 0.5),
        ),
        block=4,
        latency_samples=4,
        latency_ms=0.1,
        single_core_cycles=12.0,
        alternatives=(),
    )


def test_bars_of_a_hand_made_balance() -> None:
    drawn = bars(hand_made(), 3)
    assert [(bar.begin, bar.end) for bar in drawn if bar.stage == 0] == [(0, 40), (40, 80), (80, 120)]
    assert [(bar.begin, bar.end) for bar in drawn if bar.stage == 1] == [(40, 72), (80, 112), (120, 152)]
    assert [bar.handoff for bar in drawn[:2]] == [4.0, 8.0]
    assert hand_made().speed_up == 1.2
    assert hand_made().cuts == (2,)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_picture_is_well_formed_and_inside_its_frame(cores: int) -> None:
    options = make_options("m33", cores, 48)
    program = plan_graph(read_capture(LITE).graph, options).program
    root = ElementTree.fromstring(gantt_svg(balance_of(program, options, 48000.0), "A2 & <more>", blocks=6))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [element.attrib for element in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(boxes) == 1 + 2 * 6 * cores
    for box in boxes:
        assert float(box.get("x", 0)) + float(box["width"]) <= width
        assert float(box.get("y", 0)) + float(box["height"]) <= height
    assert_texts_are_inside(root)


def assert_texts_are_inside(root: ElementTree.Element) -> None:
    """By the length that usual fonts give them, six tenths of their size a character."""
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        length = len(text.text or "") * float(text.get("font-size", 12)) * 0.6
        before = {"start": 0.0, "middle": length / 2, "end": length}[text.get("text-anchor", "start")]
        left = float(text.attrib["x"]) - before
        assert left >= 0 and left + length <= float(root.attrib["width"]), text.text


def test_long_names_widen_the_picture() -> None:
    stages = tuple(StageLoad(("a_kernel" * 9, "another_kernel" * 9), n, n + 1, 1.0, 8e5, 1.0, 2.0) for n in range(2))
    picture = ElementTree.fromstring(gantt_svg(Balance(stages, 8192, 1, 1.0, 1.0, ()), "a_long_name" * 20))
    assert_texts_are_inside(picture)
    bars_begin = min(
        float(box.attrib["x"]) for box in picture.iter("{http://www.w3.org/2000/svg}rect") if "x" in box.attrib
    )
    names = [text for text in picture.iter("{http://www.w3.org/2000/svg}text") if "kernel" in (text.text or "")]
    for name in names:
        assert float(name.attrib["x"]) + len(name.text or "") * 9 * 0.6 <= bars_begin


def test_picture_of_a_model_that_costs_nothing() -> None:
    free = Balance((StageLoad(("a", "a"), 0, 1, 1.0, 0.0, 0.0, 0.0),), 4, 0, 0.0, 0.0, ())
    assert free.speed_up == 1.0
    ElementTree.fromstring(gantt_svg(free, "nothing"))


def test_explain_shows_the_balance(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "cores.svg"
    arguments = ["explain", str(LITE), "-t", "m33", "--block", "48", "--core-speed", "1,0.8", "--gantt", str(picture)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "times the throughput of one core is predicted, 48 samples (1 ms) later." in printed
    assert "next best: " in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 120  # the last line holds a path
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_compile_for_unequal_cores(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for speeds in ("1,1", "1,0.4"):
        folder = tmp_path / speeds
        assert main(["compile", str(LITE), "-t", "m33", "--core-speed", speeds, "-o", str(folder)]) == 0
    reports = [json.loads((tmp_path / s / "a2_lite.json").read_text())["balance"] for s in ("1,1", "1,0.4")]
    assert reports[0]["split"] < reports[1]["split"]
    assert reports[1]["core_speeds"] == [1.0, 0.4]
    capsys.readouterr()
    assert main(["compile", str(LITE), "-t", "m33", "--core-speed", "1,fast", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "schedc: --core-speed: '1,fast' is not a list of numbers; write it like 1,0.8\n"


def test_forced_split_is_reported_with_the_better_ones() -> None:
    report = schedc.compile(LITE, target="m33", cores=2, split=(3,)).report
    assert report["balance"]["split"] == [3]
    assert len(report["balance"]["runners_up"]) == 4


def test_run_takes_the_latency_off(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = LITE.parent / "di.wav"
    for cores in (1, 3):
        assert main(["run", str(LITE), str(source), str(tmp_path / f"{cores}.wav"), "--cores", str(cores)]) == 0
    assert (tmp_path / "1.wav").read_bytes() == (tmp_path / "3.wav").read_bytes()


def test_bench_compares_threads(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedc.measure.cores.ROUNDS", 3)
    monkeypatch.setattr("schedc.measure.cores.ROUND_FRAMES", 2000)
    monkeypatch.setattr("schedc.measure.bench.PASSES", 3)
    monkeypatch.setattr("schedc.measure.bench.WARM_UP_NS", 1)
    monkeypatch.setattr("schedc.measure.bench.TIMED_NS", 1)
    assert main(["bench", str(LITE), "--block", "32", "--cores", "3", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["threads"]
    assert (found["block"], found["cores"], found["latency_samples"]) == (32, 3, 64)
    assert found["speed_up"] > 0
    assert main(["bench", str(LITE), "--block", "32", "--cores", "1"]) == 2
    assert capsys.readouterr().err == "schedc: --cores: 1 cores; give 2 to 8 to compare with one\n"
