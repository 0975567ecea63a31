"""A planned program to an LLVM module, a module to an object.

Functions: one per distinct kernel shape, the stages' process and init functions, and for several
stages ``NAME_process``, which runs them one after the other in one state (the same code and so the
same bits as the pipeline).
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from schedc.analysis.paired_cells import in_loops, share_loop
from schedc.backends.kernel_shape import KernelShape
from schedc.backends.llvm.builder import VOID, Builder
from schedc.backends.llvm.channels import ChannelEmitter
from schedc.backends.llvm.elf import finish_object
from schedc.backends.llvm.kernel_function import kernel_type
from schedc.backends.llvm.kernels import KernelEmitter
from schedc.backends.llvm.recurrent import emit_cell, emit_cells
from schedc.backends.llvm.rings import SupportFunctions
from schedc.backends.llvm.stages import INIT_TYPE, STAGE_TYPE, InitEmitter, KernelCall, ModuleParts, StageEmitter
from schedc.backends.llvm.target_machine import checked_module, emission
from schedc.backends.object_format import Convention
from schedc.backends.weight_blob import BlobLayout, BoundKernel
from schedc.ir.ops import LstmCell
from schedc.ir.program import Program
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


def lower_program(
    program: Program, layout: BlobLayout, target: Target, name: str, convention: Convention | None = None
) -> ir.Module:
    """The whole module; symbols begin with ``name``."""
    convention = convention or Convention()
    module = ir.Module(name=name)
    module.triple = target.codegen.triple
    bits, lanes = target.codegen.pointer_bits, target.vectors.lanes
    parts = ModuleParts(
        program, layout, _kernels(module, layout, bits), SupportFunctions(module, bits, lanes), bits, lanes
    )
    count = len(program.stages)
    processes, inits = [], []
    for number in range(count):
        processes.append(_exported(module, STAGE_TYPE, stage_symbol(name, number, count), convention))
        StageEmitter(processes[-1], parts, number).emit()
        init = f"{name}_init" if count == 1 else f"{name}_stage{number}_init"
        inits.append(_exported(module, INIT_TYPE, init, convention))
        InitEmitter(inits[-1], parts, number).emit()
    if count > 1:
        _single_core(module, name, program, processes, inits, bits, convention)
    for function in module.functions:
        if not function.is_declaration:
            # llvmlite's own method knows plain words only
            set.update(function.attributes, (*convention.attributes, *target.codegen.attributes))
    return module


def _exported(module: ir.Module, kind: ir.FunctionType, name: str, convention: Convention) -> ir.Function:
    function = ir.Function(module, kind, name)
    function.calling_convention = convention.calls
    function.attributes.add("nounwind")
    return function


def _kernels(module: ir.Module, layout: BlobLayout, pointer_bits: int) -> list[KernelCall]:
    """The calls of all stages in order; kernels of one shape share a function."""
    native = ir.IntType(pointer_bits)
    made: dict[tuple[KernelShape, ...], ir.Function] = {}
    calls = []
    for kernels in in_loops(layout.kernels, _paired):
        shapes = tuple(kernel.shape for kernel in kernels)
        if shapes not in made:
            arguments = [kind for shape in shapes for kind in kernel_type(shape, native).args]
            function = ir.Function(module, ir.FunctionType(VOID, arguments), f"kernel{len(made)}")
            function.linkage = "internal"
            function.attributes.add("nounwind")
            function.attributes.add("noinline")
            made[shapes] = function
            _emit_kernels(function, shapes, pointer_bits)
        calls.append(KernelCall(made[shapes], kernels))
    return calls


def _paired(first: BoundKernel, second: BoundKernel) -> bool:
    one, two = ((kernel.shape.steps[0].op, kernel.shape.schedule) for kernel in (first, second))
    return first.stage == second.stage and share_loop(one, two)


def _emit_kernels(function: ir.Function, shapes: tuple[KernelShape, ...], pointer_bits: int) -> None:
    if len(shapes) == 2:
        emit_cells(function, (shapes[0], shapes[1]), pointer_bits)
    elif isinstance(shapes[0].steps[0].op, LstmCell):
        emit_cell(function, shapes[0], pointer_bits)
    elif shapes[0].schedule.across_channels:
        ChannelEmitter(function, shapes[0], pointer_bits).emit()
    else:
        KernelEmitter(function, shapes[0], pointer_bits).emit()


def _single_core(
    module: ir.Module,
    name: str,
    program: Program,
    processes: list[ir.Function],
    inits: list[ir.Function],
    pointer_bits: int,
    convention: Convention,
) -> None:
    """``NAME_process`` and ``NAME_init`` of a program with several stages."""
    layout = state_layout(program)
    function = _exported(module, STAGE_TYPE, f"{name}_process", convention)
    state, weights, source, target, frames = function.args
    b = Builder(function, pointer_bits, 1)
    handoffs = [b.at(state, offset) for offset in layout.handoffs]
    ends = [source, *handoffs, target]
    for number, process in enumerate(processes):
        b.ir.call(process, [b.at(state, layout.stages[number]), weights, ends[number], ends[number + 1], frames])
    b.ir.ret_void()
    function = _exported(module, INIT_TYPE, f"{name}_init", convention)
    state, weights = function.args
    b = Builder(function, pointer_bits, 1)
    pairs = zip(inits, layout.stages, strict=True)
    results = [b.ir.call(init, [b.at(state, offset), weights]) for init, offset in pairs]
    b.ir.ret(results[0])  # all stages make the same checks, so the first result speaks for all


@dataclass(frozen=True)
class ObjectCode:
    """What the back end makes: the object, and on request the texts it went through."""

    elf: bytes
    llvm_ir: str
    assembly: str


def emit_object(module: ir.Module, target: Target, with_assembly: bool = False) -> ObjectCode:
    """Machine code for a module: an ELF relocatable without relocations or undefined symbols."""
    text = str(module)
    with emission(target) as machine:
        elf = machine.emit_object(checked_module(text))
        assembly = machine.emit_assembly(checked_module(text)) if with_assembly else ""
    return ObjectCode(finish_object(elf), text, assembly)
