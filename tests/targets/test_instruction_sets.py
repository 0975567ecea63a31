"""What is known of an architecture is said once, and every word of it is known where it is at home."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import get_args

import llvmlite.binding as llvm
import pytest
from helpers.goldens import REFRESH

from schedc.analysis.disassembly import DISASSEMBLED
from schedc.analysis.models import MODELS
from schedc.backends.emulator.machines import CONVENTIONS
from schedc.backends.llvm.float_registers import _INTRINSICS
from schedc.backends.llvm.stage_runner import _PAUSE
from schedc.backends.llvm.target_machine import initialize_llvm
from schedc.backends.objects.elf_relocations import _PATCHES
from schedc.backends.objects.object_format import ObjectFormat, convention_of
from schedc.errors import InternalError
from schedc.targets import names
from schedc.targets.base import load_target
from schedc.targets.host import architecture, candidates
from schedc.targets.instruction_sets import (
    BY_ARCHITECTURE,
    INSTRUCTION_SETS,
    OBJECT_MACHINES,
    InstructionSet,
    Machine,
    ModeRegister,
    emulated_by,
    instruction_set,
)
from schedc.targets.keys import PIPELINE_MODELS
from schedc.targets.names import TARGET_NAMES, TargetName

ROOT = Path(__file__).parents[2]
each = pytest.mark.parametrize("one", INSTRUCTION_SETS, ids=lambda one: one.name)


@each
def test_a_record_is_complete(one: InstructionSet) -> None:
    assert one.objects in OBJECT_MACHINES.values() and one.objects.elf_word in _PATCHES
    assert one.pointer_bits in (32, 64)
    assert one.mode_register is ModeRegister.MXCSR or one.mode_register in _INTRINSICS
    assert set(one.pipeline_models) <= set(MODELS)
    if one.emulator or one.pipeline_models:
        assert one.objects.title in DISASSEMBLED
    if one.emulator:
        assert one.emulator in CONVENTIONS
    initialize_llvm()
    for name in one.architectures:
        llvm.Target.from_triple(f"{name}-none-elf")  # RuntimeError for what it does not know
        assert instruction_set(f"{name}-none-elf") is one


@each
def test_hosts_have_all_that_running_code_asks_for(one: InstructionSet) -> None:
    assert (one.host is not None) == (one.name in _PAUSE)
    if one.host is None:
        return
    assert all(architecture(name) == one.name for name in (one.name, *one.host.system_names))
    assert one.objects.coff is not None and one.objects.macho is not None
    for name in candidates(one.name, {}):
        target = load_target(name)
        assert target.instruction_set is one and target.codegen.cpu == one.host.baseline
        for kind in ObjectFormat:
            convention_of(target, kind)  # OptionError where no system runs it


def test_nothing_at_home_is_without_a_record() -> None:
    assert set(CONVENTIONS) == set(Machine) == {one.emulator for one in INSTRUCTION_SETS if one.emulator}
    assert set(MODELS) == set(PIPELINE_MODELS) == {model for one in INSTRUCTION_SETS for model in one.pipeline_models}
    assert set(_PATCHES) == set(OBJECT_MACHINES)
    assert set(DISASSEMBLED) == {one.objects.title for one in INSTRUCTION_SETS if one.emulator or one.pipeline_models}
    assert len(BY_ARCHITECTURE) == sum(len(one.architectures) for one in INSTRUCTION_SETS)


@pytest.mark.parametrize("machine", Machine)
def test_an_emulator_is_told_the_same_by_all_that_it_runs(machine: Machine) -> None:
    mine = [one for one in INSTRUCTION_SETS if one.emulator is machine]
    told = {(one.pointer_bits, one.objects.title, one.mode_register) for one in mine}
    assert emulated_by(machine) in mine and len(told) == 1


def test_a_triple_of_no_record_is_our_fault() -> None:
    with pytest.raises(InternalError, match="riscv64 is no instruction set of schedc's"):
        instruction_set("riscv64-none-elf")


def test_the_targets_that_types_know_are_those_that_there_are() -> None:
    """The folder's; SCHEDC_REFRESH_GOLDENS=1 python -m pytest tests/targets writes the type anew."""
    assert tuple(sorted(path.stem for path in (ROOT / "targets").glob("*.yaml"))) == TARGET_NAMES
    if os.environ.get(REFRESH):
        path = Path(str(names.__file__))
        listed = ", ".join(f'"{name}"' for name in TARGET_NAMES)
        path.write_text(re.sub(r"(?m)^TargetName = .*$", f"TargetName = Literal[{listed}]", path.read_text()))
        return
    assert get_args(TargetName) == TARGET_NAMES, f"{REFRESH}=1 python -m pytest tests/targets writes it anew"


def test_no_code_knows_a_target_by_its_name() -> None:
    """But what chooses the one for this machine, and the words of machines that are emulated."""
    known = set(TARGET_NAMES) - set(Machine)
    found = set()
    for folder in ("schedc", "backends", "passes", "targets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
            if any(isinstance(text, str) and text in known for text in texts):
                found.add(str(path.relative_to(ROOT)))
    assert found == {"targets/host.py", "targets/names.py"}
