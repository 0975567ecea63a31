"""What is said beside a result: the command line prints it, in Python it is a :class:`~schedc.errors.SchedcWarning`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from types import FrameType

from schedc.errors import SchedcWarning
from schedc.frontend.wording import one_line
from schedc.options import Options
from schedc.planning import Capture


def tell(remarks: Iterable[str]) -> None:
    """Warn of each, at the line outside schedc that has called a function of it."""
    for remark in remarks:
        warnings.warn(one_line(remark), SchedcWarning, stacklevel=2 + _frames_of_ours(sys._getframe(1)))


def _frames_of_ours(frame: FrameType | None) -> int:
    count = 0
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "schedc":
        count, frame = count + 1, frame.f_back
    return count


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
