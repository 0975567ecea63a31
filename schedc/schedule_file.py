"""Schedule files: YAML that forces decisions, and the file that reproduces a compilation's own.

    fusion: {begin: [array0.layer3.activation]}
    rings: {most_blocks: 16, policy: rewind, colour: true}
    kernels:
      "*": {unroll_macs: 128}
      array0.layer3: {tile_vectors: 4, output_block: 3}

Kernels are applied in the file's order, so later entries win.  A schedule never changes a bit of the output.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import yaml

from schedc.errors import UserError
from schedc.files.inputs import check_size, read_input
from schedc.ir.program import Program
from schedc.safe_yaml import read_yaml
from schedc.schedule import (
    FORCEABLE,
    FORCEABLE_FLAGS,
    KernelValue,
    RingPolicy,
    RingValue,
    ScheduleOverrides,
    VectorAxis,
    WeightRoute,
)
from schedc.wording import quoted

_MOST_BYTES = 1 << 20
_WHAT = "a schedule file"
_MOST_RING_BLOCKS = 1024
_RINGS = ("most_blocks", "policy", "colour")


def read_schedule(path: str | os.PathLike[str]) -> ScheduleOverrides:
    """The overrides a file states; UserError, naming the entry, for anything it may not say."""
    return parse_schedule(read_input(path, _MOST_BYTES, _WHAT, "give a schedule file"), os.fspath(path))


def parse_schedule(text: bytes, where: str) -> ScheduleOverrides:
    """The same for a file's content; ``where`` names it in errors."""
    check_size(len(text), _MOST_BYTES, where, _WHAT)
    top = _section(where, read_yaml(text, where), ("fusion", "kernels", "rings"))
    begins = _section(f"{where}: fusion", top.get("fusion"), ("begin",)).get("begin", [])
    if not isinstance(begins, list) or any(type(name) is not str for name in begins):
        raise UserError(f"{where}: fusion.begin", "is not a list of node names")
    rings = _section(f"{where}: rings", top.get("rings"), _RINGS)
    forced = tuple((key, _ring_value(f"{where}: rings.{key}", key, value)) for key, value in rings.items())
    kernels = []
    for name, values in _section(f"{where}: kernels", top.get("kernels")).items():
        place = f"{where}: kernels.{name}"
        known = (*FORCEABLE, *FORCEABLE_FLAGS, "weight_route", "axis")
        checked = tuple((key, _value(place, key, value)) for key, value in _mapping(place, values, known).items())
        kernels.append((name, checked))
    return ScheduleOverrides(tuple(kernels), forced, tuple(begins))


def _section(where: str, data: Any, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """A mapping; one without entries may be left empty."""
    return _mapping(where, {} if data is None else data, known)


def _mapping(where: str, data: Any, known: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise UserError(where, "is not a mapping of names")
    for key in data:
        if known and key not in known:
            raise UserError(where, f"{quoted(key)} cannot be set", f"known: {', '.join(known)}")
    return data


def _ring_value(where: str, key: str, value: Any) -> RingValue:
    if key == "most_blocks":
        return _number(where, value, _MOST_RING_BLOCKS)
    if key == "colour":
        return _flag(where, value)
    if value not in list(RingPolicy):
        raise UserError(where, f"{quoted(value)} is not a ring policy", f"use one of {', '.join(RingPolicy)}")
    return RingPolicy(value)


def _flag(where: str, value: Any) -> bool:
    if type(value) is not bool:
        raise UserError(where, f"{quoted(value)} is neither true nor false")
    return value


def _number(where: str, value: Any, most: int, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= most:
        raise UserError(where, f"{quoted(value)} is not a whole number from {least} to {most}")
    return value


def _value(place: str, key: str, value: Any) -> KernelValue:
    where = f"{place}.{key}"
    if key in FORCEABLE:
        return _number(where, value, FORCEABLE[key])
    if key in FORCEABLE_FLAGS:
        return _flag(where, value)
    if key == "axis":
        if value not in list(VectorAxis):
            raise UserError(where, f"{quoted(value)} is not a vector axis", f"use one of {', '.join(VectorAxis)}")
        return VectorAxis(value)
    if value not in list(WeightRoute):
        raise UserError(where, f"{quoted(value)} is not a weight route", f"use one of {', '.join(WeightRoute)}")
    return WeightRoute(value)


def decisions(program: Program, boundaries: Sequence[str] = ()) -> ScheduleOverrides:
    """What reproduces the schedule of a scheduled program that was fused with ``boundaries``."""
    kernels = tuple((name, tuple(schedule.words.items())) for name, schedule in program.schedules.items())
    return ScheduleOverrides(kernels, tuple((key, getattr(program.rings, key)) for key in _RINGS), tuple(boundaries))


def schedule_text(overrides: ScheduleOverrides) -> str:
    """A schedule file that states ``overrides``."""
    data: dict[str, Any] = {
        "rings": {key: _plain(value) for key, value in overrides.rings},
        "kernels": {name: {key: _plain(value) for key, value in values} for name, values in overrides.kernels},
    }
    if overrides.boundaries:
        data = {"fusion": {"begin": list(overrides.boundaries)}, **data}
    text: str = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=200)
    return text


def _plain(value: Any) -> int | bool | str:
    """YAML has no enumerations."""
    return str(value) if isinstance(value, StrEnum) else value
