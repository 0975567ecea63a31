"""A user's script under mypy and pyright, both strict: right code is right, and every slip is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from helpers.toolchains import need

import schedc
from schedc.reports.report import KernelFacts
from schedc.reports.schema import KernelReport, Report

ROOT = Path(__file__).parents[2]
WRONG = "  # wrong"
SCRIPT = """\
from pathlib import Path

import numpy as np

import schedc

capture = Path("amp.nam")
artifact = schedc.compile(capture, target="m33", cores=2, mac="unfused", nonfinite="zero")
size: int = artifact.report["bytes"]["code"]
load: float = artifact.report["estimate"]["load_of_slowest_core"]
names: list[str] = [kernel["name"] for kernel in artifact.report["kernels"]]
fast: bool = artifact.report["contract"]["math"] == "fast"
schedc.compile([capture, "cab.nam", b"room.nam"], Path("my_board.yaml"), object_format="coff", split=[3], name="x")
blob: bytes = schedc.pack(capture, artifact, slim=0.5)
paths: list[Path] = artifact.write("build")
with schedc.load([capture, "cab.nam"], block=64, cores=2, prewarm=False) as processor:
    x = np.zeros(480)
    y = processor.process(x)
    processor.process([0.0, 0.5], out=np.empty(2, np.float32))
    weights: schedc.Weights = processor.pack("other.nam")
    processor.set_weights(weights, crossfade=480)
    memory: schedc.MemoryUse = processor.memory_bytes
    print(y.dtype, memory.state + size, processor.latency_samples, names, load, fast, blob, paths)
try:
    reference = schedc.interpret([capture], x, precision="float32", contract=schedc.Contract(mac="unfused"))
    print(reference.shape)
except schedc.UserError as error:
    print(error.where, error.what, error.remedy)

print(artifact.report["bytes"]["codes"])  # wrong
text: str = artifact.report["bytes"]["code"]  # wrong
schedc.compile(capture, mac="nonsense")  # wrong
schedc.compile(capture, target="m7")  # wrong
schedc.compile(capture, blok=64)  # wrong
schedc.load(capture, block="64")  # wrong
schedc.load(capture, math="quick")  # wrong
schedc.load(3)  # wrong
schedc.interpret(capture, x, precision="float16")  # wrong
schedc.interpret(capture, x, nonfinite="clip")  # wrong
schedc.pack(capture, artifact, cores=2)  # wrong
processor.set_weights(3)  # wrong
processor.proces(x)  # wrong
schedc.nonsense()  # wrong
"""
SLIPS = [number for number, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith(WRONG)]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def printed(*command: object, folder: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 1, done.stdout + done.stderr  # slips were found
    return done.stdout


def test_mypy_finds_the_slips_and_nothing_else(script: Path) -> None:
    options = ("--strict", "--follow-imports=silent", "--no-error-summary", "--hide-error-context", "--no-pretty")
    (script.parent / "mypy.ini").write_text(f"[mypy]\nmypy_path = {ROOT}\n")
    out = printed(sys.executable, "-m", "mypy", *options, script.name, folder=script.parent)
    found = [line.split(":", 3) for line in out.splitlines()]
    assert {where for where, *_ in found} == {script.name}, out
    assert sorted({int(line) for _, line, kind, _ in found if kind == " error"}) == SLIPS, out


def test_pyright_finds_the_slips_and_nothing_else(script: Path) -> None:
    need("node")
    settings = {"typeCheckingMode": "strict", "include": [script.name], "extraPaths": [str(ROOT)]}
    (script.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    command = (sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable)
    found: dict[str, Any] = json.loads(printed(*command, folder=script.parent))
    slips = found["generalDiagnostics"]
    assert {one["file"] for one in slips} == {str(script)}, slips
    assert sorted({one["range"]["start"]["line"] + 1 for one in slips}) == SLIPS, slips


def check(value: Any, hint: Any, where: str) -> None:
    """That a value is what its type says, key by key and in order."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        assert list(value) == list(get_type_hints(hint)), where
        for key, inner in get_type_hints(hint).items():
            check(value[key], inner, f"{where}.{key}")
    elif origin is list:
        assert type(value) is list, where
        for index, item in enumerate(value):
            check(item, arguments[0], f"{where}[{index}]")
    elif origin is Literal:
        assert value in arguments, where
    else:
        kinds = (dict,) if origin is dict else arguments or (hint,)  # of a union, or the class itself
        fits = type(value) in kinds or (type(value) is int and float in kinds)
        assert fits, f"{where}: {value!r} is no {hint}"


def test_a_report_is_what_its_type_says(wavenet: Path) -> None:
    cases = [
        schedc.compile(wavenet, target="m33", cores=2, split=[2], core_speeds=[1, 0.5]),
        schedc.compile(wavenet, target="a8", mac="unfused"),
        schedc.compile(wavenet, block=16, nonfinite="zero", math="fast"),
    ]
    for artifact in cases:
        check(artifact.report, Report, "report")
        check(json.loads(artifact.files()[f"{artifact.name}.json"]), Report, "report")


def test_kernels_are_told_by_their_facts() -> None:
    assert get_type_hints(KernelReport) == get_type_hints(KernelFacts)
