"""The options that several commands share, and what they mean to the compiler.

Typer reads a command's options from the command's own signature, so each of them lists those it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schedc.errors import UserError

if TYPE_CHECKING:
    from schedc.compiler import Options

Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="A .nam or .namb capture; several: a chain.")]
TargetName = Annotated[str, typer.Option("--target", "-t", metavar="T", help="See `schedc targets`; or host.")]
Cores = Annotated[
    int | None, typer.Option(metavar="N", help="Stages to cut the model into, one per core.  [default: 1]")
]
Block = Annotated[
    int | None, typer.Option(metavar="B", help="Largest number of samples per call.  [default: the target's]")
]
Slim = Annotated[
    float | None, typer.Option(metavar="V", help="Size of a container or slimmable capture, 0 (smallest) to 1 (full).")
]
Mac = Annotated[
    str | None, typer.Option(metavar="fused|unfused", help="Roundings per multiply-accumulate: one, or two.")
]
MathName = Annotated[
    str, typer.Option("--math", metavar="exact|fast", help="tanh and sigmoid within 2 ulp, or quicker within 6e-7.")
]
Split = Annotated[
    str | None, typer.Option(metavar="K,...", help="Kernels that begin stages 1, 2, ...  [default: balanced]")
]
CoreSpeed = Annotated[
    str | None,
    typer.Option(
        "--core-speed", metavar="S,...", help="Relative speeds of the cores to balance for.  [default: equal]"
    ),
]
ScheduleFile = Annotated[
    Path | None, typer.Option("--schedule", metavar="FILE.yaml", help="Force schedule decisions; no bit changes.")
]
NoPrewarm = Annotated[bool, typer.Option("--no-prewarm", help="Start from zeros instead of silence.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print numbers for programs.")]


def options(
    target: str,
    cores: int | None,
    block: int | None,
    mac: str | None,
    split: str | None,
    core_speed: str | None = None,
    schedule: Path | None = None,
    math: str = "exact",
) -> Options:
    """Options for the compiler, checked; UserError for what cannot be."""
    from schedc.compiler import check_options, make_options

    cuts, speeds = parse_split(split), parse_speeds(core_speed)
    check_numbers(block)
    chosen = make_options(target, stage_count(cores, cuts, speeds), block, mac, cuts, speeds, schedule, math)
    check_options(chosen)
    return chosen


def check_numbers(*blocks: int | None) -> None:
    """A block of 0 is refused here, because 0 stands for the default further on."""
    for block in blocks:
        if block is not None and block < 1:
            raise UserError("--block", f"{block} frames", "give 1 to 8192")


def parse_split(text: str | None) -> tuple[int, ...]:
    """``"6,12"`` -> (6, 12)."""
    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        raise UserError("--split", f"{text!r} is not a list of kernel numbers", "write it like 14 or 6,12") from None


def parse_speeds(text: str | None) -> tuple[float, ...]:
    """``"1,0.8"`` -> (1.0, 0.8)."""
    try:
        return tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        raise UserError("--core-speed", f"{text!r} is not a list of numbers", "write it like 1,0.8") from None


def stage_count(cores: int | None, cuts: Sequence[int], speeds: Sequence[float] = ()) -> int:
    """``--cores``, or what ``--split`` or ``--core-speed`` make of it, or 1."""
    if cores is not None:
        return cores
    return len(cuts) + 1 if cuts else max(1, len(speeds))
