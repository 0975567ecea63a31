"""A picture of a few blocks going through the stages, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from rich.cells import cell_len

from schedc.reports.balance import Balance

_TOP, _ROW, _BAR, _WIDTH, _MARGIN = 46, 40, 26, 900, 10  # pixels
_ADVANCE = 0.62  # of a character, of its font's size; more than most have
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1")  # a block keeps its colour
_HANDOFF = "#333333"


@dataclass(frozen=True)
class Bar:
    """A block on a core, in cycles of a core of speed 1; ``handoff``: its last part, copies and waits for counters."""

    stage: int
    block: int
    begin: float
    end: float
    handoff: float


def bars(balance: Balance, blocks: int) -> list[Bar]:
    """When each stage runs each block if a block arrives as soon as the first stage is free."""
    free = [0.0] * len(balance.stages)
    result = []
    for block in range(blocks):
        ready = 0.0
        for number, stage in enumerate(balance.stages):
            begin = max(ready, free[number])
            length = stage.cycles * balance.block
            handoff = (stage.copy_cycles + stage.synchronisation_cycles) / stage.core_speed * balance.block
            free[number] = ready = begin + length
            result.append(Bar(number, block, begin, ready, handoff))
    return result


def gantt_svg(balance: Balance, title: str, blocks: int = 5) -> str:
    """The picture's text.  One row per core, one bar per block; dark: handoff and synchronisation."""
    drawn = bars(balance, blocks)
    end = max((bar.end for bar in drawn), default=0.0)
    names = [
        (f"core {n}, {stage.cycles:,.0f} cycles", " .. ".join(stage.kernels)) for n, stage in enumerate(balance.stages)
    ]
    left = 2 * _MARGIN + max(max(_length(core, 12), _length(kernels, 9)) for core, kernels in names)
    scale = _WIDTH / end if end else 1.0
    width = max(left + _WIDTH, _MARGIN + _length(title, 15)) + _MARGIN
    height = _TOP + len(names) * _ROW + 50
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_MARGIN}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, (core, kernels) in enumerate(names):
        y = _TOP + number * _ROW
        lines.append(f'<text x="{_MARGIN}" y="{y + 12}">{core}</text>')
        lines.append(f'<text x="{_MARGIN}" y="{y + 26}" font-size="9">{escape(kernels)}</text>')
    lines += [_bar(bar, left, scale) for bar in drawn]
    lines += _axis(len(names), left, end, scale)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _length(text: str, size: int) -> int:
    """Pixels that a text takes at most."""
    return round(cell_len(text) * size * _ADVANCE)


def _bar(bar: Bar, left: int, scale: float) -> str:
    x, y = left + bar.begin * scale, _TOP + bar.stage * _ROW
    width, dark = (bar.end - bar.begin) * scale, bar.handoff * scale
    colour = _COLOURS[bar.block % len(_COLOURS)]
    number = f'<text x="{x + 4:.1f}" y="{y + 17}" fill="white">{bar.block}</text>'
    fits = 4 + _length(str(bar.block), 12) <= width - dark
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}" stroke="white"/>'
        f'<rect x="{x + width - dark:.1f}" y="{y}" width="{dark:.1f}" height="{_BAR}" fill="{_HANDOFF}"/>'
        f"{number if fits else ''}"
    )


def _axis(rows: int, left: int, end: float, scale: float) -> list[str]:
    y = _TOP + rows * _ROW + 8
    marks = [(end * part / 4, "start" if part == 0 else "end" if part == 4 else "middle") for part in range(5)]
    return [
        f'<line x1="{left}" y1="{y}" x2="{left + _WIDTH}" y2="{y}" stroke="black"/>',
        *(
            f'<text x="{left + mark * scale:.1f}" y="{y + 16}" text-anchor="{anchor}">{mark:,.0f}</text>'
            for mark, anchor in marks
        ),
        f'<text x="{left}" y="{y + 34}" font-size="10">cycles of a core of speed 1 (predicted); numbers in bars are '
        "blocks; dark: handoff and synchronisation</text>",
    ]
