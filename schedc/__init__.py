"""schedc: a schedule compiler for small streaming audio networks (.nam captures)."""

from schedc.errors import ArchitectureMismatch, ModelFileError, SchedcError, UserError
from schedc.jit import Processor, load
from schedc.reference import interpret

__all__ = ["ArchitectureMismatch", "ModelFileError", "Processor", "SchedcError", "UserError", "interpret", "load"]
__version__ = "0.1.0"
