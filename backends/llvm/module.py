"""A planned program to an LLVM module, a module to an object.

Functions: one per distinct kernel shape, the stages' process and init functions, and for several
stages ``NAME_process``, which runs them one after the other in one state (the same code and so the
same bits as the pipeline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llvmlite import ir

from schedc.backends.codegen_check import not_closed
from schedc.backends.llvm.builder import VOID, internal_function
from schedc.backends.llvm.channels import ChannelEmitter
from schedc.backends.llvm.entries import Entries
from schedc.backends.llvm.init import INIT_TYPE, InitEmitter, emit_check
from schedc.backends.llvm.kernel_function import kernel_type
from schedc.backends.llvm.kernels import KernelEmitter
from schedc.backends.llvm.lstm_kernels import emit_cell, emit_cells
from schedc.backends.llvm.rings import SupportFunctions
from schedc.backends.llvm.stages import KernelCall, ModuleParts, StageEmitter
from schedc.backends.llvm.target_machine import checked_module, emission
from schedc.backends.objects.elf import UndefinedSymbolError, finish_assembly, finish_object
from schedc.backends.objects.object_format import Convention
from schedc.backends.weights.kernel_shape import KernelShape
from schedc.backends.weights.weight_blob import BlobLayout, BoundKernel
from schedc.ir.ops import LstmCell, RecurrentCell
from schedc.ir.program import Program
from schedc.loops.paired_cells import in_loops, share_loop
from schedc.targets.base import Target


@dataclass(frozen=True)
class StateLayout:
    """The single-core state: the stages' states, then the handoffs between them.  Offsets in bytes."""

    stages: tuple[int, ...]
    handoffs: tuple[int, ...]
    total_bytes: int


def state_layout(program: Program) -> StateLayout:
    at = 0
    stages: list[int] = []
    handoffs: list[int] = []
    arenas = [stage.arena for stage in program.stages if stage.arena]
    for arena in arenas:
        stages.append(at)
        at += arena.state_bytes
    for arena in arenas[:-1]:
        handoffs.append(at)
        at += arena.handoff_bytes
    return StateLayout(tuple(stages), tuple(handoffs), at)


def stage_symbol(name: str, stage: int, count: int) -> str:
    """A stage's process function: ``NAME_process`` when there is one stage."""
    return f"{name}_process" if count == 1 else f"{name}_stage{stage}"


def lower_program(program: Program, layout: BlobLayout, target: Target, name: str, convention: Convention) -> ir.Module:
    """The whole module; symbols begin with ``name``."""
    module = ir.Module(name=name)
    module.triple = target.codegen.triple
    bits, lanes = target.codegen.pointer_bits, target.vectors.lanes
    parts = ModuleParts(
        program, layout, _kernels(module, layout, bits), SupportFunctions(module, bits, lanes), bits, lanes
    )
    count = len(program.stages)
    entries = Entries(module, target, convention)
    check = emit_check(module, layout, bits)
    stages, inits = [], []
    for number in range(count):
        stages.append(entries.stage(stage_symbol(name, number, count), number))
        StageEmitter(stages[-1], parts, number).emit()
        init = f"{name}_init" if count == 1 else f"{name}_stage{number}_init"
        inits.append(entries.exported(INIT_TYPE, init))
        InitEmitter(inits[-1], parts, number).emit(check)
    if count > 1:
        whole = state_layout(program)
        entries.process(f"{name}_process", stages, whole.stages, whole.handoffs)
        entries.init(f"{name}_init", inits, whole.stages)
    for function in module.functions:
        if not function.is_declaration:
            # llvmlite's own method knows plain words only
            set.update(function.attributes, (*convention.attributes, *target.codegen.attributes))
    return module


def _kernels(module: ir.Module, layout: BlobLayout, pointer_bits: int) -> list[KernelCall]:
    """The calls of all stages in order; kernels of one shape share a function."""
    native = ir.IntType(pointer_bits)
    made: dict[tuple[KernelShape, ...], ir.Function] = {}
    calls = []
    for kernels in in_loops(layout.kernels, _paired):
        shapes = tuple(kernel.shape for kernel in kernels)
        if shapes not in made:
            arguments = [kind for shape in shapes for kind in kernel_type(shape, native).args]
            function = internal_function(module, ir.FunctionType(VOID, arguments), f"kernel{len(made)}")
            made[shapes] = function
            _emit_kernels(function, shapes, pointer_bits)
        calls.append(KernelCall(made[shapes], kernels))
    return calls


def _paired(first: BoundKernel, second: BoundKernel) -> bool:
    one, two = ((kernel.shape.steps[0].op, kernel.shape.schedule) for kernel in (first, second))
    return first.stage == second.stage and share_loop(one, two)


# What emits the function of a kernel that is one recurrent cell.
_CELLS: Mapping[type[RecurrentCell], Callable[[ir.Function, KernelShape, int], None]] = {LstmCell: emit_cell}


def _emit_kernels(function: ir.Function, shapes: tuple[KernelShape, ...], pointer_bits: int) -> None:
    cell = shapes[0].steps[0].op
    if len(shapes) == 2:
        emit_cells(function, (shapes[0], shapes[1]), pointer_bits)
    elif isinstance(cell, RecurrentCell):
        _CELLS[type(cell)](function, shapes[0], pointer_bits)
    elif shapes[0].schedule.across_channels:
        ChannelEmitter(function, shapes[0], pointer_bits).emit()
    else:
        KernelEmitter(function, shapes[0], pointer_bits).emit()


@dataclass(frozen=True)
class ObjectCode:
    """What the back end makes: the object, and on request the texts it went through."""

    elf: bytes
    llvm_ir: str
    assembly: str


def emit_object(module: ir.Module, target: Target, with_assembly: bool = False) -> ObjectCode:
    """Machine code for a module: an ELF relocatable without relocations or undefined symbols.

    UserError if that cannot be for a target of somebody's own.
    """
    text = str(module)
    with emission(target) as machine:
        elf = machine.emit_object(checked_module(text))
        assembly = finish_assembly(machine.emit_assembly(checked_module(text))) if with_assembly else ""
    return ObjectCode(_closed(elf, target), text, assembly)


def _closed(elf: bytes, target: Target) -> bytes:
    try:
        return finish_object(elf)
    except UndefinedSymbolError as error:
        if not target.file:
            raise
        raise not_closed(target, error.symbol) from error
