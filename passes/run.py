"""Runs passes: verify after each, time each, dump each on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schedc.ir.dot import dot_files
from schedc.ir.printer import print_program
from schedc.ir.program import Program
from schedc.ir.verify import verify
from schedc.passes.base import Pass

Observer = Callable[[int, str, Program], None]


@dataclass
class PassLog:
    """Seconds per pass, in the order they ran (for the report; never in the code)."""

    seconds: dict[str, float] = field(default_factory=dict)


def run_passes(
    program: Program, passes: Iterable[Pass], observers: Sequence[Observer] = (), log: PassLog | None = None
) -> Program:
    """The program after all ``passes``; raises InternalError if one leaves it invalid."""
    for observe in observers:
        observe(0, "input", program)
    verify(program)
    for index, step in enumerate(passes, start=1):
        begin = time.perf_counter()
        program = step(program)
        verify(program)
        if log:
            log.seconds[step.name] = time.perf_counter() - begin
        for observe in observers:
            observe(index, step.name, program)
    return program


class PassDumps:
    """An observer that keeps what each pass decided: ``files``, name -> content, as text and Graphviz."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._before: Program | None = None

    def __call__(self, index: int, name: str, program: Program) -> None:
        """``NN-pass-name.txt`` and ``.dot``, and the newest view of each kernel, ``kernel-NAME.dot``."""
        stem = f"{index:02}-{name}"
        texts = {f"{stem}.txt": print_program(program, self._before), **dot_files(stem, program, self._before)}
        self.files |= {file: text.encode() for file, text in texts.items()}
        self._before = program


def dump_to(folder: Path) -> Observer:
    """An observer that writes the files of :class:`PassDumps` into ``folder``."""
    dumps = PassDumps()

    def write(index: int, name: str, program: Program) -> None:
        dumps(index, name, program)
        for file, content in dumps.files.items():
            (folder / file).write_bytes(content)
        dumps.files.clear()

    return write
