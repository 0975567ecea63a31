"""LLVM target machines from target descriptions."""

from __future__ import annotations

import llvmlite.binding as llvm

from schedc.errors import UnsupportedError
from schedc.targets.base import Target

_initialized: list[bool] = []


def initialize_llvm() -> None:
    """Make every back end of the llvmlite wheel available; once per process."""
    if not _initialized:
        # Keep the order the lowering emits. LLVM's default for in-order Arm linearises a tile chain by
        # chain and spills every operand: A2-Lite's layer on Cortex-A8 took 892 instructions instead of 446.
        llvm.set_option("schedc", "-pre-RA-sched=source")
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        _initialized.append(True)


def keep_order(keep: bool) -> None:
    """Switch LLVM's machine scheduler off (True) or on, for all code emitted after; an option of the process."""
    llvm.set_option("schedc", f"-enable-misched={'false' if keep else 'true'}")


def target_machine(target: Target) -> llvm.TargetMachine:
    """The machine that compiles for ``target``.  Code is position independent by construction."""
    initialize_llvm()
    codegen = target.codegen
    return llvm.Target.from_triple(codegen.triple).create_target_machine(
        cpu=codegen.cpu, features=codegen.features, opt=2, reloc="pic", codemodel="small"
    )


def host_target_name() -> str:
    """The description that fits the machine we run on: avx512, avx2 or aarch64."""
    triple = llvm.get_default_triple()
    if triple.startswith(("aarch64", "arm64")):
        return "aarch64"
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return "avx512"
    if features.get("avx2") and features.get("fma"):
        return "avx2"
    raise UnsupportedError(
        "this machine", f"has neither AVX2 with FMA nor AArch64 ({triple})", "compile for another target instead"
    )
