"""Tables that fit: without lines, aligned, no wider than :func:`schedc.commands.console.columns`.

What a column is says the first character of its name: ``>`` numbers, aligned to the right and never cut; ``<`` names,
cut in the middle where they must be; ``~`` text, wrapped in its column; anything else words, never cut.
What is still too wide is told in several tables, each with the first column.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from schedc.commands.console import columns, cut, known_columns, say
from schedc.errors import one_line

_GAP = 2  # columns between two columns of a table
_LEAST_NAME, _LEAST_TEXT = 16, 24


@dataclass(frozen=True)
class _Column:
    kind: str
    title: str
    cells: tuple[str, ...]
    width: int

    @property
    def least(self) -> int:
        """What it can be made."""
        bound = {"<": _LEAST_NAME, "~": _LEAST_TEXT}.get(self.kind, self.width)
        return min(self.width, max(bound, cell_len(self.title)))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The rows under their titles, as the module says."""
    cells = [tuple(map(one_line, row)) for row in rows]
    table = [_column(title, tuple(row[place] for row in cells)) for place, title in enumerate(titles)]
    for number, part in enumerate(_parts(table)):
        if number:
            say()
        _print(_fitted(part), len(cells))


def _column(title: str, cells: tuple[str, ...]) -> _Column:
    kind = title[:1] if title[:1] in (">", "<", "~") else ""
    name = title.removeprefix(kind)
    return _Column(kind, name, cells, max(map(cell_len, (name, *cells))))


def _parts(table: Sequence[_Column]) -> list[list[_Column]]:
    """The columns in as many tables as it takes, each beginning with the first."""
    first, *others = table
    parts = [[first]]
    for column in others:
        if len(parts[-1]) > 1 and _width([*parts[-1], column], least=True) > columns():
            parts.append([first])
        parts[-1].append(column)
    return parts


def _width(table: Sequence[_Column], least: bool = False) -> int:
    return sum(column.least if least else column.width for column in table) + _GAP * (len(table) - 1)


def _fitted(table: list[_Column]) -> list[_Column]:
    """Texts, then names, made as narrow as it takes; names of files stay whole where no width is known."""
    for kind in "~<":
        for place, column in enumerate(table):
            excess = _width(table) - columns()
            if column.kind == kind and excess > 0:
                table[place] = replace(column, width=max(column.least, column.width - excess))
    if known_columns() is None:
        return [replace(c, width=max(map(cell_len, (c.title, *c.cells)))) if c.kind == "<" else c for c in table]
    return [replace(c, cells=tuple(cut(cell, c.width) for cell in c.cells)) if c.kind == "<" else c for c in table]


def _print(table: Sequence[_Column], rows: int) -> None:
    drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in table:
        drawn.add_column(
            column.title,
            justify="right" if column.kind == ">" else "left",
            no_wrap=column.kind != "~",
            width=column.width,
        )
    for row in range(rows):
        drawn.add_row(*(column.cells[row] for column in table))
    console = _console(_width(table) + _GAP)
    with console.capture() as captured:
        console.print(drawn)
    for line in captured.get().splitlines():
        say(line.rstrip())


def _console(width: int) -> Console:
    """Plain unless standard output is a terminal that may have colours."""
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        markup=False, highlight=False, emoji=False, width=width, soft_wrap=False, color_system=None if plain else "auto"
    )
