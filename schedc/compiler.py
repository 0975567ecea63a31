"""The compiler, as a story.

    read       a .nam file to a checked, typed document; a container's size is chosen
    build      the document to a graph of small ops and a table of weights
    passes     graph to kernels, kernels to a schedule, stages and a memory map
    bind       kernels to shapes (what the code depends on) and arguments; the blob's layout
    lower      shapes and stages to LLVM IR and machine code
    pack       weights and the silence state to a blob in that layout

Everything up to ``lower`` is a function of the architecture; only ``pack`` sees a capture's numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schedc.backends.llvm.module import ObjectCode, emit_object, lower_program, state_layout
from schedc.backends.llvm.target_machine import host_target_name
from schedc.errors import UserError
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph
from schedc.pipeline import Observer
from schedc.planning import (
    Capture,
    ModelPath,
    Options,
    Plan,
    check_options,
    core_graph,
    core_passes,
    core_weights,
    plan_graph,
    planning_passes,
    read_capture,
)
from schedc.targets.base import load_target

__all__ = [
    "Capture",
    "Compilation",
    "ModelPath",
    "Options",
    "c_identifier",
    "check_options",
    "compile_graph",
    "core_graph",
    "core_passes",
    "core_weights",
    "make_options",
    "planning_passes",
    "read_capture",
]


@dataclass(frozen=True)
class Compilation(Plan):
    """A planned program with its code: everything but a capture's numbers."""

    code: ObjectCode
    name: str

    def pack(self, capture: Capture, prewarm: bool = True) -> bytes:
        """The weight blob of a capture of this architecture."""
        weights = core_weights(self.program.graph, capture.weights)
        return self.packing.pack(self.program.graph, weights, capture.prewarm_samples if prewarm else 0)

    @property
    def state_bytes(self) -> int:
        return state_layout(self.program).total_bytes


def compile_graph(
    graph: Graph, options: Options, name: str = "capture", observers: Sequence[Observer] = (), assembly: bool = False
) -> Compilation:
    """Graph to code.  Deterministic: equal graphs and options give equal bytes."""
    plan = plan_graph(graph, options, observers)
    module = lower_program(plan.program, plan.layout, options.target, name)
    code = emit_object(module, options.target, assembly)
    return Compilation(plan.options, plan.program, plan.layout, plan.log, code, name)


def make_options(
    target: str = "host",
    cores: int = 1,
    block: int | None = None,
    mac: str | None = None,
    split: Sequence[int] = (),
    core_speeds: Sequence[float] = (),
) -> Options:
    """Options from names; ``mac`` None takes the target's default, no ``core_speeds`` mean equal cores."""
    description = load_target(host_target_name() if target == "host" else target)
    if mac not in (None, "fused", "unfused"):
        raise UserError("--mac", f"{mac!r} is not a kind of multiply-accumulate", "use fused or unfused")
    chosen = mac or description.mac[0]
    contract = Contract(
        mac="fused" if chosen == "fused" else "unfused",
        subnormals="flush" if description.subnormals[0] == "flush" else "keep",
    )
    return Options(description, cores, block, contract, tuple(split), tuple(core_speeds))


def c_identifier(text: str) -> str:
    """``text`` made a C identifier: what a capture's functions are called by default."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", text).lower()
    return f"capture_{name}" if not name or not (name[0].isalpha() or name[0] == "_") else name
