"""Whatever floating-point mode the caller has set: the interpreter's bits, and the caller's registers as before.

Every other differential test calls code in several modes by turns (``helpers.machines.Loaded``), and as a whole in one
with SCHEDC_CALLER_MODE=flush or towards_zero.
"""

from __future__ import annotations

from functools import cache

import capstone
import numpy as np
import pytest
from helpers.captures import capture_of, compile_for, graph_of, interpret_core, packed, random_weights
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.backends.float_mode import mode_of, obeys_mode
from schedc.backends.objects.elf import read_image
from schedc.compiler import Compilation
from schedc.ir.ops import Activation, ActivationKind, Conv, LstmCell, Start
from schedc.ir.weights import FloatArray
from schedc.options import make_options
from schedc.targets.base import load_target
from schedc.targets.instruction_sets import ModeRegister
from schedc.verification import verify_compilation

# Modes as a register's word, no flag raised: flushing, the other roundings, default NaN and alternative half floats.
X86 = (0x9FC0, 0x7F80, 0x3F80, 0x5F80, 0xFFC0)
ARM = (1 << 24, 3 << 22, 2 << 22, 1 << 22, 0x07C00000)
WORDS = {ModeRegister.MXCSR: X86, ModeRegister.FPCR: ARM, ModeRegister.FPSCR: ARM}
HOSTILE = [(target, word) for target in TARGETS for word in WORDS[load_target(target).instruction_set.mode_register]]
ROUTES = {"one stage": (1, False), "two in process": (2, False), "two": (2, True)}
CASES = [(*hostile, list(ROUTES)[number % 3]) for number, hostile in enumerate(HOSTILE)]
every_target = pytest.mark.parametrize("target", TARGETS)

GRAPH = graph_of(
    ("c", Conv(1, 4, 3, 2), "x"),
    ("t", Activation(ActivationKind.TANH, 4), "c"),
    ("l", LstmCell(4, 3), "t"),
    ("d", Conv(3, 2, 2, start=Start.NOTHING), "l"),
)
WEIGHTS = random_weights(GRAPH)
WEIGHTS["d"]["weight"] *= np.float32(1e-38)  # subnormals, and so is what comes out
SAMPLES = signal(1, 60, 1, special=True)
BLOCKS = [1, 16, 3, 16, 16, 8]


@cache
def compiled(target: str, cores: int, fp_mode: str = "own") -> Compilation:
    return compile_for(GRAPH, target, cores=cores, block=16, fp_mode=fp_mode)


@cache
def wanted(target: str) -> FloatArray:
    return interpret_core(capture_of(GRAPH, WEIGHTS), SAMPLES, compiled(target, 1).options.contract)


def loaded(target: str, cores: int, stages: bool = False, fp_mode: str = "own") -> Loaded:
    compilation = compiled(target, cores, fp_mode)
    kind = LoadedStages if stages else Loaded
    return kind(compilation, packed(compilation, capture_of(GRAPH, WEIGHTS)))


def words_of(target: str, word: int, flags: int = 0) -> tuple[int, ...]:
    elsewhere = load_target(target).instruction_set.mode_register is ModeRegister.FPCR
    return (word, flags) if elsewhere else (word | flags,)


def played(code: Loaded, words: tuple[int, ...]) -> FloatArray:
    """The samples, every block in the mode that ``words`` put in force before the first one."""
    code.machine.float_words = words
    found, begin = [], 0
    for n in BLOCKS:
        code.machine.write(code.source, SAMPLES[:, begin : begin + n].tobytes())
        code.call(n)
        raw = code.machine.read(code.target, 4 * n * code.out_channels)
        found.append(np.frombuffer(raw, np.float32).reshape(code.out_channels, n))
        begin += n
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize(("target", "word", "route"), CASES)
def test_the_callers_mode_changes_no_bit_and_survives(target: str, word: int, route: str) -> None:
    code = loaded(target, *ROUTES[route])
    assert_same_bits(played(code, words_of(target, word)), wanted(target), f"{target} {word:#x}")
    assert code.machine.float_words[0] & word == word  # the machines compare all of it, call by call


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("target", [target for target in TARGETS if obeys_mode(load_target(target))])
def test_flags_are_the_callers_too(target: str, cores: int) -> None:
    inexact = 0x20 if load_target(target).instruction_set.mode_register is ModeRegister.MXCSR else 0x10
    for flags in (0, inexact):
        words = words_of(target, WORDS[load_target(target).instruction_set.mode_register][0], flags)
        code = loaded(target, cores)
        assert_same_bits(played(code, words), wanted(target), target)
        assert code.machine.float_words == words


@pytest.mark.parametrize("number", [None, 0, 1], ids=["kept", "flush", "towards zero"])
@every_target
def test_with_the_callers_promise_the_bits_are_the_same_and_without_it_they_are_not(
    target: str, number: int | None
) -> None:
    register = load_target(target).instruction_set.mode_register
    kept = mode_of(compiled(target, 1).options.contract).word(register)
    word = kept if number is None else WORDS[register][number]
    found = played(loaded(target, 1, fp_mode="caller"), words_of(target, word))
    same = np.array_equal(found.view(np.uint32), wanted(target).view(np.uint32))
    assert same == (number is None or not obeys_mode(load_target(target)))


@every_target
def test_only_the_outermost_functions_write_the_register(target: str) -> None:
    """Once before and once after the work; none where the caller promises, or NEON calculates."""
    for fp_mode in ("own", "caller"):
        writing = [
            name
            for name, mnemonic, operands in instructions(compiled(target, 2, fp_mode))
            if mnemonic in ("vldmxcsr", "vmsr") or (mnemonic == "msr" and operands.startswith("fpcr"))
        ]
        sets = fp_mode == "own" and obeys_mode(load_target(target))
        entries = ["capture_process", "capture_stage0", "capture_stage1"]
        assert sorted(writing) == sorted(2 * entries if sets else [])


def instructions(compilation: Compilation) -> list[tuple[str, str, str]]:
    """(function, mnemonic, operands) of all code."""
    image = read_image(compilation.code.elf)
    if image.machine != "EM_X86_64":
        code = MachineCode(compilation.code.elf)
        return [(f.name, i.mnemonic, i.operands) for f in code.functions for i in code.body(f.name)]
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    return [
        (f.name, mnemonic, operands)
        for f in image.functions()
        for _, _, mnemonic, operands in decoder.disasm_lite(image.text[f.value : f.value + f.size], f.value)
    ]


# What x86 instructions of ours may do to floats outside of kernels: move them.
MOVES = (
    "vmov",
    "vbroadcast",
    "vpbroadcast",
    "vxor",
    "vpxor",
    "vstmxcsr",
    "vldmxcsr",
    "vzeroupper",
    "vinsert",
    "vextract",
)


@pytest.mark.parametrize("block", [1, 16])
@every_target
def test_what_runs_outside_of_kernels_does_no_arithmetic(target: str, block: int) -> None:
    """So init needs no mode, and in process no arithmetic stands beside the instructions that set it."""
    compilation = compile_for(GRAPH, target, cores=2, block=block)
    if read_image(compilation.code.elf).machine == "EM_X86_64":
        outside = [m for name, m, _ in instructions(compilation) if not name.startswith("kernel")]
        assert [m for m in outside if m.startswith("v") and not m.startswith(MOVES)] == []
        return
    code = MachineCode(compilation.code.elf)
    outside_arm = [i for f in code.functions if not f.name.startswith("kernel") for i in code.body(f.name)]
    calculating = k.ARITHMETIC | {k.FLOAT_COMPARE, k.VECTOR_COMPARE}
    assert outside_arm and [i.text for i in outside_arm if i.kind in calculating] == []


@pytest.mark.parametrize("fp_mode", ["own", "caller"])
def test_verify_calls_in_the_modes_that_the_code_must_not_mind(fp_mode: str) -> None:
    compilation = compile_for(GRAPH, "m33", cores=2, fp_mode=fp_mode)
    assert verify_compilation(compilation, capture_of(GRAPH), 40).passed


@every_target
def test_code_of_either_kind_takes_the_same_blobs(target: str) -> None:
    own, caller = (compiled(target, 2, fp_mode) for fp_mode in ("own", "caller"))
    assert own.layout.digest == caller.layout.digest
    assert (own.code.elf == caller.code.elf) == (not obeys_mode(load_target(target)))


def test_the_mode_is_part_of_the_options() -> None:
    assert make_options("m33").convention != make_options("m33", fp_mode="caller").convention
