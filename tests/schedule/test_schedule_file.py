"""Schedule files: what they may say, the words of their refusals, and that they reproduce a choice."""

from __future__ import annotations

from pathlib import Path

import pytest

import schedc
from schedc.compiler import compile_graph
from schedc.errors import UserError
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.schedule_file import decisions, read_schedule, schedule_text
from schedc.targets.names import TargetName

CAPTURE = Path(__file__).resolve().parents[2] / "examples" / "captures" / "a2_lite.nam"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "FILE: is not a mapping of names"),
        ("kernel: {}", "FILE: 'kernel' cannot be set; known: fusion, kernels, rings"),
        ("rings: {most_blocks: 0}", "FILE: rings.most_blocks: 0 is not a whole number from 1 to 1024"),
        ("rings: {policy: lazy}", "FILE: rings.policy: 'lazy' is not a ring policy; use one of rewind, mirror"),
        ("rings: {colour: 2}", "FILE: rings.colour: 2 is neither true nor false"),
        ("kernels: {a: {tile: 2}}", "FILE: kernels.a: 'tile' cannot be set; known: lanes, tile_vectors, "),
        ("kernels: {a: {tile_vectors: 0}}", "FILE: kernels.a.tile_vectors: 0 is not a whole number from 1 to 32"),
        ("kernels: {a: {tile_vectors: true}}", "FILE: kernels.a.tile_vectors: true is not a whole number"),
        ("kernels: {a: {interleave: 1}}", "FILE: kernels.a.interleave: 1 is neither true nor false"),
        ("kernels: {a: {weight_route: bus}}", "FILE: kernels.a.weight_route: 'bus' is not a weight route; use one"),
        ("kernels: {a: [", "FILE: is not YAML: "),
    ],
)
def test_a_file_that_says_too_much_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_schedule(file)
    assert str(caught.value).startswith(words.replace("FILE", str(file)))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file; give a schedule file"):
        read_schedule(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("target", "text", "words"),
    [
        ("m33", "kernels: {array0.layr3: {tile_vectors: 2}}", "no kernel 'array0.layr3'; did you mean array0.layer3"),
        ("m33", "kernels: {'*': {weight_route: lane}}", "weight_route lane on m33; use scalar"),
        ("avx2", "kernels: {'*': {weight_route: scalar}}", "weight_route scalar on avx2; use broadcast or lane"),
        ("m33", "kernels: {'*': {align_taps: true}}", "align_taps needs vectors of frames"),
        ("avx2", "kernels: {'*': {share_taps: true}}", "share_taps needs convolutions of dilation 1 and few channels"),
        (
            "avx2",
            "kernels: {'*': {tile_vectors: 4, weight_vectors: 3}}",
            "weight_vectors 3 does not divide tile_vectors 4",
        ),
    ],
)
def test_a_schedule_that_cannot_be_lowered_is_refused(
    target: TargetName, text: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        schedc.compile(CAPTURE, target=target, schedule=file)


@pytest.mark.parametrize("target", ["m33", "a8", "aarch64", "avx512"])
def test_the_written_file_reproduces_the_code(target: str, tmp_path: Path) -> None:
    graph = read_capture(CAPTURE).graph
    chosen = compile_graph(graph, make_options(target))
    file = tmp_path / "schedule.yaml"
    file.write_text(schedule_text(decisions(chosen.program)), encoding="utf-8")
    again = compile_graph(graph, make_options(target, schedule=file))
    assert again.program.schedules == chosen.program.schedules
    assert again.code.elf == chosen.code.elf


def test_a_schedule_changes_the_code(tmp_path: Path) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text("rings: {most_blocks: 3}\nkernels: {'*': {tile_vectors: 1}}", encoding="utf-8")
    plain, forced = (schedc.compile(CAPTURE, target="m33", schedule=path) for path in (None, file))
    assert plain.code != forced.code
