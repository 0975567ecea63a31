"""What the emulator must know of each machine: Unicorn's constants and the calling convention.

AAPCS (Arm, 32 bit): integers in r0-r3, then the stack; r4-r11, sp and d8-d15 survive a call.
AAPCS64: integers in x0-x7; x19-x29, sp and the low halves of v8-v15 survive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unicorn import (
    UC_ARCH_ARM,
    UC_ARCH_ARM64,
    UC_MODE_ARM,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    arm64_const,
    arm_const,
)

from schedc.analysis.disassembly_aarch64 import AARCH64
from schedc.analysis.disassembly_arm import ARM_A, THUMB_A, THUMB_M
from schedc.targets.instruction_sets import Machine


@dataclass(frozen=True)
class Convention:
    """One machine, registers by Unicorn's numbers.

    ``float_registers``: the one with the floating-point mode, and the one with its flags if they are elsewhere.
    ``modes``: of the disassembler, for code at even and at odd addresses of functions.  ``return_bit``: of addresses
    that functions return to.
    """

    unicorn_mode: tuple[int, int]
    cpu_model: int
    enable_fpu: Callable[[Any], None]
    pc: int
    sp: int
    link: int
    arguments: tuple[int, ...]
    saved_integers: dict[str, int]
    saved_doubles: dict[str, int]
    float_registers: tuple[int, ...]
    modes: tuple[tuple[int, int], tuple[int, int]]
    return_bit: int = 0


def _enable_a8(uc: Any) -> None:
    uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)  # EN; with it VFP and NEON decode


def _enable_aarch64(uc: Any) -> None:
    uc.reg_write(arm64_const.UC_ARM64_REG_CPACR_EL1, 0x3 << 20)  # FPEN: no trap at EL0 and EL1


def _enable_m33(uc: Any) -> None:
    """Unicorn's M-profile models start with the FPU enabled (firmware must write CPACR).

    FPCA and SFPA say that the caller has used it: the first instruction of a fresh context would set FPSCR itself.
    """
    uc.reg_write(arm_const.UC_ARM_REG_CONTROL, 3 << 2)


def _arm(name: str) -> int:
    return int(getattr(arm_const, f"UC_ARM_REG_{name.upper()}"))


def _arm64(name: str) -> int:
    return int(getattr(arm64_const, f"UC_ARM64_REG_{name.upper()}"))


def _aapcs(
    mode: int,
    model: int,
    enable: Callable[[Any], None],
    modes: tuple[tuple[int, int], tuple[int, int]],
    return_bit: int = 0,
) -> Convention:
    return Convention(
        unicorn_mode=(UC_ARCH_ARM, mode),
        cpu_model=model,
        enable_fpu=enable,
        pc=_arm("pc"),
        sp=_arm("sp"),
        link=_arm("lr"),
        arguments=tuple(_arm(f"r{i}") for i in range(4)),
        saved_integers={f"r{i}": _arm(f"r{i}") for i in range(4, 12)},
        saved_doubles={f"d{i}": _arm(f"d{i}") for i in range(8, 16)},
        float_registers=(_arm("fpscr"),),
        modes=modes,
        return_bit=return_bit,
    )


CONVENTIONS: dict[Machine, Convention] = {
    Machine.M33: _aapcs(
        UC_MODE_THUMB | UC_MODE_MCLASS,
        arm_const.UC_CPU_ARM_CORTEX_M33,
        _enable_m33,
        (THUMB_M, THUMB_M),
        return_bit=1,  # it knows Thumb only; elsewhere returning to ARM state is as good
    ),
    # A Cortex-A8 object may hold ARM or Thumb-2 code.
    Machine.A8: _aapcs(UC_MODE_ARM, arm_const.UC_CPU_ARM_CORTEX_A8, _enable_a8, (ARM_A, THUMB_A)),
    Machine.AARCH64: Convention(
        unicorn_mode=(UC_ARCH_ARM64, UC_MODE_ARM),
        cpu_model=arm64_const.UC_CPU_ARM64_A72,
        enable_fpu=_enable_aarch64,
        pc=_arm64("pc"),
        sp=_arm64("sp"),
        link=_arm64("x30"),
        arguments=tuple(_arm64(f"x{i}") for i in range(8)),
        saved_integers={f"x{i}": _arm64(f"x{i}") for i in range(19, 30)},
        saved_doubles={f"d{i}": _arm64(f"d{i}") for i in range(8, 16)},
        float_registers=(_arm64("fpcr"), _arm64("fpsr")),
        modes=(AARCH64, AARCH64),
    ),
}
