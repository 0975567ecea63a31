"""Runs passes: verify after each, time each, dump each on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schedc.ir.printer import print_dot, print_program
from schedc.ir.program import Program
from schedc.ir.verify import verify
from schedc.passes.base import Pass

Observer = Callable[[int, str, Program], None]


@dataclass
class PipelineLog:
    """Seconds per pass, in the order they ran (for the report; never in the code)."""

    seconds: dict[str, float] = field(default_factory=dict)


def run_passes(
    program: Program, passes: Iterable[Pass], observers: Sequence[Observer] = (), log: PipelineLog | None = None
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


def dump_to(folder: Path) -> Observer:
    """An observer that writes the files of each dump into ``folder``."""

    def write(index: int, name: str, program: Program) -> None:
        for file, content in dump_files(index, name, program).items():
            (folder / file).write_bytes(content)

    return write


def dump_files(index: int, name: str, program: Program) -> dict[str, bytes]:
    """File name -> content of a program's dump: ``NN-pass-name.txt`` and ``.dot``."""
    texts = {".txt": print_program(program), ".dot": print_dot(program.graph, program.kernels)}
    return {f"{index:02}-{name}{ending}": text.encode() for ending, text in texts.items()}
