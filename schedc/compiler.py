"""The compiler, as a story.

    read       a .nam file to a checked, typed document; a container's size is chosen
    build      the document to a graph of small ops and a table of weights
    passes     graph to kernels, kernels to a schedule, stages and a memory map
    bind       kernels to shapes (what the code depends on) and arguments; the blob's layout
    lower      shapes and stages to LLVM IR and machine code
    reschedule on single-issue cores: the finished instructions in a better order
    pack       weights and the silence state to a blob in that layout

Everything up to ``lower`` is a function of the architecture; only ``pack`` sees a capture's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from schedc.backends.llvm.module import ObjectCode, emit_object, lower_program, state_layout
from schedc.backends.objects.containers import contained
from schedc.backends.reschedule.reschedule import reschedule
from schedc.errors import UserError
from schedc.ir.graph import Graph
from schedc.options import Options
from schedc.passes.run import Observer
from schedc.planning import Plan, plan_graph
from schedc.targets.base import Target


@dataclass(frozen=True)
class Compilation(Plan):
    """A planned program with its code: everything but a capture's numbers."""

    code: ObjectCode
    name: str

    @property
    def state_bytes(self) -> int:
        return state_layout(self.program).total_bytes

    @cached_property
    def object_file(self) -> bytes:
        """The code in the container that was asked for."""
        return contained(self.code.elf, self.options.object_format)


def compile_graph(
    graph: Graph, options: Options, name: str = "capture", observers: Sequence[Observer] = (), assembly: bool = False
) -> Compilation:
    """Graph to code.  Deterministic: equal graphs and options give equal bytes."""
    plan = plan_graph(graph, options, observers)
    return with_code(plan, emit_plan(plan, name, assembly), name)


def emit_plan(plan: Plan, name: str, assembly: bool = False) -> ObjectCode:
    """A plan to an object whose symbols begin with ``name``; the texts show LLVM's order."""
    convention = plan.options.convention
    target = convention.applied_to(plan.options.target)
    module = lower_program(plan.program, plan.layout, target, name, convention)
    code = emit_object(module, target, assembly)
    return replace(code, elf=_rescheduled(code.elf, plan.options.target))


def _rescheduled(elf: bytes, target: Target) -> bytes:
    """UserError if a pipeline of somebody's own does not fit the code."""
    try:
        return reschedule(elf, target)
    except UserError as error:
        if not target.file:
            raise
        what = f"single_issue does not know every instruction of this code ({error.what})"
        raise UserError(f"{target.file}: pipeline", what, "write pipeline: null") from error


def with_code(plan: Plan, code: ObjectCode, name: str) -> Compilation:
    """A plan and the code that was made from it."""
    return Compilation(plan.options, plan.program, plan.layout, plan.log, code, name)
