"""The emitted objects in real programs: linked by Debian's compilers, run under QEMU, compared bit for bit.

Each program hashes the output for the same generated signal; the wanted hash is that of the float32
interpreter under the target's contract.  A missing tool skips its tests, unless SCHEDC_REQUIRE_TOOLCHAINS=1
makes that a failure.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from schedc.api import make_artifact
from schedc.compiler import compile_graph, make_options, read_capture
from schedc.ir.contract import Contract
from schedc.reference import interpret

EXAMPLES = Path(__file__).parents[2] / "examples"
STUBS = Path(__file__).parent / "stubs"
FUSED, UNFUSED_FLUSH = Contract(), Contract("unfused", "flush")
CAPTURES = ("a2_lite", "a1_nano")
SAMPLES = 2000  # as in examples/common/test_signal.h
CORTEX_M33 = ("arm-none-eabi-gcc", "-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16")
WARNINGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings")
LINUX = {
    "aarch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), FUSED),
    "a8": (
        "arm-linux-gnueabihf-gcc",
        ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf", "-cpu", "cortex-a8"),
        UNFUSED_FLUSH,
    ),
    "avx2": ("gcc", (), FUSED),
}


def need(*tools: str) -> None:
    """Skip the test when a tool is missing, or fail it where the tools are required."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)} (README of examples/firmware_qemu and linux_host)"
    if os.environ.get("SCHEDC_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str | Path) -> str:
    """Run a tool and return what it printed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def build(capture: str, target: str, cores: int, folder: Path) -> None:
    """Compile an example capture into ``folder`` under the name that the example programs expect."""
    source = read_capture(EXAMPLES / "captures" / f"{capture}.nam")
    options = make_options(target, cores, block=48)
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


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("capture", CAPTURES)
def test_cortex_m33_firmware_by_either_float_convention(tmp_path: Path, capture: str, cores: int) -> None:
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    build(capture, "m33", cores, tmp_path)
    assert "There are no relocations" in run("arm-none-eabi-readelf", "-r", tmp_path / "capture.o")
    for float_abi in ("hard", "softfp"):
        options = (f"CAPTURE={tmp_path}", f"CORES={cores}", f"FLOAT_ABI={float_abi}")
        printed = run("make", "-s", "-B", "-C", EXAMPLES / "firmware_qemu", *options, "run")
        assert printed == wanted(capture, FUSED)


@pytest.mark.parametrize("target", LINUX)
@pytest.mark.parametrize("capture", CAPTURES)
def test_linux_program(tmp_path: Path, capture: str, target: str) -> None:
    compiler, emulator, contract = LINUX[target]
    need(compiler, *emulator[:1])
    if target == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this machine cannot run AVX2 code")
    build(capture, target, 1, tmp_path)
    sources = (EXAMPLES / "linux_host" / "main.c", tmp_path / "capture.o")
    program = tmp_path / "program"
    run(compiler, *WARNINGS, f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}", *sources, "-o", program)
    assert run(*emulator, program, tmp_path / "capture_weights.bin") == wanted(capture, contract)


def test_linux_program_refuses_foreign_weights(tmp_path: Path) -> None:
    need("gcc")
    build("a2_lite", "avx2", 1, tmp_path)
    sources = (EXAMPLES / "linux_host" / "main.c", tmp_path / "capture.o")
    program = tmp_path / "program"
    run("gcc", *WARNINGS, f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}", *sources, "-o", program)
    foreign = tmp_path / "foreign.bin"
    foreign.write_bytes(bytes(4096))
    done = subprocess.run([program, foreign], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "does not belong to this code (error 1)" in done.stderr


def test_cmake_project_links(tmp_path: Path) -> None:
    need("cmake", "gcc", "make")
    build("a2_lite", "avx2", 1, tmp_path)
    project = (f"-DCAPTURE_DIR={tmp_path}", "-DCMAKE_C_COMPILER=gcc", "-G", "Unix Makefiles")
    run("cmake", "-S", EXAMPLES / "linux_host", "-B", tmp_path / "cmake", *project)
    run("cmake", "--build", tmp_path / "cmake")
    assert (tmp_path / "cmake" / "linux_host").exists()


@pytest.mark.parametrize("float_abi", ["hard", "softfp"])
def test_pico2_example_against_stub_headers(tmp_path: Path, float_abi: str) -> None:
    need(CORTEX_M33[0])
    build("a2_lite", "m33", 2, tmp_path)
    sources = (EXAMPLES / "pico2" / "main.c", EXAMPLES / "common" / "weights.S", tmp_path / "capture.o")
    flags = (*CORTEX_M33, f"-mfloat-abi={float_abi}", *WARNINGS, "-ffreestanding", "-nostdlib", "-r")
    run(*flags, f"-I{STUBS}", f"-I{tmp_path}", *sources, "-o", tmp_path / "pico2.o")
    undefined = run("arm-none-eabi-nm", "-u", tmp_path / "pico2.o").split()[1::2]
    known = {"panic", "printf", "stdio_init_all", "time_us_64"}
    assert {name for name in undefined if not name.startswith("__aeabi_")} == known
