"""What goes on, on standard error and only on a terminal, for whoever waits longer than a second."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")
_PATIENCE = 1.0  # seconds: nothing moves for what is done sooner


@contextmanager
def working(what: str, steps: int = 0) -> Iterator[Callable[[], None]]:
    """Show ``what`` is being done until the end; with ``steps``, how many are left: call the result after each.

    Between steps nothing runs that could disturb a measurement.
    """
    counted = (BarColumn(), MofNCompleteColumn()) if steps else (TimeElapsedColumn(),)
    progress = Progress(
        *(() if steps else (SpinnerColumn(),)),
        TextColumn("{task.description}", markup=False),
        *counted,
        console=Console(stderr=True),
        auto_refresh=not steps,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = progress.add_task(what, total=steps or None)
    start = threading.Timer(_PATIENCE, progress.start)
    start.daemon = True
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        start.start()

    def step() -> None:
        progress.advance(task)
        if progress.live.is_started:
            progress.refresh()

    try:
        yield step
    finally:
        start.cancel()
        if start.ident is not None:
            start.join()
        if progress.live.is_started:
            progress.stop()


def after(step: Callable[[], None], result: T) -> T:
    """The result of a step that is done."""
    step()
    return result
