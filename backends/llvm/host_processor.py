"""What LLVM knows of the processor we run on."""

from __future__ import annotations

from contextlib import suppress

import llvmlite.binding as llvm

from schedc.backends.llvm.target_machine import checked_module, initialize_llvm
from schedc.targets.base import Codegen

_CALL = """
target triple = "{triple}"
define internal i32 @code(i32 %x) "target-cpu"="{cpu}" "target-features"="{features}" {{
  %y = add i32 %x, 1
  ret i32 %y
}}
define i32 @here(i32 %x) "target-cpu"="{here}" "target-features"="{features_here}" {{
  %y = call i32 @code(i32 %x)
  ret i32 %y
}}
"""


def executes(codegen: Codegen) -> bool:
    """Whether this processor, of the code's architecture, has all that the code may use: what is listed, and what the
    name of its processor stands for.

    LLVM compares: it inlines a function only where the caller has every feature of the function's.
    """
    initialize_llvm()
    text = _CALL.format(
        triple=codegen.triple,
        cpu=codegen.cpu,
        features=codegen.features,
        here=llvm.get_host_cpu_name(),
        features_here=_features(),
    )
    module = checked_module(text)
    builder = llvm.create_pass_builder(
        llvm.Target.from_triple(codegen.triple).create_target_machine(), llvm.create_pipeline_tuning_options()
    )
    builder.getModulePassManager().run(module, builder)
    return " call " not in str(module.get_function("here"))


def kind() -> str:
    """The processor's name and features; two that differ in anything differ in this."""
    return f"{llvm.get_host_cpu_name()} {_features()}"


def _features() -> str:
    with suppress(RuntimeError):  # on systems where LLVM cannot look, the name has to do
        features: str = llvm.get_host_cpu_features().flatten()
        return features
    return ""
