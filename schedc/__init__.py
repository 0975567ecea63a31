"""schedc: a schedule compiler for small streaming audio networks (.nam captures)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from schedc.errors import (
    ArchitectureMismatch,
    InternalError,
    ModelFileError,
    OptionError,
    ProcessorInUse,
    SchedcError,
    SchedcWarning,
    UnsupportedError,
    UserError,
)
from schedc.version import VERSION as __version__

if TYPE_CHECKING:
    from schedc.api import compile_capture as compile  # the name users expect; shadows the builtin only here
    from schedc.artifact import Artifact
    from schedc.host.load import chain, load
    from schedc.host.processor import MemoryUse, Processor
    from schedc.host.weights import Weights
    from schedc.ir.contract import Contract
    from schedc.packs import pack
    from schedc.reference import interpret
    from schedc.reports.schema import Report

__all__ = [
    "ArchitectureMismatch",
    "Artifact",
    "Contract",
    "InternalError",
    "MemoryUse",
    "ModelFileError",
    "OptionError",
    "Processor",
    "ProcessorInUse",
    "Report",
    "SchedcError",
    "SchedcWarning",
    "UnsupportedError",
    "UserError",
    "Weights",
    "__version__",
    "chain",
    "compile",
    "interpret",
    "load",
    "pack",
]

# Loaded when first asked for: packing and --help need neither LLVM nor the interpreter.
_HOMES = {
    "Artifact": ("schedc.artifact", "Artifact"),
    "Contract": ("schedc.ir.contract", "Contract"),
    "MemoryUse": ("schedc.host.processor", "MemoryUse"),
    "Processor": ("schedc.host.processor", "Processor"),
    "Report": ("schedc.reports.schema", "Report"),
    "Weights": ("schedc.host.weights", "Weights"),
    "chain": ("schedc.host.load", "chain"),
    "compile": ("schedc.api", "compile_capture"),
    "interpret": ("schedc.reference", "interpret"),
    "load": ("schedc.host.load", "load"),
    "pack": ("schedc.packs", "pack"),
}

if not TYPE_CHECKING:  # type checkers are to know what there is not

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'schedc' has no attribute {name!r}")
        module, attribute = _HOMES[name]
        value: object = getattr(import_module(module), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
