"""The analyser on whole objects: emitted ones, by emulation, by trace and by loop counts."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES, compile_for, graph_of, packed
from helpers.machines import Loaded

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.machine_code import mix_word
from schedc.analysis.report import CodeReport, report_data
from schedc.analysis.walk import walk_loops
from schedc.analyze import analyze_compilation, cycles_per_sample, zero_blob
from schedc.backends.emulator.emulator import Emulator
from schedc.backends.emulator.trace import TracingEmulator
from schedc.backends.llvm.module import emit_object, lower_program
from schedc.backends.reschedule.control_flow import basic_blocks, live_out
from schedc.backends.reschedule.reschedule import reschedule
from schedc.commands.analyze import AnalyzeRequest, analyze_object
from schedc.compiler import Compilation, compile_graph
from schedc.errors import UserError
from schedc.frontend.capture import Capture, read_capture
from schedc.ir.ops import Conv
from schedc.options import make_options
from schedc.targets.base import load_target
from schedc.targets.instruction_sets import Machine
from schedc.targets.names import TARGET_NAMES

FRAMES = 16


@cache
def capture() -> Capture:
    return read_capture(next(path for path in EXAMPLES if path.name == "a2_lite.nam"))


@cache
def compiled(target: str, mac: str | None = None) -> Compilation:
    return compile_graph(capture().graph, make_options(target, block=FRAMES, mac=mac), "lite")


@cache
def report(target: str, mac: str | None = None) -> CodeReport:
    return analyze_compilation(compiled(target, mac), calls=2)


@pytest.mark.parametrize(("target", "least", "most"), [("m33", 3500, 12000), ("a8", 850, 6000), ("aarch64", 216, 1500)])
def test_a2_lite_is_between_the_limit_of_the_machine_and_folly(target: str, least: int, most: int) -> None:
    assert least < report(target).best < most


def test_the_parts_are_the_whole() -> None:
    for call in report("m33", "unfused").calls:
        total = call.costs
        assert sum(part.costs.cycles for part in call.parts) == call.cycles == total.cycles
        assert sum(total.issue.values()) + sum(total.stalls.values()) == total.cycles


def test_mix_is_the_emulators_own_count() -> None:
    compilation = compiled("m33", "fused")
    emulator = Emulator(compilation.code.elf, Machine.M33, count_instructions=True)
    loaded = Loaded(compilation, zero_blob(compilation), emulator)
    emulator.reset_counts()
    loaded.call(FRAMES)
    mix = report("m33", "fused").calls[0].costs.mix
    assert emulator.instruction_counts["vfma.f32"] == mix["fma"] > 0
    assert emulator.instruction_counts["vldr"] <= mix["float_load"]


def test_fused_waits_for_the_fpu_and_unfused_does_not() -> None:
    assert report("m33", "fused").calls[0].costs.stalls["fpu blocked"] > 1000 * FRAMES
    assert report("m33", "unfused").calls[0].costs.stalls["fpu blocked"] == 0


@pytest.mark.parametrize(("target", "instructions"), [("m33", 3), ("a8", 0), ("aarch64", 5)])
def test_setting_the_floating_point_mode_is_counted(target: str, instructions: int) -> None:
    """Read, set and restored once a call; on AArch64 the flags too, which are in another register."""
    graph = graph_of(("c", Conv(1, 3, 4, 2), "x"))
    calls = {
        fp_mode: analyze_compilation(compile_for(graph, target, block=1, fp_mode=fp_mode), calls=1).calls[0]
        for fp_mode in ("own", "caller")
    }
    mixes = {fp_mode: call.costs.mix[mix_word(k.FLOAT_STATUS)] for fp_mode, call in calls.items()}
    assert mixes["own"] - mixes["caller"] == instructions
    if calls["own"].costs.issue:
        assert (calls["own"].cycles > calls["caller"].cycles) == (instructions > 0)


def test_a_read_of_the_mode_waits_for_it_to_be_written() -> None:
    code = MachineCode(compiled("aarch64").code.elf)
    found = [i for i in code.body("lite_process") if i.kind == k.FLOAT_STATUS]
    assert [(i.mnemonic, "fpcr" in i.reads, "fpcr" in i.writes) for i in found if "fpcr" in i.operands] == [
        *(("mrs", True, False), ("msr", False, True), ("msr", False, True)),
    ]
    assert [(i.mnemonic, "fpsr" in i.reads, "fpsr" in i.writes) for i in found if "fpsr" in i.operands] == [
        *(("mrs", True, False), ("msr", False, True)),
    ]


def test_reports_are_deterministic_and_speak_of_every_kernel() -> None:
    names = [kernel.name for kernel in compiled("m33", "fused").layout.kernels]
    first, second = (analyze_compilation(compiled("m33", "fused"), calls=2) for _ in range(2))
    assert report_data(first) == report_data(second)
    assert json.dumps(report_data(first)) == json.dumps(report_data(second))
    assert [name for name in cycles_per_sample(compiled("m33", "fused")) if name in names] == names


def test_stack_high_water_mark_is_not_above_the_static_depth() -> None:
    found = report("m33", "fused")
    assert 0 < found.stack_bytes <= found.static_stack_bytes + 16  # one argument is passed on the stack


def test_an_object_file_by_emulation_by_trace_and_by_counts(tmp_path: Path) -> None:
    compilation = compiled("m33", "unfused")
    elf, blob = tmp_path / "lite.o", tmp_path / "weights.bin"
    elf.write_bytes(compilation.code.elf)
    blob.write_bytes(zero_blob(compilation))
    rows = f"buffer:{4 * FRAMES}"
    arguments = (f"buffer:{compilation.state_bytes}", f"file:{blob}", rows, rows, str(FRAMES))
    request = AnalyzeRequest(elf, "m33", "lite_process", FRAMES, 1, arguments, "lite_init/2")
    emulated = analyze_object(request)
    assert emulated.best == report("m33", "unfused").calls[0].cycles / FRAMES
    trace = tmp_path / "trace.txt"
    trace.write_text("\n".join(_instruction_trace(compilation, blob.read_bytes())))
    by_trace = analyze_object(replace(request, arguments=(), trace=trace))
    assert by_trace.best == emulated.best


@pytest.mark.parametrize(("target", "most"), [("m33", 1.5), ("a8", 0.65), ("aarch64", 0.3)])
def test_init_is_a_fill(tmp_path: Path, target: str, most: float) -> None:
    """In cycles per float of history: a store a word on M33, a vector a store elsewhere."""
    compilation = compiled(target)
    elf, blob = tmp_path / "lite.o", tmp_path / "weights.bin"
    elf.write_bytes(compilation.code.elf)
    blob.write_bytes(zero_blob(compilation))
    arguments = (f"buffer:{compilation.state_bytes}", f"file:{blob}")
    cycles = analyze_object(AnalyzeRequest(elf, target, "lite_init", arguments=arguments)).best
    arena = compilation.program.stages[0].arena
    assert arena is not None
    floats = sum(place.channels * place.history for place in arena.rows.values())
    assert cycles < most * floats


def _instruction_trace(compilation: Compilation, blob: bytes) -> list[str]:
    emulator = TracingEmulator(compilation.code.elf, Machine.M33)
    loaded = Loaded(compilation, blob, emulator)
    ((symbol, arguments),) = loaded.calls(FRAMES)
    code = MachineCode(compilation.code.elf)
    blocks = emulator.traced(symbol, *arguments)
    return [f"{found.address:#x} {found.text}" for block in blocks for found in code.block(*block)]


def test_a_walk_by_counts_visits_each_loop_so_often() -> None:
    code = MachineCode(compiled("m33", "unfused").code.elf)
    name = next(f.name for f in code.functions if f.name.startswith("kernel"))
    back = [i.address for i in code.body(name) if i.kind == k.BRANCH and i.target is not None and i.target < i.address]
    with pytest.raises(UserError, match=r"--trips: the loop that ends with .* has no count"):
        walk_loops(code, name, {})
    blocks = walk_loops(code, name, dict.fromkeys(back, 3))
    assert sum(start + size == back[-1] + 4 or start + size == back[-1] + 2 for start, size in blocks) == 3


def test_errors_say_where() -> None:
    code = MachineCode(compiled("m33", "fused").code.elf)
    with pytest.raises(UserError, match="--entry: the object has no function 'none'; it has"):
        code.function("none")
    with pytest.raises(UserError, match="object: is not an ELF file; give"):
        MachineCode(b"no ELF at all")
    known = ", ".join(name for name in TARGET_NAMES if load_target(name).pipeline)
    with pytest.raises(UserError, match=f"target: avx2 has no pipeline model; use {known}$"):
        analyze_object(AnalyzeRequest(Path("x.o"), "avx2", "f"))


def test_live_values_of_a_kernel_are_those_it_must_restore() -> None:
    code = MachineCode(compiled("m33", "fused").code.elf)
    name = next(f.name for f in code.functions if f.name.startswith("kernel"))
    blocks = basic_blocks(code.body(name))
    assert {"r4", "s16"} <= live_out(blocks)[blocks[-1].start]


@pytest.mark.parametrize("mac", ["fused", "unfused"])
def test_rescheduled_code_has_the_same_bits_and_no_more_cycles(mac: str) -> None:
    after = compiled("m33", mac)
    target = after.options.target
    plain = emit_object(
        lower_program(after.program, after.layout, target, after.name, after.options.convention), target
    )
    assert after.code.elf == reschedule(plain.elf, target) != plain.elf
    before = replace(after, code=plain)
    assert cycles_per_sample(after)["total"] <= cycles_per_sample(before)["total"]
    x = np.random.default_rng(0).normal(0, 0.3, (1, 3 * FRAMES + 5)).astype(np.float32)
    blob = packed(before, capture())
    outputs = [Loaded(c, blob).process(x, [FRAMES, 5, FRAMES, FRAMES]) for c in (before, after)]
    assert np.array_equal(outputs[0].view(np.uint32), outputs[1].view(np.uint32))


def test_more_instructions_than_there_is_time_for_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    after = compiled("m33", "fused")
    target = after.options.target
    plain = emit_object(
        lower_program(after.program, after.layout, target, after.name, after.options.convention), target
    )
    monkeypatch.setattr("schedc.backends.reschedule.reschedule._MOST_INSTRUCTIONS", 1)
    assert reschedule(plain.elf, target) == plain.elf
