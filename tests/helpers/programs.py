"""Programs around an example capture: compiled objects in a folder, the signal they play, what they print."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from schedc.api import make_artifact
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.ir.contract import Contract
from schedc.options import make_options
from schedc.reference import interpret

EXAMPLES = Path(__file__).parents[2] / "examples"
FUSED = Contract()
SAMPLES = 2000  # as in examples/common/test_signal.h
WARNINGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings")


def need_avx2() -> None:
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this machine cannot run AVX2 code")


def run(*command: str | Path) -> str:
    """Run a tool and return what it printed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LC_ALL": "C"},  # what tools say is compared
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def build(
    capture: str, target: str, cores: int, folder: Path, object_format: str = "elf", visibility: str = "hidden"
) -> None:
    """Compile an example capture into ``folder`` under the name that the example programs expect."""
    source = read_capture(EXAMPLES / "captures" / f"{capture}.nam")
    options = make_options(target, cores, block=48, object_format=object_format, visibility=visibility)
    make_artifact(compile_graph(source.graph, options, "capture"), source).write(folder)


def generated_signal() -> npt.NDArray[np.float32]:
    """next_sample() of examples/common/test_signal.h, SAMPLES times."""
    seed, samples = 1, []
    for _ in range(SAMPLES):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        samples.append(((seed >> 8) - 8388608) * 2.0**-24)
    return np.array(samples, np.float32)


@functools.cache
def wanted(capture: str, contract: Contract) -> str:
    """What a program that computes the interpreter's bits prints."""
    path = EXAMPLES / "captures" / f"{capture}.nam"
    output = interpret(path, generated_signal(), precision="float32", contract=contract)
    digest = 2166136261
    for byte in output.astype("<f4").tobytes():
        digest = ((digest ^ byte) * 16777619) & 0xFFFFFFFF
    return f"checksum {digest:08x}\n"
