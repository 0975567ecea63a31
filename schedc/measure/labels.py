"""What schedules of one model are called beside each other: by what most of them is, and by what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schedc.autoscheduler import WholeSchedule
from schedc.schedule import KernelSchedule

_MOST_TILES = 3


@dataclass(frozen=True)
class Label:
    """``tiles``: what its kernels have, and how many of them; ``rings``: policy and blocks, "" without rings."""

    tiles: str
    rings: str

    def __str__(self) -> str:
        return f"{self.tiles} {self.rings}".strip()


def tile_text(schedule: KernelSchedule) -> str:
    """Vectors x lanes x outputs, and what is special."""
    words = [f"{schedule.tile_vectors}x{schedule.lanes}x{schedule.output_block}"]
    return " ".join([*words, *["channels"] * schedule.across_channels, schedule.taps.word]).strip()


def labels(wholes: Sequence[WholeSchedule]) -> list[Label]:
    """One for each, no two alike; the first is what the others are compared with."""
    named: dict[Label, Mapping[str, KernelSchedule]] = {}
    for whole in wholes:
        schedules, rings = whole.program.schedules, whole.program.rings
        same = bool(named) and schedules == wholes[0].program.schedules
        label = Label(
            "as the first" if same else _tiles(schedules), f"{rings.policy} {rings.most_blocks}" if rings else ""
        )
        if label in named:
            label = Label(f"{label.tiles}; {_difference(schedules, named[label])}", label.rings)
        again, count = label, 2
        while label in named:
            label, count = Label(f"{again.tiles}, {count}", again.rings), count + 1
        named[label] = schedules
    return list(named)


def _tiles(schedules: Mapping[str, KernelSchedule]) -> str:
    """The tiles that kernels have, those of most first."""
    counted = Counter(map(tile_text, schedules.values())).most_common()
    if len(counted) == 1:
        return counted[0][0]
    words = [f"{number} of {tile}" for tile, number in counted[:_MOST_TILES]]
    return ", ".join([*words, *["..."] * (len(counted) > _MOST_TILES)])


def _difference(schedules: Mapping[str, KernelSchedule], others: Mapping[str, KernelSchedule]) -> str:
    """The first kernel that has another tile, or else anything else."""
    for name, schedule in schedules.items():
        if tile_text(schedule) != tile_text(others[name]):
            return f"{name} {tile_text(schedule)}"
    for name, schedule in schedules.items():
        if schedule.pointwise_block != others[name].pointwise_block:
            return f"{name} 1x1 of {schedule.pointwise_block}"
    return "rings of another size"
