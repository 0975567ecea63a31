"""The hot loop of every form on every instruction set that has it, as a golden to read: ``tests/golden/tap_loops``.

A change of lowering shows here as a diff of instructions.  LLVM's choices are part of them, so they hold for the
version of LLVM that they name; with another one the loops are found and looked over all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import capstone
import pytest
from helpers.captures import compile_for, graph_of
from helpers.goldens import FOLDER, assert_golden
from helpers.schedule_strategy import Values, everywhere
from llvmlite import binding

from schedc.analysis.disassembly import MachineCode
from schedc.backends.objects.elf_code import read_code
from schedc.compiler import Compilation
from schedc.ir.ops import Conv, Input
from schedc.ir.printer import describe_op, describe_schedule
from schedc.loops.form import AlignedCuts, Form, InParts, Rolled, Skewed, Window, WrittenOut, form
from schedc.schedule import KernelSchedule, VectorAxis

LLVM = binding.llvm_version_info[0]
GOLDEN_LLVM = 22
MACS = ("fma", "fmla", "vfma", "vmla", "vmul", "fmul", "mla")


@dataclass(frozen=True)
class Loop:
    """A convolution that is lowered in ``form`` for ``target``, the rest being forced."""

    form: type[Form]
    target: str
    op: Conv
    forced: Values = field(default_factory=dict)
    word: str = ""  # tells two of one form apart

    @property
    def name(self) -> str:
        letters = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in self.form.__name__)
        return f"{letters[1:]}{self.word and '_'}{self.word}.{self.target}"

    def compile(self) -> Compilation:
        graph = graph_of(("x", Input(self.op.in_channels), ""), ("layer", self.op, "x"))
        return compile_for(graph, self.target, block=64, schedule=everywhere(self.forced))


FOUR: Values = {"tile_vectors": 4, "output_block": 2}
ROLLED: Values = {**FOUR, "unroll_macs": 40}
SHARED: Values = {**FOUR, "output_block": 1, "share_taps": True}
PARTS: Values = {"tile_vectors": 1, "tap_parts": 4}
CHANNELS: Values = {"axis": VectorAxis.CHANNELS, "lanes": 4, "tile_vectors": 2}
LAYER, FIR = Conv(2, 2, 3, 5), Conv(1, 1, 640)
LOOPS = (
    Loop(WrittenOut, "m33", LAYER, FOUR),
    Loop(WrittenOut, "a8", LAYER, {**FOUR, "tile_vectors": 2}),
    Loop(WrittenOut, "aarch64", LAYER, FOUR),
    Loop(WrittenOut, "avx2", LAYER, FOUR),
    Loop(WrittenOut, "aarch64", Conv(4, 4, 3, 5), CHANNELS, "channels"),
    Loop(WrittenOut, "avx2", Conv(4, 4, 3, 5), CHANNELS, "channels"),
    Loop(Rolled, "m33", Conv(2, 2, 12, 5), ROLLED),
    Loop(Rolled, "a8", Conv(2, 2, 12, 5), ROLLED),
    Loop(Rolled, "aarch64", Conv(2, 2, 12, 5), ROLLED),
    Loop(Rolled, "avx2", Conv(2, 2, 12, 5), ROLLED),
    Loop(Window, "m33", FIR, SHARED),
    Loop(Skewed, "a8", FIR, {**SHARED, "weight_vectors": 2}),
    Loop(Skewed, "aarch64", FIR, {**SHARED, "weight_vectors": 2}),
    Loop(Skewed, "avx2", FIR, {**SHARED, "weight_vectors": 2}),
    Loop(AlignedCuts, "aarch64", Conv(1, 1, 3, 3), {**FOUR, "align_taps": True}),
    Loop(AlignedCuts, "avx512", Conv(1, 1, 3, 3), {**FOUR, "align_taps": True}),
    Loop(InParts, "aarch64", FIR, PARTS),
    Loop(InParts, "avx2", FIR, PARTS),
)


def disassembled(compilation: Compilation) -> list[tuple[int, str, str]]:
    """(address, mnemonic, operands) of the kernel's function."""
    elf = compilation.code.elf
    if compilation.options.target.codegen.triple.startswith("x86_64"):
        code = read_code(elf)
        begin = code.symbols["kernel0"]
        end = min((at for at in code.symbols.values() if at > begin), default=len(code.text))
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        return [(i.address, i.mnemonic, i.op_str) for i in engine.disasm(code.text[begin:end], begin)]
    return [(i.address, i.mnemonic, i.operands) for i in MachineCode(elf).body("kernel0")]


def loops(code: list[tuple[int, str, str]]) -> Iterator[list[tuple[int, str, str]]]:
    """Innermost loops: from the target of a branch back to the branch."""
    place = {address: number for number, (address, _, _) in enumerate(code)}
    ends: list[tuple[int, int]] = []
    for number, (address, mnemonic, operands) in enumerate(code):
        last = operands.split()[-1].lstrip("#") if operands else ""
        target = int(last, 0) if last[:1].isdigit() and mnemonic[0] in "bjct" else address + 1
        if target <= address and target in place:
            ends.append((place[target], number))
    for begin, end in ends:
        if not any(begin <= other and to <= end and (other, to) != (begin, end) for other, to in ends):
            yield code[begin : end + 1]


def hot_loop(compilation: Compilation) -> list[tuple[int, str, str]]:
    """The one with most multiply-accumulates."""
    return max(loops(disassembled(compilation)), key=lambda body: sum(m.startswith(MACS) for _, m, _ in body))


def text_of(loop: Loop, tile: KernelSchedule, body: list[tuple[int, str, str]]) -> str:
    macs = sum(mnemonic.startswith(MACS) for _, mnemonic, _ in body)
    what = (
        f"{describe_op(loop.op)}, {loop.op.in_channels} to {loop.op.out_channels} channels; {describe_schedule(tile)}"
    )
    lines = [f"# {what}", f"# {len(body)} instructions, {macs} of them multiply; LLVM {LLVM}", "loop:"]
    for number, (_, mnemonic, operands) in enumerate(body):
        back = number == len(body) - 1
        lines.append(f"    {mnemonic:<12} {' '.join([*operands.split()[:-1], 'loop']) if back else operands}".rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_the_hot_loop_is_as_it_was_read(loop: Loop) -> None:
    compilation = loop.compile()
    (schedule,) = compilation.program.schedules.values()
    assert isinstance(form(loop.op, schedule), loop.form)
    body = hot_loop(compilation)
    assert sum(mnemonic.startswith(MACS) for _, mnemonic, _ in body) > 1
    assert not any("sp" in operands.replace(",", " ").replace("[", " ").split() for _, _, operands in body), "spills"
    if LLVM == GOLDEN_LLVM:
        assert_golden(f"tap_loops/{loop.name}.txt", text_of(loop, schedule, body))


def test_every_form_has_a_loop_to_read() -> None:
    assert {loop.form for loop in LOOPS} == set(Form.__args__)
    assert {path.stem for path in (FOLDER / "tap_loops").iterdir()} == {loop.name for loop in LOOPS}
