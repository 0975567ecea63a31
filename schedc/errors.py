"""Errors: who is to blame decides the class.

``UserError`` is something the person at the keyboard can mend (a broken file, an unknown
target, an unwritable folder): one line that says where, what and what to do; the command
line prints it and exits with 2, never with a traceback.  ``InternalError`` is our bug.

All of them travel by pickle, as errors of worker processes do.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from types import FrameType

LONGEST_PART = 300  # characters of where, what or remedy: whatever a file holds, messages stay short


def one_line(text: str) -> str:
    """``text`` with every unprintable character (line ends included) written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _fitting(text: str) -> str:
    """``text`` on one line, its middle left out where it is too long."""
    half = LONGEST_PART // 2
    if len(text) > LONGEST_PART:  # before it is escaped: it may be millions of characters
        text = f"{text[:half]} ... {text[-half:]}"
    line = one_line(text)
    return line if len(line) <= LONGEST_PART + 5 else f"{line[:half]} ... {line[-half:]}"


class SchedcError(Exception):
    """Base of everything schedc raises on purpose."""


class UserError(SchedcError):
    """A fault in the input or the request.

    ``where`` names the file, option or JSON path; ``what`` the fault; ``remedy`` (optional)
    what to do about it.  ``str()`` joins them to the one line the user sees; what is long or unprintable in
    them is cut or escaped, wherever it comes from.
    """

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        self.where, self.what, self.remedy = (_fitting(part) for part in (where, what, remedy))
        line = f"{self.where}: {self.what}" if where else self.what
        super().__init__(f"{line}; {self.remedy}" if remedy else line)

    def __reduce__(self) -> tuple[Callable[..., UserError], tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.remedy)


class OptionError(UserError):
    """An option that cannot be; ``where`` is its name in Python, for which the command line shows its own."""


class ModelFileError(UserError):
    """A ``.nam`` file that cannot be read as a model; ``where`` is ``FILE:json.path``."""


class ArchitectureMismatch(UserError):
    """Weights of one architecture offered to code that was compiled for another."""


class UnsupportedError(UserError):
    """A legal request that cannot be honoured, with the reason."""


class ProcessorInUse(UserError):
    """A processor was called while another call of it was under way: it has one state, so one caller at a time."""


class InternalError(SchedcError):
    """A bug of schedc: an invariant that the verifier or a lowering found broken; ``what`` says which."""

    def __init__(self, message: str) -> None:
        self.what = message
        super().__init__(f"internal error (please report this as a bug of schedc): {message}")

    def __reduce__(self) -> tuple[Callable[..., InternalError], tuple[str]]:
        return type(self), (self.what,)


class SchedcWarning(UserWarning):
    """What schedc says in Python where the command line prints a warning."""


def tell(remarks: Iterable[str]) -> None:
    """Warn of each, at the line outside schedc that has called a function of it."""
    for remark in remarks:
        warnings.warn(one_line(remark), SchedcWarning, stacklevel=2 + _frames_of_ours(sys._getframe(1)))


def _frames_of_ours(frame: FrameType | None) -> int:
    count = 0
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "schedc":
        count, frame = count + 1, frame.f_back
    return count
