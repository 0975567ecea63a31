"""Target descriptions: a typed loader for the YAML files beside it.

A description is data.  Every number of the machine is a ``Fact``: a value and where it is from, or
the word "guess".  This module imports nothing but :mod:`schedc.errors`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, cast, get_args

import yaml

from schedc.errors import InternalError, OptionError

# Written by hand, in the order `schedc targets` lists them.
TargetName = Literal["m33", "a8", "avx2", "avx512", "zen4", "aarch64", "a72", "a53"]
TARGET_NAMES: tuple[TargetName, ...] = get_args(TargetName)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, ten times faster


@dataclass(frozen=True)
class Fact:
    """A number and its source."""

    value: float
    source: str


@dataclass(frozen=True)
class Codegen:
    """What LLVM is told.

    ``cpu``, ``features``: what code may use; whether a processor executes it is judged by both.  ``tune``: the
    processor it is ordered for, "" for ``cpu`` itself.  ``machine_scheduler``: let LLVM reorder instructions, or
    keep the emitted order.
    """

    triple: str
    cpu: str
    features: str
    pointer_bits: int
    machine_scheduler: bool
    tune: str = ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """What every function says of itself, in LLVM's words."""
        return (f'"tune-cpu"="{self.tune}"',) if self.tune else ()


@dataclass(frozen=True)
class Vectors:
    """``lanes`` floats per register, ``registers`` of them; ``weights``: broadcast, lane or scalar."""

    lanes: int
    registers: int
    weights: str


@dataclass(frozen=True)
class Limits:
    """Bounds for the kernel selection; see :class:`schedc.schedule.KernelSchedule`.

    ``accumulators``: registers that a tile's sums may take; the others hold operands and weights.
    ``rewind_blocks``, ``rings``: most blocks and policy of :class:`schedc.schedule.RingSchedule`.
    ``loads_per_mac``: how often a tap loop may load for each multiply-accumulate, where that can be had.
    """

    accumulators: int
    unroll_macs: int
    rewind_blocks: int
    rings: str
    loads_per_mac: float = math.inf


@dataclass(frozen=True)
class Timing:
    """One kind of instruction: cycles of the issue slot, cycles until the result, cycles it blocks others."""

    issue: float
    latency: float
    blocks: float
    source: str


@dataclass(frozen=True)
class Pipeline:
    """What the static analyser knows of a core; ``model`` names the analysis, kinds are its words."""

    model: str
    kinds: Mapping[str, Timing]
    options: Mapping[str, Fact]


@dataclass(frozen=True)
class Target:
    """One machine.  ``mac`` and ``subnormals`` list what its hardware can do, the default first."""

    name: str
    full_name: str
    codegen: Codegen
    vectors: Vectors
    limits: Limits
    mac: tuple[str, ...]
    subnormals: tuple[str, ...]
    in_order: bool
    block: int  # default largest block, frames
    emulator: str  # machine name for schedc.backends.emulator, "" if it cannot be emulated
    facts: Mapping[str, Fact]
    pipeline: Pipeline | None = None

    def fact(self, name: str) -> float:
        """The value of a named number; InternalError if the description lacks it."""
        if name not in self.facts:
            raise InternalError(f"target {self.name} states no {name}")
        return self.facts[name].value


def load_target(name: str) -> Target:
    """The target called ``name``; OptionError with the nearest name if there is none."""
    if name not in TARGET_NAMES:
        near = difflib.get_close_matches(name.lower(), [*TARGET_NAMES, "host"], n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}? " if near else ""
        raise OptionError("target", f"there is no target {name!r}", f"{hint}known: {', '.join(TARGET_NAMES)}, host")
    return _target(name, _description(name))


def _description(name: str) -> dict[str, Any]:
    """A file's content over that of the one it is ``based_on``, table by table."""
    text = resources.files("schedc.targets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=_LOADER)
    if "based_on" not in data:
        return data
    base = _description(data.pop("based_on"))
    tables = {key: {**base[key], **value} for key, value in data.items() if isinstance(value, dict)}
    return {**base, **data, **tables}


def _target(name: str, data: dict[str, object]) -> Target:
    codegen = cast(dict[str, str | int], data["codegen"])
    vectors = cast(dict[str, str | int], data["vectors"])
    limits = cast(dict[str, Any], data["limits"])
    facts = cast(dict[str, dict[str, float | str]], data["facts"])
    return Target(
        name=name,
        full_name=str(data["full_name"]),
        codegen=Codegen(
            str(codegen["triple"]),
            str(codegen["cpu"]),
            str(codegen["features"]),
            int(codegen["pointer_bits"]),
            bool(codegen["machine_scheduler"]),
            str(codegen.get("tune", "")),
        ),
        vectors=Vectors(int(vectors["lanes"]), int(vectors["registers"]), str(vectors["weights"])),
        limits=Limits(**limits),
        mac=tuple(cast(list[str], data["mac"])),
        subnormals=tuple(cast(list[str], data["subnormals"])),
        in_order=bool(data["in_order"]),
        block=int(cast(int, data["block"])),
        emulator=str(data["emulator"]),
        facts={key: Fact(float(fact["value"]), str(fact["source"])) for key, fact in facts.items()},
        pipeline=_pipeline(cast("dict[str, object] | None", data.get("pipeline"))),
    )


def _pipeline(data: dict[str, object] | None) -> Pipeline | None:
    if data is None:
        return None
    kinds = cast(dict[str, dict[str, float | str]], data["kinds"])
    options = cast(dict[str, dict[str, float | str]], data["options"])
    return Pipeline(
        model=str(data["model"]),
        kinds={
            kind: Timing(float(row["issue"]), float(row["latency"]), float(row.get("blocks", 0)), str(row["source"]))
            for kind, row in kinds.items()
        },
        options={key: Fact(float(fact["value"]), str(fact["source"])) for key, fact in options.items()},
    )
