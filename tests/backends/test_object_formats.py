"""COFF and Mach-O hold the image of the ELF object, and code in them keeps to what Windows and macOS ask."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path

import capstone
import lief
import llvmlite.binding as llvm
import numpy as np
import pytest
from helpers.captures import EXAMPLES, graph_of, packed
from helpers.containers import Contents, Mapped, read_coff, read_macho
from helpers.machines import Loaded, LoadedStages, assert_same_bits, cut_blocks, native_targets

import schedc
from schedc.artifact import Artifact
from schedc.backends.emulator.emulator import Emulator
from schedc.backends.llvm.target_machine import target_machine
from schedc.backends.objects.coff_writer import write_coff
from schedc.backends.objects.elf import finish_object, read_image
from schedc.backends.objects.elf_code import read_code
from schedc.backends.objects.macho_writer import write_macho
from schedc.backends.objects.object_format import ObjectFormat, convention_of
from schedc.backends.objects.object_image import Image, Symbol
from schedc.cache.code_cache import default_cache
from schedc.cache.compile_cache import compile_cached
from schedc.cli.main import main
from schedc.compiler import Compilation, compile_graph
from schedc.errors import UserError
from schedc.frontend.capture import read_capture
from schedc.ir.ops import Conv, LstmCell
from schedc.machines import HostMachine
from schedc.options import make_options
from schedc.reference import interpret
from schedc.targets.instruction_sets import Machine
from schedc.targets.names import TargetName

CAPTURES = {path.stem: path for path in EXAMPLES}
X86, AARCH64 = ("avx2", "avx512", "zen4"), ("aarch64", "a72", "a53")
BUILDS = [(t, f) for t in (*X86, *AARCH64) for f in ("coff", "macho")]
ON_WINDOWS = [("a1_nano", "avx2"), ("lstm_1x16", "avx512"), ("lstm_1x16", "zen4")]
ON_ARM = [("a1_nano", "coff", "aarch64"), ("a1_nano", "macho", "aarch64"), ("lstm_1x16", "macho", "a53")]
FRAMES = 48


@functools.cache
def compiled(capture: str, target: str, form: str, cores: int = 2) -> Compilation:
    options = make_options(target, cores, FRAMES, object_format=form)
    return compile_graph(read_capture(CAPTURES[capture]).graph, options, "amp")


def contents(compilation: Compilation) -> Contents:
    read = read_coff if compilation.options.object_format is ObjectFormat.COFF else read_macho
    return read(compilation.object_file)


def instructions(compilation: Compilation) -> list[tuple[str, str, str]]:
    """(function, mnemonic, operands) of the code, without the constants behind it."""
    image = read_image(compilation.code.elf)
    x86 = image.machine == "EM_X86_64"
    mode = (capstone.CS_ARCH_X86, capstone.CS_MODE_64) if x86 else (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    decoder = capstone.Cs(*mode)
    functions = [(s.name, s.value or 0, s.size) for s in image.symbols if s.kind == "STT_FUNC"]
    return [
        (name, mnemonic, operands)
        for name, begin, size in functions
        for _, _, mnemonic, operands in decoder.disasm_lite(image.text[begin : begin + size], 0)
    ]


@pytest.mark.parametrize(("target", "form"), BUILDS)
def test_another_reader_finds_the_image(target: str, form: str) -> None:
    compilation = compiled("lstm_1x16", target, form)
    image, found = read_image(compilation.code.elf), contents(compilation)
    machines = {"coff": ("AMD64", "ARM64"), "macho": ("X86_64", "ARM64")}
    assert found.machine == machines[form][target in AARCH64]
    assert found.text == image.text
    assert found.alignment == image.alignment >= 4
    assert form == "coff" or found.file_offset % found.alignment == 0
    prefix = "_" if form == "macho" else ""
    places = {(prefix + s.name, s.value, s.binding) for s in image.symbols if s.kind == "STT_FUNC"}
    assert places == {
        *((name, value, "STB_GLOBAL") for name, value in found.exported.items()),
        *((name, value, "STB_LOCAL") for name, value in found.local.items()),
    }
    functions = ("process", "init", "stage0", "stage0_init", "stage1", "stage1_init")
    assert set(found.exported) == {f"{prefix}amp_{name}" for name in functions}


@pytest.mark.parametrize("alignment", [4, 16, 64, 4096])
@pytest.mark.parametrize("machine", ["EM_X86_64", "EM_AARCH64"])
def test_any_alignment_size_and_order(alignment: int, machine: str) -> None:
    code = bytes(range(1, 251))
    marks = [("inner", 8, "STT_FUNC", "STB_LOCAL"), ("$x", 0, "STT_NOTYPE", "STB_LOCAL")]
    marks += [("z", 16, "STT_FUNC", "STB_GLOBAL"), ("a_long_name", 4, "STT_FUNC", "STB_GLOBAL")]
    symbols = tuple(Symbol(name, place, 4, kind, binding) for name, place, kind, binding in marks)
    for size in range(240, 250):
        image = Image(machine, code[:size], alignment, symbols)
        coff, macho = read_coff(write_coff(image)), read_macho(write_macho(image))
        assert coff.text == macho.text == code[:size]
        assert coff.alignment == macho.alignment == alignment
        assert (coff.exported, coff.local) == ({"z": 16, "a_long_name": 4}, {"inner": 8})
        assert (macho.exported, macho.local) == ({"_z": 16, "_a_long_name": 4}, {"_inner": 8})


def test_names_of_any_length() -> None:
    graph = read_capture(CAPTURES["lstm_1x16"]).graph
    for name in ("a", "a_b", "abc_2_4", "a" * 100):
        for form, prefix in (("coff", ""), ("macho", "_")):
            found = contents(compile_cached(graph, make_options("avx2", object_format=form), name))
            assert set(found.exported) == {f"{prefix}{name}_process", f"{prefix}{name}_init"}


@pytest.mark.parametrize(("target", "form"), [("avx2", "coff"), ("aarch64", "coff"), ("avx2", "macho")])
def test_two_compilations_give_the_same_bytes(target: str, form: str) -> None:
    graph, options = read_capture(CAPTURES["lstm_1x16"]).graph, make_options(target, 2, FRAMES, object_format=form)
    wanted = compiled("lstm_1x16", target, form).object_file
    assert compile_graph(graph, options, "amp").object_file == wanted
    assert [compile_cached(graph, options, "amp").object_file for _ in range(2)] == [wanted] * 2


@pytest.mark.parametrize("visibility", ["hidden", "default"])
@pytest.mark.parametrize("target", ["m33", "a8", "aarch64", "avx2"])
def test_exported_names_end_with_the_module_unless_asked_otherwise(target: str, visibility: str) -> None:
    """In ELF and Mach-O, from LLVM and from the cache; the same code."""
    graph = graph_of(("c", Conv(1, 4, 3, 2), "x"), ("l", LstmCell(4, 2), "c"), ("d", Conv(2, 1), "l"))
    options = make_options(target, 2, FRAMES, visibility=visibility)
    for compilation in (compile_graph(graph, options, "amp"), compile_cached(graph, options, "amp")):
        functions = [s for s in read_image(compilation.code.elf).symbols if s.exported]
        assert len(functions) == 6 and {s.hidden for s in functions} == {visibility == "hidden"}
    other = make_options(target, 2, FRAMES)
    assert read_image(compilation.code.elf).text == read_image(compile_cached(graph, other, "amp").code.elf).text
    if target in (*X86, *AARCH64):
        macho = lief.MachO.parse(list(write_macho(read_image(compilation.code.elf))))
        assert macho is not None
        kinds = {symbol.raw_type & 0x11 for symbol in macho.at(0).symbols}  # type: ignore[union-attr]
        assert kinds == {0, 0x11 if visibility == "hidden" else 1}


# -- what the systems ask ---------------------------------------------------------------------


def below_the_stack(compilation: Compilation) -> int:
    """How many instructions use memory below the stack pointer."""
    return sum("[rsp - " in operands for _, _, operands in instructions(compilation))


@pytest.mark.parametrize(("capture", "target"), ON_WINDOWS)
def test_windows_code_leaves_memory_below_the_stack_alone(capture: str, target: str) -> None:
    assert below_the_stack(compiled(capture, target, "coff")) == 0
    assert below_the_stack(compiled(capture, target, "elf")) > 0  # or nothing was put to the test


def test_windows_code_touches_big_frames_page_by_page() -> None:
    """No frame of ours is that big; if one becomes so, it needs no __chkstk."""
    attributes = " ".join(convention_of(make_options("avx2").target, ObjectFormat.COFF).attributes)
    body = "%p = alloca [20000 x i8]\n call void @use(ptr %p)\n ret void\n}"
    ir = f"define win64cc void @f() {attributes} {{\n {body}\n"
    ir += "define internal void @use(ptr %p) noinline nounwind {\n store volatile i32 1, ptr %p\n ret void\n}"
    machine = target_machine(make_options("avx2").target)
    module = llvm.parse_assembly(ir)
    module.triple = "x86_64-unknown-linux-gnu"
    image = read_image(finish_object(machine.emit_object(module)))
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    steps = [f"{m} {o}" for _, _, m, o in decoder.disasm_lite(image.text, 0)]
    assert any(step.startswith("sub rsp, 0x1000") for step in steps)
    assert any(re.fullmatch(r"mov qword ptr \[rsp\], 0", step) for step in steps)


@pytest.mark.parametrize(("capture", "target"), ON_WINDOWS)
def test_frames_of_windows_code_are_less_than_a_page(capture: str, target: str) -> None:
    found = instructions(compiled(capture, target, "coff"))
    sizes = [int(o.split(", ")[1], 0) for _, m, o in found if m == "sub" and re.match(r"rsp, (0x)?[0-9a-f]+$", o)]
    assert sizes and max(sizes) < 4096


@pytest.mark.parametrize(("capture", "form", "target"), ON_ARM)
def test_x18_and_the_frame_pointer_are_the_systems(capture: str, form: str, target: str) -> None:
    compilation = compiled(capture, target, form)
    found = instructions(compilation)
    assert len(found) > 500
    assert [o for _, _, o in found if re.search(r"\b[xw]18\b", o)] == []
    records = ("stp x29, x30, [sp", "ldp x29, x30, [sp", "mov x29, sp", "add x29, sp, ")
    using = [f"{m} {o}" for _, m, o in found if re.search(r"\b[xw]29\b", o)]
    assert [use for use in using if not use.startswith(records) and "[x29, #" not in use] == []
    keeping = {function for function, _, operands in found if operands.startswith("x29, x30, [sp")}
    assert keeping == {function.name for function in read_image(compilation.code.elf).functions()}


def test_elsewhere_x18_is_a_register_like_any_other() -> None:
    """Or the test above had nothing to find."""
    assert any(re.search(r"\b[xw]18\b", o) for _, _, o in instructions(compiled("a1_nano", "aarch64", "elf")))


# -- it runs ----------------------------------------------------------------------------------


class MachOCode:
    """A Mach-O object's code, where macOS would find it."""

    def __init__(self, compilation: Compilation) -> None:
        found = read_macho(compilation.object_file)
        self._code = Mapped(found.text)
        self._places = {name.removeprefix("_"): self._code.base + value for name, value in found.exported.items()}

    def address(self, symbol: str) -> int:
        return self._places[symbol]


def signal() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (1, 300)).astype(np.float32)


@pytest.mark.parametrize("target", native_targets())
@pytest.mark.parametrize("capture", ["a2_lite", "lstm_1x16"])
def test_macos_code_runs_here(capture: str, target: str) -> None:
    compilation, x = compiled(capture, target, "macho"), signal()
    blob = packed(compilation, read_capture(CAPTURES[capture]), prewarm=False)
    wanted = interpret(CAPTURES[capture], x[0], precision="float32", prewarm=False)[None]
    for kind in (Loaded, LoadedStages):
        loaded = kind(compilation, blob, HostMachine(MachOCode(compilation), compilation.options.target))
        assert_same_bits(loaded.process(x, cut_blocks(300, FRAMES)), wanted)


@pytest.mark.parametrize(("capture", "form"), [("a1_nano", "coff"), ("a1_nano", "macho"), ("lstm_1x16", "macho")])
def test_arm_code_runs_in_the_emulator(capture: str, form: str) -> None:
    """The emulator reads ELF; the file's bytes are the same."""
    compilation, x = compiled(capture, "aarch64", form), signal()
    assert contents(compilation).text == read_code(compilation.code.elf).text
    blob = packed(compilation, read_capture(CAPTURES[capture]), prewarm=False)
    emulator = Emulator(compilation.code.elf, Machine.AARCH64)
    wanted = interpret(CAPTURES[capture], x[0], precision="float32", prewarm=False)[None]
    assert_same_bits(LoadedStages(compilation, blob, emulator).process(x, cut_blocks(300, FRAMES)), wanted)


# -- the artifact, the caches, the refusals ---------------------------------------------------


@pytest.mark.parametrize("target", ["avx2", "aarch64"])
def test_only_the_object_differs(target: TargetName) -> None:
    """One weights.bin and one header serve all formats."""
    made = {
        form: schedc.compile(
            CAPTURES["lstm_1x16"], target=target, cores=2, name="amp", prewarm=False, object_format=form
        )
        for form in ("elf", "coff", "macho")
    }
    plain = made["elf"]
    for form, artifact in made.items():
        ending = ".obj" if form == "coff" else ".o"
        assert artifact.files()[f"amp{ending}"] == artifact.code
        assert (artifact.weights, artifact.header) == (plain.weights, plain.header)
        differing = {name for name, data in artifact.files().items() if data != plain.files().get(name)}
        assert differing == (set() if form == "elf" else {f"amp{ending}", "amp.json", "amp_weights.S"})
        assert described(artifact) == (form, f"amp{ending}", len(artifact.code))


def described(artifact: Artifact) -> tuple[object, ...]:
    report = json.loads(artifact.files()["amp.json"])
    return report["object_format"], report["object_file"], report["bytes"]["object"]


def test_the_cache_keeps_code_of_other_conventions_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path))
    graph = read_capture(CAPTURES["lstm_1x16"]).graph
    for target, entries in (("avx2", 2), ("aarch64", 3)):  # macOS on x86-64 has Linux' convention
        seen = set()
        for form in ("elf", "coff", "macho", "elf"):
            options = make_options(target, object_format=form)
            found = compile_cached(graph, options).object_file
            assert found == compile_graph(graph, options).object_file
            seen.add(hashlib.sha256(found).hexdigest())
        assert len(seen) == 3
        assert default_cache().info().entries == entries
        default_cache().clear()


@pytest.mark.parametrize(
    ("target", "form", "message"),
    [
        ("avx2", "pe", "--object: 'pe' is not an object format; use elf, coff or macho"),
        ("avx2", "", "--object: '' is not an object format; use elf, coff or macho"),
        (
            "m33",
            "coff",
            "--object: coff is for Windows, which does not run on m33; use elf, or an x86-64 or AArch64 target",
        ),
        (
            "a8",
            "macho",
            "--object: macho is for macOS, which does not run on a8; use elf, or an x86-64 or AArch64 target",
        ),
    ],
)
def test_refusals(target: str, form: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    command = ["compile", str(CAPTURES["a2_lite"]), "-t", target, "--object", form, "-o", str(folder)]
    assert main(command) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"schedc: {message}\n")
    assert not folder.exists()
    with pytest.raises(UserError, match=re.escape(message.replace("--object", "object_format"))):
        schedc.compile(CAPTURES["a2_lite"], target=target, object_format=form)  # type: ignore[arg-type]
