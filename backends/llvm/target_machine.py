"""LLVM target machines from target descriptions, and the one place where LLVM makes code with them.

Some of what LLVM is told holds for the whole process.  Whoever makes code does it inside :func:`emission`, where
that is set for the target and no other thread can set it for another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import llvmlite.binding as llvm

from schedc.errors import InternalError, UserError
from schedc.targets.base import Target

_initialized: list[bool] = []
_process = threading.RLock()  # around all that belongs to the process: what LLVM was told, its context, who sets it up
_cut_off = False  # another thread's work in LLVM, by a fork


def _after_fork() -> None:
    """In the new process another thread's work is never finished, and LLVM never unlocked."""
    global _process, _cut_off
    _cut_off = _cut_off or not _process.acquire(blocking=False)
    _process = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def initialize_llvm() -> None:
    """Make every back end of the llvmlite wheel available; once per process.

    UserError in a process that was forked while another thread was using LLVM.
    """
    if _cut_off:
        what = "this process was forked while another thread was compiling"
        raise UserError("compile", what, "fork before that, or start processes by spawn")
    with _process:
        if not _initialized:
            # Keep the order the lowering emits. LLVM's default for in-order Arm linearises a tile chain by
            # chain and spills every operand: A2-Lite's layer on Cortex-A8 took 892 instructions instead of 446.
            llvm.set_option("schedc", "-pre-RA-sched=source")
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            _initialized.append(True)


def target_machine(target: Target) -> llvm.TargetMachine:
    """The machine that compiles for ``target``.  Code is position independent by construction."""
    initialize_llvm()
    codegen = target.codegen
    return llvm.Target.from_triple(codegen.triple).create_target_machine(
        cpu=codegen.cpu, features=codegen.features, opt=2, reloc="pic", codemodel="small"
    )


@contextmanager
def emission(target: Target) -> Iterator[llvm.TargetMachine]:
    """The machine of ``target``, with the process's options set for it until the end; one thread at a time."""
    with _process:
        machine = target_machine(target)
        llvm.set_option("schedc", f"-enable-misched={str(target.codegen.machine_scheduler).lower()}")
        yield machine


def checked_module(text: str) -> llvm.ModuleRef:
    """A module from its text.  Raises InternalError if LLVM refuses it."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the emitted IR: {error}") from error
    return module


def execution_engine(target: Target, text: str = "", objects: Sequence[bytes] = ()) -> llvm.ExecutionEngine:
    """A module's text and finished objects as code in executable memory, for a ``target`` that runs here."""
    with emission(target) as machine:
        module = checked_module(text)
        module.triple = target.codegen.triple
        engine = llvm.create_mcjit_compiler(module, machine)
        for elf in objects:
            engine.add_object_file(llvm.ObjectFileRef.from_data(elf))
        engine.finalize_object()
        return engine
