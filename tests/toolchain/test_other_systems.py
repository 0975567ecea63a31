"""COFF and Mach-O objects in programs for Windows and macOS, linked by LLVM's and GNU's linkers; x86-64 runs here.

The caller is compiled by Clang for those systems and needs no C library.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import lief
import numpy as np
import pytest
from helpers.containers import Mapped, read_coff, read_macho
from helpers.programs import EXAMPLES, FUSED, WARNINGS, build, generated_signal, need_avx2, run, wanted
from helpers.toolchains import need

from schedc.reference import interpret

HERE = Path(__file__).parent
PLAY_ALL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
STATE_BYTES = 1 << 21


@dataclass(frozen=True)
class System:
    """Clang's name of it, and a command that links a file without start-up code and libraries."""

    form: str
    target: str
    triple: str
    link: tuple[str, ...]
    weights: str = "capture_weights.S"


def macos(target: str, machine: str) -> System:
    link = ("lld", "-flavor", "darwin", "-arch", machine, "-dylib", "-undefined", "dynamic_lookup", "-fatal_warnings")
    version = ("-platform_version", "macos", "11.0", "11.0", "-o", "linked")
    weights = {"x86_64": "capture_weights.S", "arm64": "capture_weights.c"}[machine]
    return System("macho", target, f"{machine}-apple-macos11", (*link, *version), weights)


LLD_LINK = ("lld", "-flavor", "link", "/wx", "/entry:play_all", "/subsystem:console", "/nodefaultlib", "/out:linked")
GNU_LD = ("ld", "--fatal-warnings", "-m", "i386pep", "-e", "play_all", "-o", "linked")
SYSTEMS = {
    "Windows": System("coff", "avx2", "x86_64-pc-windows-msvc", LLD_LINK),
    "Windows by GNU ld": System("coff", "avx2", "x86_64-pc-windows-msvc", GNU_LD),
    "Windows on Arm": System("coff", "aarch64", "aarch64-pc-windows-msvc", LLD_LINK, "capture_weights.c"),
    "macOS": macos("avx2", "x86_64"),
    "macOS on Apple silicon": macos("aarch64", "arm64"),
}
CASES = [(system, "a2_lite", 2) for system in SYSTEMS] + [("Windows", "a1_nano", 1)]


@pytest.mark.parametrize(("name", "capture", "cores"), CASES)
def test_a_program_links_and_plays(tmp_path: Path, name: str, capture: str, cores: int) -> None:
    system = SYSTEMS[name]
    need("clang", system.link[0])
    if system.target == "avx2":
        need_avx2()
    build(capture, system.target, cores, tmp_path, system.form)
    compiler = ("clang", f"--target={system.triple}", "-O2", "-ffreestanding", "-fno-builtin", f"-I{tmp_path}")
    ending = ".obj" if system.form == "coff" else ".o"
    objects = [tmp_path / f"capture{ending}", tmp_path / f"caller{ending}", tmp_path / f"weights{ending}"]
    run(*compiler, "-Wall", "-Wextra", "-Werror", "-c", HERE / "play_all.c", "-o", objects[1])
    run(*compiler, "-Wall", "-Werror", "-c", tmp_path / system.weights, "-o", objects[2])
    linked = tmp_path / "linked"
    run(*(part.replace("linked", str(linked)) for part in system.link), *objects)
    if system.form == "macho":
        assert exported(linked) == {"_play_all"}
    memory, entry = loaded(linked, system.form)
    assert text_of(objects[0]) in memory
    if system.target == "avx2":
        assert_plays(memory, entry, capture, cores)


def exported(path: Path) -> set[str]:
    """What a dynamic library shows to others."""
    fat = lief.MachO.parse(str(path))
    library = fat.at(0) if fat else None
    assert library is not None
    return {str(symbol.name) for symbol in library.exported_symbols}


def text_of(path: Path) -> bytes:
    read = read_coff if path.suffix == ".obj" else read_macho
    return read(path.read_bytes()).text


def loaded(path: Path, form: str) -> tuple[bytes, int]:
    """What a system would put into memory, and where ``play_all`` is in it."""
    if form == "coff":
        program = lief.PE.parse(str(path))
        assert program is not None and not program.has_imports
        parts = [(section.virtual_address, bytes(section.content)) for section in program.sections]
        return placed(parts), program.optional_header.addressof_entrypoint
    fat = lief.MachO.parse(str(path))
    library = fat.at(0) if fat else None
    assert library is not None
    (entry,) = [symbol.value for symbol in library.symbols if symbol.name == "_play_all"]
    return placed([(segment.virtual_address, bytes(segment.content)) for segment in library.segments]), entry


def placed(parts: list[tuple[int, bytes]]) -> bytes:
    memory = bytearray(max(address + len(content) for address, content in parts))
    for address, content in parts:
        memory[address : address + len(content)] = content
    return bytes(memory)


def assert_plays(memory: bytes, entry: int, capture: str, cores: int) -> None:
    code = Mapped(memory)
    x, state = generated_signal(), np.full(STATE_BYTES, 0xFF, np.uint8)
    y = np.zeros((cores, len(x)), np.float32)
    state_at = state.ctypes.data + -state.ctypes.data % 64
    assert PLAY_ALL(code.base + entry)(state_at, x.ctypes.data, y.ctypes.data, len(x)) == 0
    output = interpret(EXAMPLES / "captures" / f"{capture}.nam", x, precision="float32")
    for row in y:  # with two stages: NAME_process, then the stages
        np.testing.assert_array_equal(row.view(np.uint32), output.view(np.uint32))


@pytest.mark.parametrize(("capture", "cores"), [("a1_nano", 1), ("a2_lite", 2)])
def test_windows_code_keeps_the_registers_of_windows(tmp_path: Path, capture: str, cores: int) -> None:
    """Of another reader's making: GNU objcopy turns the COFF object into one that gcc links here."""
    need("gcc", "objcopy")
    need_avx2()
    build(capture, "avx2", cores, tmp_path, "coff")
    converted = tmp_path / "converted.o"
    run("objcopy", "-I", "pe-x86-64", "-O", "elf64-x86-64", tmp_path / "capture.obj", converted)
    sources = (HERE / "windows_registers.c", converted)
    folders = (f"-I{tmp_path}", f"-I{EXAMPLES / 'common'}", f"-I{EXAMPLES / 'linux_host'}")
    run("gcc", *WARNINGS, "-Wl,-z,noexecstack", *folders, *sources, "-o", tmp_path / "program")
    assert run(tmp_path / "program", tmp_path / "capture_weights.bin") == wanted(capture, FUSED)
