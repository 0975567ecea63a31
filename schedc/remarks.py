"""Remarks on options and captures, said beside a result: printed, or warned of by :func:`schedc.errors.tell`."""

from __future__ import annotations

from schedc.frontend.wording import one_line
from schedc.options import Options
from schedc.planning import Capture


def core_remarks(options: Options, name: str = "cores") -> list[str]:
    """That there are more stages than the target has cores; ``name``: of the option."""
    target, cores = options.target, options.cores
    known = int(target.facts["cores"].value) if "cores" in target.facts else cores
    stated = "1 core" if known == 1 else f"{known} cores"
    return [f"{name}: {cores} stages, but {target.name} states {stated}"] if cores > known else []


def rate_remarks(capture: Capture, other: float | None, whose: str) -> list[str]:
    """That a capture runs at another rate than the one before it, whose ``other`` Hz is; None if not known."""
    if other is None or other == capture.rate:
        return []
    rates = f"{capture.rate:.10g} Hz, {whose} at {other:.10g} Hz"
    return [f"{one_line(str(capture.path))} is a capture at {rates}: play it at its own rate"]
