"""What a pass is: a frozen dataclass with a kebab-case name that maps a program to a program."""

from __future__ import annotations

from typing import Protocol

from schedc.ir.program import Program


class Pass(Protocol):
    """Fields are options; ``__call__`` is pure.  Whoever runs passes verifies, times and dumps."""

    @property
    def name(self) -> str: ...

    def __call__(self, program: Program) -> Program: ...
