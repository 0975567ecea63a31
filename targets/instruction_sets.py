"""The instruction sets that code is made for: one record each of all that is looked up by architecture.

A description's triple names its set by its first part (:attr:`InstructionSet.architectures`), so a target of a set
that stands here is its YAML file and nothing else.  What belongs to a library that few may import is named by a word
here and has its home there: emulated machines in :mod:`schedc.backends.emulator.machines`, disassemblers in
:mod:`schedc.analysis.disassembly`, timing models in :mod:`schedc.analysis.models`, intrinsics of mode registers in
:mod:`schedc.backends.llvm.float_registers`, relocations in :mod:`schedc.backends.objects.elf_relocations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schedc.errors import InternalError


class ModeRegister(StrEnum):
    """Where a processor keeps its floating-point mode.  AArch64 has the exception flags in another register, FPSR."""

    MXCSR = "MXCSR"
    FPCR = "FPCR"
    FPSCR = "FPSCR"


class Machine(StrEnum):
    """The machines that are emulated; the values are the words of descriptions."""

    M33 = "m33"
    A8 = "a8"
    AARCH64 = "aarch64"


@dataclass(frozen=True)
class ObjectMachine:
    """What object files call the processor that their code is for."""

    title: str  # in messages
    elf: int  # e_machine
    elf_word: str  # the same as pyelftools says it
    coff: int | None = None  # Machine; None: no system runs such files
    macho: tuple[int, int] | None = None  # cputype and cpusubtype ("all")


@dataclass(frozen=True)
class Host:
    """What systems say of a machine that code can run on where schedc runs."""

    system_names: tuple[str, ...]  # of platform.machine(), besides the triple's
    baseline: str  # LLVM's processor that every such machine is; a description's features are what code uses besides
    flag_line: str  # of /proc/cpuinfo


@dataclass(frozen=True)
class InstructionSet:
    """All that depends on the architecture alone."""

    name: str
    architectures: tuple[str, ...]  # the first part of a triple
    pointer_bits: int
    objects: ObjectMachine
    mode_register: ModeRegister
    vectors_obey_mode: bool  # else they round to nearest and flush subnormals, whatever the register holds
    maximum: str  # LLVM's intrinsic that is one instruction; "": a comparison and a selection are
    pipeline_models: tuple[str, ...] = ()  # timing models that know its instructions
    emulator: Machine | None = None
    host: Host | None = None


ARM = ObjectMachine("Arm", 40, "EM_ARM")
AARCH64 = ObjectMachine("AArch64", 183, "EM_AARCH64", 0xAA64, (0x0100000C, 0))
X86_64 = ObjectMachine("x86-64", 62, "EM_X86_64", 0x8664, (0x01000007, 3))
OBJECT_MACHINES = {machine.elf_word: machine for machine in (ARM, AARCH64, X86_64)}


def _arm(
    name: str,
    architectures: tuple[str, ...],
    maximum: str,
    models: tuple[str, ...] = (),
    emulator: Machine | None = None,
) -> InstructionSet:
    """Of 32 bits; NEON has no mode ("standard FPSCR value", Arm ARM A2.7)."""
    return InstructionSet(name, architectures, 32, ARM, ModeRegister.FPSCR, False, maximum, models, emulator)


INSTRUCTION_SETS = (
    InstructionSet(
        name="x86_64",
        architectures=("x86_64",),
        pointer_bits=64,
        objects=X86_64,
        mode_register=ModeRegister.MXCSR,
        vectors_obey_mode=True,
        maximum="",  # MAXPS is that very pair
        host=Host(("amd64",), "x86-64", "flags"),
    ),
    InstructionSet(
        name="aarch64",
        architectures=("aarch64",),
        pointer_bits=64,
        objects=AARCH64,
        mode_register=ModeRegister.FPCR,
        vectors_obey_mode=True,
        maximum="llvm.maxnum",  # FMAXNM
        pipeline_models=("out_of_order",),
        emulator=Machine.AARCH64,
        host=Host(("arm64",), "generic", "Features"),
    ),
    _arm("armv7", ("armv7a", "armv7"), "llvm.maximum", ("dual_issue_neon",), Machine.A8),  # VMAX
    _arm("armv8", ("armv8a",), "llvm.maxnum"),  # VMAXNM
    _arm("thumbv7", ("thumbv7em",), "", ("single_issue",), Machine.M33),  # the scalar unit of ARMv7 has none
    _arm("thumbv8", ("thumbv8m.main", "thumbv8.1m.main"), "llvm.maxnum", ("single_issue",), Machine.M33),
)
BY_ARCHITECTURE = {name: one for one in INSTRUCTION_SETS for name in one.architectures}


def instruction_set(triple: str) -> InstructionSet:
    """The one that a triple names."""
    architecture = architecture_of(triple)
    if architecture not in BY_ARCHITECTURE:
        raise InternalError(f"{architecture} is no instruction set of schedc's")
    return BY_ARCHITECTURE[architecture]


def architecture_of(triple: str) -> str:
    """A triple's first part."""
    return triple.partition("-")[0]


def emulated_by(machine: Machine) -> InstructionSet:
    """The first set whose code the emulator runs as ``machine``; what it asks is the same for all of them."""
    return next(one for one in INSTRUCTION_SETS if one.emulator is machine)
