"""Errors: who is to blame decides the class.

``UserError`` is something the person at the keyboard can mend (a broken file, an unknown
target, an unwritable folder): one line that says where, what and what to do; the command
line prints it and exits with 2, never with a traceback.  ``InternalError`` is our bug.
"""

from __future__ import annotations


class SchedcError(Exception):
    """Base of everything schedc raises on purpose."""


class UserError(SchedcError):
    """A fault in the input or the request.

    ``where`` names the file, option or JSON path; ``what`` the fault; ``remedy`` (optional)
    what to do about it.  ``str()`` joins them to the one line the user sees.
    """

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        self.where = where
        self.what = what
        self.remedy = remedy
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}; {remedy}" if remedy else line)


class OptionError(UserError):
    """An option that cannot be; ``where`` is its name in Python, for which the command line shows its own."""


class ModelFileError(UserError):
    """A ``.nam`` file that cannot be read as a model; ``where`` is ``FILE:json.path``."""


class ArchitectureMismatch(UserError):
    """Weights of one architecture offered to code that was compiled for another."""


class UnsupportedError(UserError):
    """A legal request that cannot be honoured, with the reason."""


class InternalError(SchedcError):
    """A bug of schedc: an invariant that the verifier or a lowering found broken."""

    def __init__(self, message: str) -> None:
        super().__init__(f"internal error (please report this as a bug of schedc): {message}")


class SchedcWarning(UserWarning):
    """What schedc says in Python where the command line prints a warning."""
