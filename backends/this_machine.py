"""Which code this machine's processor executes.  LLVM is loaded only where the system's words do not tell."""

from __future__ import annotations

import functools

from schedc.errors import UnsupportedError
from schedc.targets.base import Codegen, Target, load_target
from schedc.targets.host import architecture, candidates, processor_facts, quick_executes, quick_kind


@functools.cache
def host_target_name() -> str:
    """The description that fits this machine: zen4, avx512, avx2 or aarch64.  UnsupportedError if none does."""
    names = candidates(architecture(), processor_facts())
    for name in names:
        if can_run_here(load_target(name)):
            return name
    lacks = f"does not execute all of {' or '.join(names)} code" if names else "is neither x86-64 nor AArch64"
    raise UnsupportedError("this machine", f"{lacks} ({architecture()})", "compile for another target instead")


def can_run_here(target: Target) -> bool:
    """Whether this machine's processor executes everything that code of the target may use."""
    return _executes(target.codegen)


@functools.cache
def _executes(codegen: Codegen) -> bool:
    if codegen.instruction_set.name != architecture():
        return False
    quick = quick_executes(codegen, processor_facts())
    if quick is not None:
        return quick
    from schedc.backends.llvm.host_processor import executes

    return executes(codegen)


@functools.cache
def processor_kind() -> str:
    """What this processor is: where it differs, code and measurements of the other one are no good."""
    kind = quick_kind(processor_facts())
    if kind:
        return f"{architecture()} {kind}"
    from schedc.backends.llvm.host_processor import kind as kind_by_llvm

    return f"{architecture()} {kind_by_llvm()}"
