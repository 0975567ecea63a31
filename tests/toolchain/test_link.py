"""The emitted objects in real programs: linked by Debian's compilers, run under QEMU, compared bit for bit.

Each program hashes the output for the same generated signal; the wanted hash is that of the float32
interpreter under the target's contract.  A missing tool skips its tests, unless SCHEDC_REQUIRE_TOOLCHAINS=1
makes that a failure.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from helpers.programs import EXAMPLES, FUSED, WARNINGS, build, need_avx2, run, wanted
from helpers.toolchains import need, without_randomisation

from schedc.ir.contract import Contract

STUBS = Path(__file__).parent / "stubs"
UNFUSED_FLUSH = Contract("unfused", "flush")
CAPTURES = ("a2_lite", "a1_nano")
CORTEX_M33 = ("arm-none-eabi-gcc", "-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16")
LINUX = {
    "aarch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), FUSED),
    "a8": (
        "arm-linux-gnueabihf-gcc",
        ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf", "-cpu", "cortex-a8"),
        UNFUSED_FLUSH,
    ),
    "avx2": ("gcc", (), FUSED),
}


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("capture", CAPTURES)
def test_cortex_m33_firmware_by_either_float_convention(tmp_path: Path, capture: str, cores: int) -> None:
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    build(capture, "m33", cores, tmp_path)
    assert "There are no relocations" in run("arm-none-eabi-readelf", "-r", tmp_path / "capture.o")
    for float_abi in ("hard", "softfp"):
        options = (f"CAPTURE={tmp_path}", f"CORES={cores}", f"FLOAT_ABI={float_abi}")
        command = ("make", "-s", "-C", EXAMPLES / "firmware_qemu", *options)
        at_once = 0
        for _ in range(100):  # on one processor the emulated cores take turns: most runs then have no such block
            checksum, _, rest = run(*command, "run").partition("\n")
            assert f"{checksum}\n" == wanted(capture, FUSED)
            at_once = int(rest.removeprefix("blocks at once ") or "0", 16)
            if cores == 1 or at_once:
                break
        attributes = run("arm-none-eabi-readelf", "-A", tmp_path / f"firmware_{float_abi}_{cores}.elf")
        assert ("Tag_ABI_VFP_args: VFP registers" in attributes) == (float_abi == "hard")
        assert (at_once > 0) == (cores == 2)  # both cores were inside their stages at the same moment


@pytest.mark.parametrize("target", LINUX)
@pytest.mark.parametrize("capture", CAPTURES)
def test_linux_program(tmp_path: Path, capture: str, target: str) -> None:
    compiler, emulator, contract = LINUX[target]
    need(compiler, *emulator[:1])
    if target == "avx2":
        need_avx2()
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


@pytest.mark.parametrize("cores", [1, 2])
def test_cmake_project_links(tmp_path: Path, cores: int) -> None:
    need("cmake", "gcc", "make")
    build("a2_lite", "avx2", cores, tmp_path)
    project = (f"-DCAPTURE_DIR={tmp_path}", "-DCMAKE_C_COMPILER=gcc", "-G", "Unix Makefiles")
    run("cmake", "-S", EXAMPLES / "linux_host", "-B", tmp_path / "cmake", *project)
    run("cmake", "--build", tmp_path / "cmake")
    assert (tmp_path / "cmake" / "linux_host").exists()
    assert (tmp_path / "cmake" / "linux_host_threads").exists() == (cores == 2)


@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize("capture", CAPTURES)
def test_stages_on_posix_threads(tmp_path: Path, capture: str, cores: int) -> None:
    need("gcc")
    need_avx2()
    build(capture, "avx2", cores, tmp_path)
    sources = (EXAMPLES / "linux_host" / "main_threads.c", tmp_path / "capture.o")
    folders = (f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}")
    run("gcc", *WARNINGS, "-pthread", *folders, *sources, "-o", tmp_path / "program")
    assert run(tmp_path / "program", tmp_path / "capture_weights.bin") == wanted(capture, FUSED)


@pytest.mark.parametrize("sanitizer", [(), ("-fsanitize=thread", "-g")], ids=["plain", "thread_sanitizer"])
@pytest.mark.parametrize("cores", [2, 3])
def test_stalled_stages_drop_blocks_and_damage_none(tmp_path: Path, cores: int, sanitizer: tuple[str, ...]) -> None:
    need("gcc")
    need_avx2()
    build("a1_nano", "avx2", cores, tmp_path)
    sources = (Path(__file__).parent / "pipeline_stress.c", tmp_path / "capture.o")
    folders = (f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}", f"-I{EXAMPLES / 'linux_host'}")
    flags = (*WARNINGS, "-D_POSIX_C_SOURCE=200809L", "-pthread", *sanitizer)
    run("gcc", *flags, *folders, *sources, "-o", tmp_path / "program")
    first = without_randomisation() if sanitizer else ()
    for slow in range(cores + 1):
        printed = run(*first, tmp_path / "program", tmp_path / "capture_weights.bin", "2000", str(slow))
        counts = dict(zip(printed.split()[::2], map(int, printed.split()[1::2]), strict=True))
        assert counts["in"] == counts["out"] == 2000 - counts["overruns"]
        assert counts["overruns"] > 0  # or nothing was put to the test
        assert counts["underruns"] > 0


@pytest.mark.parametrize("compiler", ["gcc -std=c11 -xc", "g++ -std=c++11 -xc++"])
@pytest.mark.parametrize("cores", [2, 3, 8])
def test_pipeline_header_is_clean_c_and_cpp(tmp_path: Path, cores: int, compiler: str) -> None:
    need(compiler.split()[0])
    build("a2_lite", "avx2", cores, tmp_path)
    (tmp_path / "use.c").write_text(
        '#include "capture_pipeline.h"\n'
        "void use(capture_pipeline *p, float *x) { capture_process_partitioned(p, x, x, 1); }\n"
    )
    run(
        *compiler.split(),
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-c",
        tmp_path / "use.c",
        "-o",
        tmp_path / "use.o",
    )


def test_process_partitioned_is_process_on_one_core(tmp_path: Path) -> None:
    need("gcc")
    need_avx2()
    build("a2_lite", "avx2", 4, tmp_path)
    source = (EXAMPLES / "linux_host" / "main.c").read_text()
    for old, new in (
        ('"capture.h"', '"capture_pipeline.h"'),
        ("static _Alignas(64) unsigned char state[CAPTURE_STATE_BYTES];", "static capture_pipeline state;"),
        ("capture_init(state", "capture_pipeline_init(&state"),
        ("capture_process(state, weights, ", "capture_process_partitioned(&state, "),
    ):
        assert old in source
        source = source.replace(old, new)
    (tmp_path / "main.c").write_text(source)
    folders = (f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}", f"-I{EXAMPLES / 'linux_host'}")
    run("gcc", *WARNINGS, *folders, tmp_path / "main.c", tmp_path / "capture.o", "-o", tmp_path / "program")
    assert run(tmp_path / "program", tmp_path / "capture_weights.bin") == wanted("a2_lite", FUSED)


@pytest.mark.parametrize("float_abi", ["hard", "softfp"])
@pytest.mark.parametrize("main", ["main.c", "main_two_cores.c"])
def test_pico2_example_against_stub_headers(tmp_path: Path, main: str, float_abi: str) -> None:
    need(CORTEX_M33[0])
    build("a2_lite", "m33", 2, tmp_path)
    sources = (EXAMPLES / "pico2" / main, tmp_path / "capture_weights.S", tmp_path / "capture.o")
    flags = (*CORTEX_M33, f"-mfloat-abi={float_abi}", *WARNINGS, "-ffreestanding", "-nostdlib", "-r")
    run(*flags, f"-I{STUBS}", f"-I{tmp_path}", *sources, "-o", tmp_path / "pico2.o")
    undefined = run("arm-none-eabi-nm", "-u", tmp_path / "pico2.o").split()[1::2]
    known = {"panic", "printf", "stdio_init_all", "time_us_64"}
    known |= {"multicore_launch_core1"} if main == "main_two_cores.c" else set()
    assert {name for name in undefined if not name.startswith("__aeabi_")} == known
