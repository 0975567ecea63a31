"""Target descriptions: a typed loader for the YAML files beside it, and for files of one's own.

A description is data.  Every number of the machine is a ``Fact``: a value and where it is from, or
the word "guess".  What may be said is in :mod:`schedc.targets.keys`.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from schedc.errors import InternalError, OptionError
from schedc.files.inputs import read_input
from schedc.safe_yaml import read_yaml
from schedc.targets.checks import check_keys, merged
from schedc.targets.instruction_sets import InstructionSet, instruction_set
from schedc.targets.keys import ENDINGS
from schedc.targets.names import DESCRIPTION_ENDING, TARGET_NAMES
from schedc.targets.rules import check_whole

_MOST_BYTES = 1 << 20


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
    def instruction_set(self) -> InstructionSet:
        return instruction_set(self.triple)

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
    """One machine.  ``mac`` and ``subnormals`` list what its hardware can do, the default first.

    ``name``: a file's own name for one of somebody's own, whose ``file`` then says where it is.
    """

    name: str
    full_name: str
    codegen: Codegen
    vectors: Vectors
    limits: Limits
    mac: tuple[str, ...]
    subnormals: tuple[str, ...]
    in_order: bool
    block: int  # default largest block, frames
    emulator: str  # machine name for schedc.backends.emulator.emulator, "" if it cannot be emulated
    facts: Mapping[str, Fact]
    pipeline: Pipeline | None = None
    file: str = field(default="", repr=False, compare=False)  # what is in it counts, not where it is

    @property
    def instruction_set(self) -> InstructionSet:
        return self.codegen.instruction_set

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
        known = f"known: {', '.join(TARGET_NAMES)}, host"
        if {"/", os.sep, "."} & set(name):
            known += "; the file of one's own ends in .yaml"
        raise OptionError("target", f"there is no target {name!r}", f"{hint}{known}")
    return _target(name, _described(name))


def is_target_file(name: str | os.PathLike[str]) -> bool:
    """Whether a target is given by a file of one's own, not by name."""
    return not isinstance(name, str) or name.lower().endswith(ENDINGS)


def read_target(path: str | os.PathLike[str]) -> Target:
    """The target that a file describes.  UserError, naming file and key, for what it may not say."""
    where = os.fspath(path)
    text = read_input(path, _MOST_BYTES, "a target", "check the name of the target's file")
    own = check_keys(read_yaml(text, where), where)
    return _target(Path(where).name, _over_base(own, where), where)


def _described(name: str) -> dict[str, Any]:
    """All that one of schedc's own descriptions states."""
    text = resources.files("schedc.targets").joinpath(f"{name}{DESCRIPTION_ENDING}").read_bytes()
    where = f"{name}{DESCRIPTION_ENDING}"
    return _over_base(check_keys(read_yaml(text, where), where), where)


def _over_base(own: dict[str, Any], where: str) -> dict[str, Any]:
    """A file's content over that of the target it is ``based_on``."""
    base = own.pop("based_on", None)
    whole = merged({} if base is None else _described(base), own)
    check_whole(whole, where)
    return whole


def _target(name: str, data: dict[str, Any], file: str = "") -> Target:
    facts, pipeline = data["facts"], data.get("pipeline")
    return Target(
        name=name,
        full_name=data["full_name"],
        codegen=Codegen(**{"features": "", **data["codegen"]}),
        vectors=Vectors(**data["vectors"]),
        limits=Limits(**data["limits"]),
        mac=tuple(data["mac"]),
        subnormals=tuple(data["subnormals"]),
        in_order=data["in_order"],
        block=data["block"],
        emulator=data.get("emulator", ""),
        facts=_facts(facts),
        pipeline=None if pipeline is None else _pipeline(pipeline),
        file=file,
    )


def _facts(data: Mapping[str, Any]) -> dict[str, Fact]:
    return {key: Fact(float(fact["value"]), fact["source"]) for key, fact in data.items()}


def _pipeline(data: Mapping[str, Any]) -> Pipeline:
    kinds = {
        kind: Timing(float(row["issue"]), float(row["latency"]), float(row.get("blocks", 0)), row["source"])
        for kind, row in data["kinds"].items()
    }
    return Pipeline(data["model"], kinds, _facts(data["options"]))
