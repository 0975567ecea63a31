"""Packing for code that was compiled before: the same bytes, no LLVM, refusals in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.captures import EXAMPLES

import schedc
from schedc.artifact import Artifact
from schedc.errors import ArchitectureMismatch, UserError

BY_NAME = {path.stem: path for path in EXAMPLES}
A2_LITE = BY_NAME["a2_lite"]


@pytest.fixture(scope="module")
def compiled() -> Artifact:
    return schedc.compile(A2_LITE, target="m33", cores=2, block=48)


@pytest.fixture
def report(compiled: Artifact, tmp_path: Path) -> Path:
    path = tmp_path / "amp.json"
    path.write_text(json.dumps(compiled.report), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a2_lite", "lstm_1x16", "convnet", "a1_nano"])
@pytest.mark.parametrize("prewarm", [True, False])
def test_a_pack_is_the_blob_of_a_fresh_compilation(name: str, prewarm: bool) -> None:
    artifact = schedc.compile(BY_NAME[name], target="m33", prewarm=prewarm)
    assert schedc.pack(BY_NAME[name], artifact, prewarm=prewarm) == artifact.weights


def test_a_report_on_disk_is_enough(report: Path, compiled: Artifact) -> None:
    assert schedc.pack(A2_LITE, report) == compiled.weights


def test_packing_never_loads_llvm(report: Path) -> None:
    code = (
        "import sys, schedc\n"
        f"schedc.pack({str(A2_LITE)!r}, {str(report)!r})\n"
        "assert not [m for m in sys.modules if m.startswith('llvmlite')]"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_another_architecture_is_refused_by_its_first_difference(report: Path) -> None:
    with pytest.raises(ArchitectureMismatch) as caught:
        schedc.pack(BY_NAME["a2"], report)
    assert str(caught.value) == (
        f"{BY_NAME['a2']}: another architecture: it has array0.rechannel = conv(in_channels=1, out_channels=8, "
        "start=nothing) input, the code has array0.rechannel = conv(in_channels=1, out_channels=3, start=nothing) "
        "input; compile it instead"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nothing", "is not a report (not JSON)"),
        ("[]", "is not a report"),
        ("{}", "has no packing list"),
        ('{"packing": {"blob_format": 9}}', "is for blobs of format 9, this version writes 1"),
        ('{"packing": {"blob_format": 1}}', "has a damaged packing list"),
        ("[" * 100000, "is not a report (not JSON)"),
    ],
)
def test_what_is_not_a_report_is_said(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words.replace("(", r"\(").replace(")", r"\)")):
        schedc.pack(A2_LITE, path)


def test_a_missing_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        schedc.pack(A2_LITE, tmp_path / "none.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blob_bytes", 10),
        ("blob_bytes", 2**40),
        ("sources", "AAAA"),
        ("sources", "eJwDAAAAAAE="),
        ("layout_digest", "00"),
        ("constants", [[0, [1]]]),
        ("constants", [[64, [2**40]]]),
        ("start_state", [["input", 2**30, 1, 1]]),
        ("start_state", [["nothing", 8384, 3, 1, 1]]),
        ("start_state", [["array0.rechannel", 8384, 5, 1, 1]]),
        ("start_state", [["array0.rechannel", 8384, 3, 1, 2]]),
        ("start_state", [["array0.rechannel.cells", 8384, 6, 3, 1]]),
        ("start_state", [["array0.layer0.conv", 8384, 3, 1, 9]]),
        ("start_state", [["array0.rechannel", 8384, 3, 1, 1, 1]]),
        ("start_state", [["head", 8384, 1, 1, 1]]),
        ("contract", {"mac": "twice"}),
        ("architecture", 5),
    ],
)
def test_a_damaged_packing_list_is_an_error(compiled: Artifact, key: str, value: object) -> None:
    packing = compiled.report["packing"]
    assert isinstance(packing, dict)
    report = {**compiled.report, "packing": {**packing, key: value}}
    with pytest.raises(UserError):
        schedc.pack(A2_LITE, report)
