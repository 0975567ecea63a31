"""schedc: a schedule compiler for small streaming audio networks (.nam captures)."""

from schedc.api import compile_capture as compile  # the name users expect; shadows the builtin only as schedc.compile
from schedc.artifact import Artifact
from schedc.errors import ArchitectureMismatch, ModelFileError, SchedcError, UserError
from schedc.jit import Processor, load
from schedc.reference import interpret
from schedc.version import VERSION as __version__

__all__ = [
    "ArchitectureMismatch",
    "Artifact",
    "ModelFileError",
    "Processor",
    "SchedcError",
    "UserError",
    "__version__",
    "compile",
    "interpret",
    "load",
]
