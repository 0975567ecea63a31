"""Promises about the object: nothing outside is needed, and the stack stays small."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import cache

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from helpers.captures import EXAMPLES, capture_of, compile_for, graph_of, packed
from helpers.effort import in_turn
from helpers.graph_strategy import signal
from helpers.machines import FOREIGN, Loaded

from schedc.analysis.disassembly import MachineCode
from schedc.analysis.machine_code import is_scalar_arithmetic
from schedc.analyze import analyze_compilation
from schedc.backends.emulator.emulator import Emulator
from schedc.compiler import Compilation, compile_graph
from schedc.frontend.capture import Capture, read_capture
from schedc.ir.ops import Activation, ActivationKind, Combine, Conv, Elementwise, LstmCell, Slice
from schedc.options import make_options
from schedc.targets.instruction_sets import Machine
from schedc.targets.names import TARGET_NAMES

MOST_STACK_BYTES = 2048
WIDE = graph_of(
    ("c", Conv(1, 40, 3, 5), "x"),
    ("a", Activation(ActivationKind.TANH, 40), "c"),
    ("d", Conv(40, 40, 2, 2, 4), "a"),
    ("l", LstmCell(40, 17), "d"),
    ("h", Conv(17, 2), "l"),
)
MODELS = {**{path.stem: path for path in EXAMPLES}, "wide": None}
# Presets are other orders of the same instructions: for them one model in turn.
PRESETS = ("a53", "a72", "zen4")
PAIRS = [
    (model, target)
    for number, target in enumerate(TARGET_NAMES)
    for model in (in_turn(list(MODELS), number) if target in PRESETS else MODELS)
]
every_pair = pytest.mark.parametrize(("model", "target"), PAIRS)


@cache
def capture(model: str) -> Capture:
    """Without a prewarm: silence through an LSTM takes the interpreter long, and no promise here is about it."""
    path = MODELS[model]
    return replace(capture_of(WIDE) if path is None else read_capture(path), prewarm_samples=0)


@cache
def compiled(model: str, target: str, cores: int) -> Compilation:
    return compile_for(capture(model).graph, target, cores=cores)


@every_pair
def test_the_object_needs_nothing(model: str, target: str) -> None:
    for cores in (1, 2):
        file = ELFFile(io.BytesIO(compiled(model, target, cores).code.elf))
        kinds = {section["sh_type"] for section in file.iter_sections() if section["sh_size"]}
        assert not kinds & {"SHT_REL", "SHT_RELA"}, "relocations"
        loaded = [section.name for section in file.iter_sections() if section["sh_flags"] & 2 and section["sh_size"]]
        assert loaded == [".text"], "one section to load, without data"
        table = file.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        undefined = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}
        assert undefined == {""}


@every_pair
def test_the_object_defines_what_the_header_declares(model: str, target: str) -> None:
    wanted = {"capture_init", "capture_process"}
    assert exported(compiled(model, target, 1)) == wanted
    stages = {f"capture_stage{k}{part}" for k in (0, 1) for part in ("", "_init")}
    assert exported(compiled(model, target, 2)) == wanted | stages


def exported(compilation: Compilation) -> set[str]:
    table = ELFFile(io.BytesIO(compilation.code.elf)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return {symbol.name for symbol in table.iter_symbols() if symbol["st_info"]["bind"] == "STB_GLOBAL"}


@pytest.mark.parametrize("target", FOREIGN)
@pytest.mark.parametrize("model", MODELS)
def test_the_stack_stays_small(model: str, target: str) -> None:
    for cores in (1, 2):
        compilation = compiled(model, target, cores)
        loaded = Loaded(compilation, packed(compilation, capture(model)))
        loaded.process(signal(loaded.in_channels, 40, 0), [1, 16, 23])
        assert isinstance(loaded.machine, Emulator)
        used = loaded.machine.stack_used_bytes
        assert 0 < used <= MOST_STACK_BYTES, f"{used} bytes of stack on {cores} cores"


@pytest.mark.parametrize("target", ["a8", "aarch64"])
@pytest.mark.parametrize("model", ["a1_nano", "a2", "convnet"])
def test_the_stack_stays_small_with_channels_across_the_lanes(model: str, target: str) -> None:
    for block in (1, 3):
        compilation = compile_for(capture(model).graph, target, block=block)
        assert any(schedule.across_channels for schedule in compilation.program.schedules.values())
        loaded = Loaded(compilation, packed(compilation, capture(model)))
        loaded.process(signal(loaded.in_channels, 4, 0), [1] * 4)
        assert isinstance(loaded.machine, Emulator)
        assert loaded.machine.stack_used_bytes <= MOST_STACK_BYTES


@pytest.mark.parametrize("model", ["a2", "a2_lite"])
def test_tap_loops_of_aarch64_load_at_most_once_for_two_macs(model: str) -> None:
    """Of the instructions that the emulator executed, in every loop around multiply-accumulates and no other loop."""
    report = analyze_compilation(compile_graph(capture(model).graph, make_options("aarch64")), calls=2)
    loops = [loop for loop in report.typical.loops if loop.costs.mix["fma"]]
    taps = [a for a in loops if not any(a.start <= b.start and b.end <= a.end for b in loops if b is not a)]
    assert sum(loop.costs.mix["fma"] for loop in taps) > 1000
    assert [(loop.function, loop.loads_per_mac) for loop in taps if loop.loads_per_mac > 0.5] == []
    if model == "a2":  # of A2-Lite whole layers are written out, tile by tile
        assert [(loop.function, loop.costs.stack_accesses) for loop in taps if loop.costs.stack_accesses] == []


def test_tap_loops_of_channels_touch_no_stack_and_broadcast_from_memory() -> None:
    """Four frames: each weight vector is loaded once, each sample an operand of its multiply-accumulate."""
    graph = graph_of(("a", Conv(1, 16, 2), "x"), ("b", Conv(16, 16, 9, 3), "a"), ("c", Conv(16, 16, 9, 3), "b"))
    code = compile_graph(graph, make_options("avx512", block=4), assembly=True).code
    loops = [text for text in inner_loops(code.assembly) if text.count("vfmadd") == 4 * 16]
    assert len(loops) >= 2
    for text in loops:
        assert "rsp" not in text
        assert text.count("{1to16}") + text.count("vbroadcastss") == 4 * 16
        assert text.count("vmovups") == 16


def inner_loops(assembly: str) -> list[str]:
    """The text between a label and a branch back to it without another label in between."""
    return [
        found[1] for found in re.findall(r"\n(\.LBB\d+_\d+):((?:(?!\n\.LBB).)*?)\n\s+j\w+\s+\1\b", assembly, re.DOTALL)
    ]


@pytest.mark.parametrize("target", ["m33", "a8"])
def test_an_unfused_contract_has_no_fused_instructions(target: str) -> None:
    """Executed instructions, so that constants inside the section do not count."""
    compilation = compile_for(capture("a1_nano").graph, target, mac="unfused")
    machine = Emulator(compilation.code.elf, machine_of(target), count_instructions=True)
    loaded = Loaded(compilation, packed(compilation, capture("a1_nano")), machine)
    loaded.process(signal(1, 16, 0), [16])
    executed = set(machine.instruction_counts)
    assert not {name for name in executed if name.startswith(("vfma", "vfms", "vfnma"))}
    assert any(name.startswith(("vmul", "vmla")) for name in executed)


# FiLM (scale and shift from a condition) and a gated activation.
FILMED = graph_of(
    ("c", Conv(1, 8, 3, 2), "x"),
    ("film", Conv(1, 8), "x"),
    ("scaled", Combine(Elementwise.MUL_ADD, 8), "c film film"),
    ("low", Slice(8, 0, 4), "scaled"),
    ("high", Slice(8, 4, 8), "scaled"),
    ("tanh", Activation(ActivationKind.TANH, 4), "low"),
    ("gate", Activation(ActivationKind.SIGMOID, 4), "high"),
    ("gated", Combine(Elementwise.MUL, 4), "tanh gate"),
)


@pytest.mark.parametrize("model", [*MODELS, "filmed", *ActivationKind])
def test_a8_calculates_with_vectors_only(model: str) -> None:
    """Its scalar unit takes 10 to 37 cycles an operation, and it has no vector divide."""
    if isinstance(model, ActivationKind):
        graph = graph_of(("c", Conv(1, 3, 2), "x"), ("a", Activation(model, 3), "c"))
    else:
        graph = FILMED if model == "filmed" else capture(model).graph
    code = MachineCode(compile_for(graph, "a8").code.elf)
    scalar = [i.text for f in code.functions for i in code.body(f.name) if is_scalar_arithmetic(i)]
    assert not scalar


def machine_of(target: str) -> Machine:
    return Machine(target)


def test_m33_multiplies_as_often_as_the_model_says() -> None:
    """Fused multiply-adds executed per sample: the model's, and those of its activation functions."""
    compilation = compile_for(graph_of(("c", Conv(1, 3, 4, 2), "x"), ("d", Conv(3, 2, 2), "c")), "m33", block=16)
    machine = Emulator(compilation.code.elf, machine_of("m33"), count_instructions=True)
    loaded = Loaded(compilation, packed(compilation, capture_of(compilation.program.graph)), machine)
    machine.reset_counts()
    tile = max(schedule.tile_frames for schedule in compilation.program.schedules.values())
    frames = 16 // tile * tile
    loaded.process(signal(1, frames, 0), [frames])
    fused = sum(n for name, n in machine.instruction_counts.items() if name.startswith(("vfma", "vfms")))
    tiles = {schedule.tile_frames for schedule in compilation.program.schedules.values()}
    if all(frames % t == 0 for t in tiles):
        assert fused == frames * (12 + 12)
