"""Remarks on options and captures, said beside a result: printed, or warned of by :func:`schedc.errors.tell`."""

from __future__ import annotations

from schedc.options import Options


def core_remarks(options: Options, name: str = "cores") -> list[str]:
    """That there are more stages than the target has cores; ``name``: of the option."""
    target, cores = options.target, options.cores
    known = int(target.facts["cores"].value) if "cores" in target.facts else cores
    stated = "1 core" if known == 1 else f"{known} cores"
    return [f"{name}: {cores} stages, but {target.name} states {stated}"] if cores > known else []


def rate_remarks(what: str, rate: float | None, whose: str, other: float | None) -> list[str]:
    """That a capture's ``rate`` is not the ``other`` one, of the capture before it; Hz, None if not known."""
    if rate is None or other is None or rate == other:
        return []
    return [f"{what} is a capture at {rate:.10g} Hz, {whose} at {other:.10g} Hz: play it at its own rate"]
