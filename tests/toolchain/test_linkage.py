"""Programs and shared libraries around a capture, by several compilers, C and C++, without a warning.

What they must show: the bits of the interpreter whatever floating-point mode the caller has set (play.c), no executable
stack, and no symbol that other modules of the process could meet.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.captures import capture_of, graph_of
from helpers.programs import EXAMPLES, FUSED, build, need_avx2, run, wanted
from helpers.toolchains import need

import schedc
from schedc.api import make_artifact
from schedc.compiler import compile_graph
from schedc.ir.contract import Contract
from schedc.ir.ops import Conv, LstmCell
from schedc.options import make_options

PLAY = Path(__file__).parent / "play.c"
WARNINGS = ("-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
LINK = "-Wl,--fatal-warnings"
MAIN = """
#include <stdint.h>
#include <stdio.h>
#ifdef __cplusplus
extern "C"
#endif
uint32_t play(void);
int main(void) { printf("checksum %08x\\n", (unsigned)play()); return 0; }
"""


@dataclass(frozen=True)
class Machine:
    """A target's programs: what runs them, the contract of the code, what its tools are called, how Clang knows it."""

    emulator: tuple[str, ...]
    contract: Contract
    prefix: str
    clang: tuple[str, ...]


MACHINES = {
    "avx2": Machine((), FUSED, "", ()),
    "aarch64": Machine(
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), FUSED, "aarch64-linux-gnu-", ("--target=aarch64-linux-gnu",)
    ),
    "a8": Machine(
        ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf", "-cpu", "cortex-a8"),
        Contract("unfused", "flush"),
        "arm-linux-gnueabihf-",
        ("--target=arm-linux-gnueabihf", "-mfpu=neon"),
    ),
}
HERE = [("gcc", "c99"), ("gcc", "c11"), ("clang", "c99"), ("g++", "c++11"), ("clang++", "c++11")]
ELSEWHERE = [("gcc", "c99"), ("clang", "c11"), ("g++", "c++11")]
CASES = [(target, *case) for target in MACHINES for case in (HERE if target == "avx2" else ELSEWHERE)]
Built = Callable[..., Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The files of a capture, compiled once: ``built(capture, target, visibility)``."""
    known: dict[tuple[str, ...], Path] = {}

    def find(capture: str, target: str, visibility: str = "hidden") -> Path:
        key = capture, target, visibility
        if key not in known:
            known[key] = tmp_path_factory.mktemp("capture")
            build(capture, target, 2, known[key], visibility=visibility)
        return known[key]

    return find


def compiler(target: str, name: str) -> tuple[str, ...]:
    """The command, for programs of the target; skips where it is missing or could not run them."""
    machine = MACHINES[target]
    command = (machine.prefix + name,) if "clang" not in name else (name, *machine.clang)
    need(command[0], machine.prefix + "gcc", machine.prefix + "readelf", *machine.emulator[:1])
    if target == "avx2":
        need_avx2()
    return (*command, *WARNINGS)


@pytest.mark.parametrize(("target", "name", "language"), CASES)
def test_programs_and_libraries(built: Built, tmp_path: Path, target: str, name: str, language: str) -> None:
    weights = "capture_weights.S" if language == "c11" else "capture_weights.c"
    command, folder, machine = compiler(target, name), built("a1_nano", target), MACHINES[target]
    (tmp_path / "main.c").write_text(MAIN)
    includes = (f"-I{folder}", f"-I{EXAMPLES / 'common'}", "-fPIC", "-DPLAY=play", f"-std={language}")
    kind = ("-x", "c++" if "++" in name else "c")
    objects = [folder / "capture.o"]
    sources = [PLAY, tmp_path / "main.c", *([folder / weights] if weights.endswith(".c") else [])]
    for source in sources:  # as C or C++, as the case may be
        objects.append(tmp_path / f"{source.stem}.o")
        run(*command, *includes, *kind, "-c", source, "-o", objects[-1])
    if weights.endswith(".S"):
        objects.append(tmp_path / "weights.o")
        run(*command, f"-I{folder}", "-c", folder / weights, "-o", objects[-1])
    program, library = tmp_path / "program", tmp_path / "libplay.so"
    run(*command, LINK, *objects, "-o", program)
    with_main = tmp_path / "main.o"
    run(*command, LINK, "-shared", *(file for file in objects if file != with_main), "-o", library)
    run(*command, LINK, with_main, library, f"-Wl,-rpath,{tmp_path}", "-o", tmp_path / "linked")
    for made in (program, library, tmp_path / "linked"):
        assert stack_flags(machine, made) == "RW"
    assert exported(machine, library) == {"play"}
    assert run(*machine.emulator, program) == run(*machine.emulator, tmp_path / "linked")
    assert run(*machine.emulator, program) == wanted("a1_nano", machine.contract)


def stack_flags(machine: Machine, file: Path) -> str:
    headers = run(machine.prefix + "readelf", "-lW", file)
    found = re.search(r"GNU_STACK +(?:0x\w+ +){5}([RWE ]{3})", headers)
    assert found, headers
    return found[1].strip()


def exported(machine: Machine, library: Path) -> set[str]:
    """What ``nm -D`` says that others may refer to, without what start-up files of the toolchain add."""
    names = {line.split()[-1] for line in run(machine.prefix + "nm", "-D", "--defined-only", library).splitlines()}
    return {name for name in names if not name.startswith("_")}


ASSEMBLERS: dict[str, list[tuple[str, ...]]] = {
    **{target: [(machine.prefix + "gcc",), ("clang", *machine.clang)] for target, machine in MACHINES.items()},
    "m33": [("arm-none-eabi-gcc", "-mcpu=cortex-m33")],
}


def write_small(target: str, folder: Path) -> None:
    """All files of a small capture in two stages, the texts as well."""
    capture = capture_of(graph_of(("c", Conv(1, 4, 3, 2), "x"), ("l", LstmCell(4, 2), "c"), ("d", Conv(2, 1), "l")))
    compilation = compile_graph(capture.graph, make_options(target, cores=2, block=48), "capture", assembly=True)
    make_artifact(compilation, capture, with_texts=True).write(folder)


@pytest.mark.parametrize("target", ASSEMBLERS)
def test_no_emitted_file_asks_for_an_executable_stack(tmp_path: Path, target: str) -> None:
    """Nor says what GCC for M-profile cores does not: GNU ld would warn of all files that are silent."""
    need("readelf", *(command[0] for command in ASSEMBLERS[target]))
    write_small(target, tmp_path)
    files = [tmp_path / "capture.o"]
    for command in ASSEMBLERS[target]:
        for source in ("capture_weights.S", "capture_weights.c", "capture.s"):
            files.append(tmp_path / f"{command[0]}_{source}.o")
            run(*command, f"-I{tmp_path}", "-c", tmp_path / source, "-o", files[-1])
    files.append(tmp_path / "plain.o")
    run(ASSEMBLERS[target][0][0].replace("gcc", "as"), f"-I{tmp_path}", tmp_path / "capture_weights.S", "-o", files[-1])
    for file in files:
        row = r"\.note\.GNU-stack +PROGBITS(?: +[0-9a-f]+){4} +([A-Z]*) *\d+ +\d+ +\d+$"
        notes = re.findall(row, run("readelf", "-SW", file), re.MULTILINE)
        assert notes == ([] if target == "m33" and file.name != "plain.o" else [""]), file.name


def test_firmware_links_with_the_weights_that_were_emitted(tmp_path: Path) -> None:
    """Of whichever source, with a program of two captures, and without a warning about stacks."""
    need("arm-none-eabi-gcc")
    write_small("m33", tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "capture_pipeline.h"\nstatic capture_pipeline p;\nvoid start(void);\n'
        "void start(void)\n{\n    static float x[100];\n    if (!capture_pipeline_init(&p, capture_weights))\n"
        "        capture_process_any(&p.state0, capture_weights, x, x, 100);\n    for (;;) { }\n}\n"
    )
    command = (
        "arm-none-eabi-gcc",
        "-mcpu=cortex-m33",
        "-mfpu=fpv5-sp-d16",
        "-mfloat-abi=softfp",
        "-std=c11",
        *WARNINGS,
    )
    options = ("-nostdlib", "-ffreestanding", LINK, "-Wl,-e,start", f"-I{tmp_path}")
    for code, weights in (("capture.o", "capture_weights.c"), ("capture.s", "capture_weights.S")):
        files = (tmp_path / file for file in ("main.c", code, weights))
        run(*command, *options, *files, "-o", tmp_path / "firmware.elf")


@pytest.mark.parametrize(
    ("target", "weights"), [("avx2", "capture_weights.c"), ("avx2", "capture_weights.S"), ("a8", "capture_weights.S")]
)
def test_default_visibility_exports_what_the_header_declares(
    built: Built, tmp_path: Path, target: str, weights: str
) -> None:
    command, folder = compiler(target, "gcc"), built("a1_nano", target, "default")
    library = tmp_path / "library.so"
    run(*command, LINK, "-fPIC", "-shared", f"-I{folder}", folder / "capture.o", folder / weights, "-o", library)
    stages = {f"capture_stage{k}{part}" for k in (0, 1) for part in ("", "_init")}
    assert exported(MACHINES[target], library) == {"capture_init", "capture_process", "capture_weights", *stages}


def test_two_plugins_with_objects_of_one_name_use_their_own(built: Built, tmp_path: Path) -> None:
    """Both loaded for everybody (RTLD_GLOBAL), in either order, in one process."""
    command = compiler("avx2", "gcc")
    for plugin, capture in (("first", "a1_nano"), ("second", "a2_lite")):
        folder = built(capture, "avx2")
        includes = (f"-I{folder}", f"-I{EXAMPLES / 'common'}", f"-DPLAY=play_{plugin}", "-std=c99")
        sources = (PLAY, folder / "capture.o", folder / "capture_weights.c")
        run(*command, LINK, *includes, "-fPIC", "-shared", *sources, "-o", tmp_path / f"{plugin}.so")
    load = (
        "import ctypes, sys\n"
        "plugins = [(name, ctypes.CDLL(f'{sys.argv[1]}/{name}.so', ctypes.RTLD_GLOBAL)) for name in sys.argv[2:]]\n"
        "for name, plugin in plugins:\n    print('checksum %08x' % (getattr(plugin, f'play_{name}')() & 0xFFFFFFFF))\n"
    )
    for order in (1, -1):
        names, captures = ["first", "second"][::order], ["a1_nano", "a2_lite"][::order]
        printed = run(sys.executable, "-c", load, tmp_path, *names)
        assert printed == "".join(wanted(capture, FUSED) for capture in captures)


def test_captures_and_their_weights_in_one_translation_unit(built: Built, tmp_path: Path) -> None:
    """Both headers and both arrays, with and without declarations of the program's own, as older ones have."""
    need("gcc", "g++")
    for name in ("one", "other"):
        schedc.compile(EXAMPLES / "captures" / "a1_nano.nam", target="avx2", name=name).write(tmp_path)
    own = "extern const unsigned char one_weights[];\nextern const unsigned char other_weights[OTHER_WEIGHTS_BYTES];\n"
    use = "int main(void) { return one_check_weights(other_weights, OTHER_WEIGHTS_BYTES) + (one_weights[0] != 'S'); }\n"
    for language, command in (("c", ("gcc", "-std=c99")), ("c++", ("g++", "-std=c++11"))):
        for declarations in (own, ""):
            includes = ("one.h", "one.h", "other.h", "one_weights.c", "other_weights.c")
            text = "".join(f'#include "{file}"\n' for file in includes[:3]) + declarations
            text += "".join(f'#include "{file}"\n' for file in includes[3:]) + use
            (tmp_path / "both.c").write_text(text)
            source = ("-x", language, tmp_path / "both.c", "-x", "none")
            run(*command, *WARNINGS, LINK, "-I", tmp_path, *source, "-o", tmp_path / "both")
            run(tmp_path / "both")
