"""In which file the code comes, and what the systems that read such files ask of code.

The file is a container: the image of code and constants is the same everywhere.  What differs is what a
system keeps for itself.  Windows on x86-64 has a calling convention of its own, may overwrite memory below
the stack pointer at any time, and wants a stack to grow page by page.  macOS and Windows on AArch64 keep x18 and follow
frame records in x29 at any time, so neither may hold anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from schedc.backends.float_mode import Mode
from schedc.errors import OptionError
from schedc.targets.base import Target


class ObjectFormat(StrEnum):
    """The container of an object; the values are the words of the command line."""

    ELF = "elf"
    COFF = "coff"
    MACHO = "macho"

    @property
    def ending(self) -> str:
        """Of the file's name."""
        return ".obj" if self is ObjectFormat.COFF else ".o"


class Visibility(StrEnum):
    """Who can refer to the object's functions once they are linked into a shared library or plug-in: only what is
    linked with them, or every module of the process.  The values are the words of the command line, and LLVM's.
    """

    HIDDEN = "hidden"
    DEFAULT = "default"


@dataclass(frozen=True)
class Convention:
    """What code keeps to besides its target's usual rules, in LLVM's words.

    ``calls``: calling convention of exported functions, "" for C's; ``attributes``: of every function;
    ``features``: of the processor; ``mode``: what exported functions that calculate put in force, None: nothing.
    """

    calls: str = ""
    attributes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    mode: Mode | None = None
    visibility: Visibility = Visibility.HIDDEN

    def applied_to(self, target: Target) -> Target:
        """The target with these features, too."""
        features = ",".join([target.codegen.features, *self.features])
        return replace(target, codegen=replace(target.codegen, features=features))


_PROBED = '"probe-stack"="inline-asm"'  # frames of a page and more are touched page by page, without __chkstk
_FRAMED = '"frame-pointer"="all"'
_AARCH64 = ("+reserve-x18",)
_CONVENTIONS = {
    ("x86_64", ObjectFormat.COFF): Convention("win64cc", ("noredzone", _PROBED)),
    ("x86_64", ObjectFormat.MACHO): Convention(),
    ("aarch64", ObjectFormat.COFF): Convention("", (_FRAMED, _PROBED), _AARCH64),
    ("aarch64", ObjectFormat.MACHO): Convention("", (_FRAMED,), _AARCH64),
}
_SYSTEMS = {ObjectFormat.COFF: "Windows", ObjectFormat.MACHO: "macOS"}


def convention_of(target: Target, chosen: ObjectFormat) -> Convention:
    """What code of ``target`` in such a file keeps to.  Raises OptionError if no system runs it."""
    if chosen is ObjectFormat.ELF:
        return Convention()
    machine = target.instruction_set.name
    if (machine, chosen) not in _CONVENTIONS:
        fault = f"{chosen} is for {_SYSTEMS[chosen]}, which does not run on {target.name}"
        raise OptionError("object_format", fault, "use elf, or an x86-64 or AArch64 target")
    return _CONVENTIONS[machine, chosen]
