"""Printing: numbers in words, lines, warnings, and how wide all of it may be.

Where the width is known (a terminal's, or ``COLUMNS``) nothing is wider, and names of files are cut in the middle to
fit.  Elsewhere (a pipe, a file) lines are laid out for 80 columns, and names stay whole for whoever reads them.
Bold and colours are for terminals, without ``NO_COLOR``.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable

from rich.cells import cell_len

from schedc.errors import one_line

PIPED = 80  # columns that lines are laid out for where nobody says
_LEAST = 40
_LABEL = 11  # columns of ``contract   ``


def known_columns() -> int | None:
    """What the terminal shows, or ``COLUMNS`` says; None if nobody does."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said) > 0:
        return max(_LEAST, int(said))
    try:
        shown = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    except (OSError, ValueError):
        shown = 0
    return max(_LEAST, shown) if shown else None


def columns() -> int:
    """How wide lines may be."""
    return known_columns() or PIPED


def say(line: str = "") -> None:
    """One line of results on standard output, as it is."""
    print(line)


def tell(text: str, label: str = "") -> None:
    """A line of text that goes on in the next where it is too long, below its beginning; ``label`` stands before it."""
    begin = f"{label:{_LABEL}}" if label else ""
    lines = textwrap.wrap(
        one_line(text),
        columns(),
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines or [begin.rstrip()]:
        say(_within(line))


def _within(line: str) -> str:
    """Where the width is known, a line with its longest word cut in the middle if it must be."""
    excess = 0 if known_columns() is None else cell_len(line) - columns()
    if excess <= 0:
        return line
    word = max(line.split(), key=cell_len)
    return line.replace(word, cut(word, max(1, cell_len(word) - excess)))


def shown_name(name: str | os.PathLike[str], room: int) -> str:
    """A file's name on one line; where the width is known, cut in the middle to ``room`` columns."""
    text = one_line(os.fspath(name))
    return text if known_columns() is None else cut(text, room)


def cut(text: str, room: int) -> str:
    """``text`` in ``room`` columns: its middle is left out, and more of its end is kept, which says more of a file."""
    if cell_len(text) <= room:
        return text
    dots = "…" if _can_show("…") else "..."
    left = (room - len(dots)) // 3
    begin, end = "", ""
    for character in text:
        if cell_len(begin + character) > left:
            break
        begin += character
    for character in reversed(text):
        if cell_len(begin + dots + character + end) > room:
            break
        end = character + end
    return begin + dots + end


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def warn(warnings: Iterable[str]) -> None:
    """One line each on standard error."""
    for warning in warnings:
        print(f"schedc: warning: {one_line(warning)}", file=sys.stderr)


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


def micro_text(nanoseconds: float) -> str:
    """Microseconds in three digits or more: ``2.45``, ``72.1``, ``3,190``."""
    value = nanoseconds / 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
