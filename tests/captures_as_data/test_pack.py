"""Packing for code that was compiled before: the same bytes, no LLVM, refusals in words.

``SCHEDC_LONG=1`` alters and damages 4,000 reports of each of three captures.
"""

from __future__ import annotations

import base64
import json
import random
import re
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.counting import peak_bytes
from helpers.effort import LONG
from helpers.mutations import altered, damaged

import schedc
from schedc.api import compile_chosen
from schedc.artifact import Artifact
from schedc.errors import ArchitectureMismatch, UserError
from schedc.frontend.chains import read_source
from schedc.host.start_state import silent_rows
from schedc.options import choose
from schedc.packs import packing_for, read_compiled
from schedc.passes.core import core_graph, core_weights

BY_NAME = {path.stem: path for path in EXAMPLES}
A2_LITE = BY_NAME["a2_lite"]
COUNT = 4000 if LONG else 100


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
        ("nothing", "odd.json: is not a report (not JSON: Expecting value (line 1, column 1)); give the .json of"),
        ("[]", "odd.json: is not a report; give the .json of a compilation"),
        ("{} {}", "odd.json: is not a report; give the .json of a compilation"),
        ("[" * 100000, "odd.json: is not a report (objects and arrays nest too deeply (limit 100)); give the .json"),
        ('{"a": 1, "a": 2}', "odd.json: is not a report (key 'a' appears more than once); give the .json"),
        ("9" * 5000, "odd.json: is not a report (holds an integer of thousands of digits); give the .json"),
        ("{}", "odd.json:packing: has no packing list; give the .json that `schedc compile` wrote, or compile again"),
        ('{"packing": []}', "odd.json:packing: has no packing list; give the .json that `schedc compile` wrote, or"),
        ('{"packing": {}}', "odd.json:packing.blob_format: this key is missing; compile again with this version"),
        (
            '{"packing": {"blob_format": 9}}',
            "odd.json:packing.blob_format: is for blobs of format 9, this version writes 1; compile again",
        ),
        ('{"packing": {"blob_format": 1}}', "odd.json:packing.architecture: this key is missing; compile again"),
    ],
)
def test_what_is_not_a_report_is_said(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    assert refusal(path).removeprefix(f"{tmp_path}/").startswith(words)


def refusal(report: object, prewarm: bool = False) -> str:
    """Of packing A2-Lite with it: one line, not too long."""
    with pytest.raises(UserError) as caught:
        schedc.pack(A2_LITE, report, prewarm=prewarm)  # type: ignore[arg-type]
    line = str(caught.value)
    assert len(line) < 1000 and line.isprintable()
    return line


def test_a_missing_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        schedc.pack(A2_LITE, tmp_path / "none.json")


ZEROS = base64.b64encode(zlib.compress(bytes(1 << 26))).decode()  # 64 MiB


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("blob_bytes", 10, "blob_bytes: expected an integer from 64 to 2147483647, found 10"),
        ("blob_bytes", 2**40, "blob_bytes: expected an integer from 64 to 2147483647, found 1099511627776"),
        ("blob_bytes", "8384", "blob_bytes: expected an integer, found '8384'"),
        ("blob_bytes", 2**30, "blob_bytes: 1073741824 bytes, where the last start state ends at "),
        ("sources", "AAAA", "sources: cannot be unpacked (Error -3 while decompressing data: "),
        ("sources", "eJwDAAAAAAE=", "sources: does not unpack to "),
        ("sources", "\u00e4", "sources: cannot be unpacked (string argument should contain only ASCII"),
        ("sources", 7, "sources: expected a string, found 7"),
        ("sources", ZEROS, "sources: does not unpack to "),
        ("layout_digest", "00", "layout_digest: expected 32 hexadecimal digits, found '00'"),
        ("constants", [[0, [1]]], "constants[0][0]: expected an integer from 64 to 2147483647, found 0"),
        ("constants", [[64, [2**40]]], "constants[0][1][0]: expected an integer from 0 to 4294967295, found 1099"),
        ("constants", [[64, [True]]], "constants[0][1][0]: expected an integer, found true"),
        ("constants", [[66, [1]]], "constants[0]: 1 constants at byte 66 of "),
        ("constants", [[2**30, [1]]], "constants[0]: 1 constants at byte 1073741824 of "),
        ("constants", [[64]], "constants[0]: the array has 1 entries, not 2"),
        ("constants", [[64, [1]]] * 10**4, "constants: the array has 10000 entries (limit "),
        ("start_state", [["input", 2**30, 1, 1]], "start_state[0]: there is no start state like that of 'input'"),
        ("start_state", [["nothing", 8384, 3, 1]], "start_state[0]: there is no start state like that of 'nothing'"),
        ("start_state", [["array0.rechannel", 8384, 5, 1]], "start_state[0]: there is no start state like that of"),
        ("start_state", [["array0.rechannel", 8384, 3, 1, 2]], "start_state[0]: there is no start state like that of"),
        ("start_state", [["array0.rechannel", 8384, 3 * 10**8, 10**8]], "start_state[0]: there is no start state like"),
        ("start_state", [["array0.rechannel.cells", 8384, 6, 3]], "start_state[0]: there is no start state like that"),
        ("start_state", [["array0.layer0.conv", 8384, 3, 1, 9]], "start_state[0]: there is no start state like that"),
        ("start_state", [["array0.rechannel", 8384, 3, 1, 1, 1]], "start_state[0]: the array has 6 entries (limit 5)"),
        ("start_state", [["array0.rechannel", -4, 3, 1]], "start_state[0][1]: expected an integer from 0 to 2147"),
        ("start_state", [["array0.rechannel", 0, 3, 1]], "blob_bytes: "),
        ("start_state", [["array0.rechannel", 2**30, 3, 1]], "blob_bytes: "),
        ("start_state", [["array0.rechannel", 8384, 3, 1]] * 9, "start_state"),
        ("start_state", {}, "start_state: expected an array, found an object"),
        ("start_state", [], "sources: does not unpack to "),
        ("contract", False, "contract: expected an object, found false"),
        ("contract", {"mac": "twice"}, "contract.mac: expected fused or unfused, found 'twice'"),
        ("contract", {"mac": "fused"}, "contract.subnormals: this key is missing"),
        ("contract", {"mac": []}, "contract.mac: expected a string, found an array of 0"),
        ("architecture", 5, "architecture: expected an array, found 5"),
        ("architecture", [5], "architecture[0]: expected a string, found 5"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_packing_list_is_said(compiled: Artifact, key: str, value: object, words: str) -> None:
    packing = compiled.report["packing"]
    assert isinstance(packing, dict)
    assert refusal({**compiled.report, "packing": {**packing, key: value}}).startswith(f"the report:packing.{words}")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("slim", "half", "the report:slim: expected a number, found 'half'; compile again with this version"),
        ("slim", 2, "the report:slim: expected a number from 0 to 1, found 2; compile again with this version"),
        ("sample_rate_hz", 10**400, "the report:sample_rate_hz: expected a finite number, found 1000000"),
        ("sample_rate_hz", -1, "the report:sample_rate_hz: expected a number above 0, found -1; compile again"),
        ("sample_rate_hz", float("nan"), "the report:sample_rate_hz: expected a finite number, found nan; compile"),
        ("core_0_5_5_layer1x1_post_film", 1, "the report:core_0_5_5_layer1x1_post_film: expected true or false, "),
    ],
)  # fmt: skip
def test_what_else_is_wrong_with_a_report_is_said(compiled: Artifact, key: str, value: object, words: str) -> None:
    assert refusal({**compiled.report, key: value}).startswith(words)


def test_a_weight_that_does_not_exist_is_said(compiled: Artifact) -> None:
    packing = compiled.report["packing"]
    assert isinstance(packing, dict)
    steps = np.frombuffer(zlib.decompress(base64.b64decode(packing["sources"])), "<u4").copy()
    steps[10:11] += 10**6
    sources = base64.b64encode(zlib.compress(steps.tobytes())).decode()
    words = r"the report:packing\.sources: names weight \d+ of \d+; compile again with this version"
    assert re.fullmatch(words, refusal({**compiled.report, "packing": {**packing, "sources": sources}}))


def test_no_more_is_unpacked_than_the_architecture_needs(compiled: Artifact) -> None:
    """64 MiB of zeros are some 60 KiB in a report."""
    packing = compiled.report["packing"]
    assert isinstance(packing, dict)
    code = read_compiled({**compiled.report, "packing": {**packing, "sources": ZEROS}})
    graph = core_graph(read_source(A2_LITE).graph)

    def refused() -> None:
        with pytest.raises(UserError, match="sources: does not unpack to"):
            packing_for(graph, code, "amp.nam")

    assert peak_bytes(refused, 1 << 20) < 1 << 20


MADE_FOR = {"a2_lite": ("m33", 2), "lstm_1x16": ("avx512", 1), "convnet": ("a8", 3)}


@pytest.mark.parametrize("name", MADE_FOR)
def test_an_altered_report_packs_or_is_refused(name: str, tmp_path: Path) -> None:
    """In its values, and in its bytes; whatever it says, the blob is no larger than the architecture needs."""
    target, cores = MADE_FOR[name]
    choices = choose(target, {"cores": cores, "prewarm": False})
    report = json.loads(json.dumps(compile_chosen(BY_NAME[name], choices).report))
    text, path, made = json.dumps(report).encode(), tmp_path / "amp.json", 0
    capture = read_source(BY_NAME[name])
    graph = core_graph(capture.graph)
    weights = core_weights(graph, capture.weights)
    for seed in range(COUNT):
        rng = random.Random(f"{name} {seed}")
        compiled: Mapping[str, object] | Path = path
        if rng.random() < 0.3:
            path.write_bytes(damaged(text, rng))
        elif rng.random() < 0.7:
            compiled = {**report, "packing": altered(report["packing"], rng)}
        else:
            compiled = altered(report, rng)
        try:
            packing = packing_for(graph, read_compiled(compiled), "amp.nam")
            blob = packing.fill(graph, weights, silent_rows(graph, weights, packing.contract, 0))
            made += len(blob) == report["packing"]["blob_bytes"]
        except UserError as error:
            assert len(str(error)) < 1000 and str(error).isprintable()
    assert 0 < made < 0.9 * COUNT
