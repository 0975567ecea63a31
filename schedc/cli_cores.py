"""The options about cores and schedules that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from schedc.errors import UserError

CoreSpeed = Annotated[
    str | None,
    typer.Option(
        "--core-speed", metavar="S,...", help="Relative speeds of the cores to balance for.  [default: equal]"
    ),
]


ScheduleFile = Annotated[
    Path | None, typer.Option("--schedule", metavar="FILE.yaml", help="Force schedule decisions; no bit changes.")
]


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
