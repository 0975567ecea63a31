"""The floating-point mode: how a processor rounds and what it does with subnormals, by a register of the caller's.

The numeric contract fixes both.  A caller may have set something else (plug-in hosts flush subnormals, interval
arithmetic rounds downwards), so exported functions put the contract's mode in force and give the caller's back.

Arm's 32-bit NEON instructions have no mode: they round to nearest and flush, whatever FPSCR says ("standard FPSCR
value", Arm ARM A2.7).  Code for vectors of 32-bit Arm calculates with those only, so it leaves the register alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schedc.ir.contract import Contract
from schedc.targets.base import Target
from schedc.targets.instruction_sets import ModeRegister


class FpMode(StrEnum):
    """Who puts the contract's mode in force; the values are the words of the command line."""

    OWN = "own"
    CALLER = "caller"


# Exceptions masked; flush to zero and denormals are zero; round towards zero.
_X86_MASKED, _X86_FLUSH, _X86_TOWARDS_ZERO = 0x1F80, 0x8040, 0x6000
# Exceptions untrapped, no other bit set; FZ; RMode.  FPCR and FPSCR agree on these.
_ARM_FLUSH, _ARM_TOWARDS_ZERO = 1 << 24, 3 << 22
# What a function must leave as it was by the platform's convention; the other bits are flags (psABI 3.2.1 of x86-64,
# AAPCS 6.1.2, AAPCS64 6.1.2).
_KEPT = {ModeRegister.MXCSR: 0xFFC0, ModeRegister.FPCR: 0xFFFFFFFF, ModeRegister.FPSCR: 0x07FF9F00}


@dataclass(frozen=True)
class Mode:
    """What stands in the register: one of a few modes, by what they mean."""

    flush: bool = False  # subnormal operands and results are zeros
    towards_zero: bool = False  # else to nearest, ties to even

    def word(self, register: ModeRegister) -> int:
        """The register's value, no exception raised yet."""
        if register is ModeRegister.MXCSR:
            return _X86_MASKED | _X86_FLUSH * self.flush | _X86_TOWARDS_ZERO * self.towards_zero
        return _ARM_FLUSH * self.flush | _ARM_TOWARDS_ZERO * self.towards_zero

    def words(self, register: ModeRegister) -> tuple[int, ...]:
        """All registers of a caller in this mode: the mode, and where they are elsewhere the flags, none raised."""
        return (self.word(register), 0) if register is ModeRegister.FPCR else (self.word(register),)


def mode_of(contract: Contract) -> Mode:
    """The mode in which the processor's arithmetic is the contract's."""
    return Mode(flush=contract.subnormals == "flush")


def lost_mode(register: ModeRegister, before: int, after: int) -> str:
    """What a call did to its caller's mode, in words; empty if it kept it."""
    kept = _KEPT[register]
    return f"left {register} {after:#x}, found {before:#x}" if before & kept != after & kept else ""


def obeys_mode(target: Target) -> bool:
    """Whether the target's code calculates by the caller's mode: not with 32-bit NEON."""
    return target.instruction_set.vectors_obey_mode or target.vectors.lanes == 1


def promise(target: Target, contract: Contract, fp_mode: FpMode) -> str:
    """What a caller must know of the floating-point mode, in sentences."""
    register = target.instruction_set.mode_register
    if not obeys_mode(target):
        return (
            f"NEON has none: whatever {register} holds, it rounds to nearest and flushes subnormals. The caller's mode "
            "stays; exception flags may be raised."
        )
    subnormals = {"keep": "subnormals kept", "flush": "subnormals flushed"}[contract.subnormals]
    mode = f"to nearest, {subnormals}, no exception trapped"
    if fp_mode is FpMode.CALLER:
        return (
            f"The caller promises that {register} says {mode} ({mode_of(contract).word(register):#x} but for flags) "
            "while samples are processed; in another mode other bits come out. Exception flags may be raised."
        )
    return (
        f"Processing rounds {mode}, whatever the caller has set in {register}; afterwards that is as before, exception "
        "flags included."
    )
