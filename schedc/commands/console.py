"""Printing: tables, numbers in words, warnings.  Plain text unless standard output is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from schedc.frontend.wording import one_line

_WIDE = 500  # columns: rich is never to fold a cell; a narrow terminal wraps the line


def say(line: str = "") -> None:
    """One line of results on standard output."""
    print(line)


def warn(warnings: Iterable[str]) -> None:
    """One line each on standard error."""
    for warning in warnings:
        print(f"schedc: warning: {one_line(warning)}", file=sys.stderr)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without lines.  A column whose name begins with ``>`` is aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False, width=_WIDE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        say(line.rstrip())


def count(number: int, one: str, many: str = "") -> str:
    """``1 sample``, ``2,000 samples``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def bytes_text(number: int) -> str:
    """``12,345 bytes``."""
    return count(number, "byte")


def percent(ratio: float) -> str:
    """``155 %``, ``12.3 %``, ``0.023 %``."""
    value = 100 * ratio
    return f"{value:.0f} %" if value >= 99.95 else f"{value:.1f} %" if value >= 1 else f"{value:.2g} %"


def clock_text(hertz: float) -> str:
    """``150 MHz`` or ``2.4 GHz``."""
    return f"{hertz / 1e9:g} GHz" if hertz >= 1e9 else f"{hertz / 1e6:g} MHz"
