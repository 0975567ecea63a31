"""What schedc may be told about a capture and its code: every option once.

An option is a row of :data:`OPTIONS` (its default, and what it may be, by :mod:`schedc.option_checks`) and a line of
one of the typed dictionaries, by which ``schedc.load`` and its like declare what they take; the command line adds how
it is spelled (:mod:`schedc.cli.options`).  :func:`choose` makes of what was given what the compiler holds:
:class:`Options` for the code, :class:`Reading` for the capture.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, cast, get_args, get_type_hints

from schedc.backends.float_mode import FpMode, mode_of, obeys_mode
from schedc.backends.objects.object_format import Convention, ObjectFormat, Visibility, convention_of
from schedc.backends.this_machine import host_target_name
from schedc.errors import OptionError
from schedc.files.paths import AnyPath
from schedc.frontend.build_graph import BuildOptions
from schedc.frontend.capture import Reading
from schedc.ir.contract import MACS, MATHS, NONFINITES, Contract, Mac, Math, Nonfinite, Subnormals
from schedc.option_checks import Check, count, file, flag, numbers, size, whole_numbers, word
from schedc.schedule import ScheduleOverrides
from schedc.schedule_file import read_schedule
from schedc.targets.base import Target, is_target_file, load_target, read_target
from schedc.targets.keys import MAX_BLOCK
from schedc.targets.names import TargetName
from schedc.wording import shown

MAX_CORES = 8
TargetSource = str | os.PathLike[str]  # a name that ``schedc targets`` lists, "host", or a file of one's own
# The same as type checkers see it: of the names, only those that there are.
AnyTarget = TargetName | Literal["host"] | os.PathLike[str]
ObjectName = Literal["elf", "coff", "macho"]
FpModeName = Literal["own", "caller"]
VisibilityName = Literal["hidden", "default"]


class PackOptions(TypedDict, total=False):
    """How a capture is read for code that was compiled before.

    ``slim``: size of a container or slimmable capture, 0 (smallest) to 1 (full).  ``prewarm``: start from the silence
    state, else from zero.
    """

    slim: float | None
    prewarm: bool


class ReadingOptions(PackOptions, total=False):
    """How a capture is read.  ``core_0_5_5_layer1x1_post_film``: leave out what the C++ engine up to 0.5.5 forgets."""

    core_0_5_5_layer1x1_post_film: bool


class ContractOptions(TypedDict, total=False):
    """What decides bits.

    ``math``: tanh and sigmoid within 2 ulp, or quicker within 6e-7.  ``nonfinite``: NaN and infinity in the input are
    calculated with like any number, which an LSTM never forgets, or taken as 0.
    """

    math: Math
    nonfinite: Nonfinite


class InterpretOptions(ReadingOptions, ContractOptions, total=False):
    """Of the reference interpreter."""


class LoadOptions(ReadingOptions, ContractOptions, total=False):
    """Of code for this machine.

    ``block``: the largest number of samples per call of the compiled code (longer input is cut up).  ``cores``:
    threads, each with a stage of the model; the output then lags.
    """

    block: int | None
    cores: int | None


class CodeOptions(LoadOptions, total=False):
    """Of code for any target.

    ``mac``: multiply-accumulates with one rounding or two (default: the target's).  ``split``: the kernels that begin
    stages 1, 2, ... (default: balanced for cores of ``core_speeds``, which are relative and equal by default).
    ``schedule``: a schedule file.  ``object_format``: the file that the code comes in.  ``fp_mode``: who puts the
    contract's floating-point mode in force: the code's own functions, or the caller, who promises it.
    ``visibility``: whether the symbols stay in the shared library that they are linked into.
    """

    mac: Mac | None
    split: Sequence[int]
    core_speeds: Sequence[float]
    schedule: AnyPath | None
    object_format: ObjectName
    fp_mode: FpModeName
    visibility: VisibilityName


@dataclass(frozen=True)
class Options:
    """What a compilation is told.  ``block`` None takes the target's default."""

    target: Target
    cores: int = 1
    block: int | None = None
    contract: Contract = field(default_factory=Contract)
    split: tuple[int, ...] = ()
    core_speeds: tuple[float, ...] = ()  # relative, one per core; empty: equal cores
    schedule: ScheduleOverrides = field(default_factory=ScheduleOverrides)  # what a schedule file forces
    tuned: bool = False  # the schedule was measured here, not asked for
    object_format: ObjectFormat = ObjectFormat.ELF
    fp_mode: FpMode = FpMode.OWN
    visibility: Visibility = Visibility.HIDDEN

    @property
    def frames(self) -> int:
        return self.block or self.target.block

    @property
    def convention(self) -> Convention:
        """What the code keeps to.  Raises OptionError if no system runs the target's code from such an object."""
        sets_mode = self.fp_mode is FpMode.OWN and obeys_mode(self.target)
        mode = mode_of(self.contract) if sets_mode else None
        return replace(convention_of(self.target, self.object_format), mode=mode, visibility=self.visibility)


@dataclass(frozen=True)
class Choices:
    """All that was chosen: for the code, and for the capture.  ``files``: what was read for it."""

    options: Options
    reading: Reading
    files: tuple[FilePath, ...] = field(default=(), repr=False, compare=False)


# -- what each option may be ---------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """``default``: what is meant where nothing is said."""

    default: object
    check: Check


OPTIONS: dict[str, Option] = {
    "slim": Option(None, size),
    "prewarm": Option(True, flag),
    "core_0_5_5_layer1x1_post_film": Option(False, flag),
    "math": Option("exact", word("a kind of tanh and sigmoid", *MATHS)),
    "nonfinite": Option("keep", word("a way to take NaN and infinity", *NONFINITES)),
    "block": Option(None, count("frames", MAX_BLOCK)),
    "cores": Option(None, count("cores", MAX_CORES)),
    "mac": Option(None, word("a kind of multiply-accumulate", *MACS, may_be_none=True)),
    "split": Option((), whole_numbers(MAX_CORES - 1)),
    "core_speeds": Option((), numbers(MAX_CORES)),
    "schedule": Option(None, file),
    "object_format": Option("elf", word("an object format", *get_args(ObjectName))),
    "fp_mode": Option("own", word("a way to set the floating-point mode", *get_args(FpModeName))),
    "visibility": Option("hidden", word("a visibility of symbols", *get_args(VisibilityName))),
}


def choose(target: TargetSource = "host", given: Mapping[str, object] | None = None) -> Choices:
    """What was given, checked and completed; OptionError (a UserError) for what cannot be."""
    value = _completed(given or {})
    description = find_target(target)
    split, speeds = value["split"], value["core_speeds"]
    options = Options(
        description,
        value["cores"] or (len(split) + 1 if split else max(1, len(speeds))),
        value["block"],
        Contract(
            mac=value["mac"] or cast(Mac, description.mac[0]),
            subnormals=cast(Subnormals, description.subnormals[0]),
            **{name: value[name] for name in get_type_hints(ContractOptions)},
        ),
        split,
        speeds,
        ScheduleOverrides() if value["schedule"] is None else read_schedule(value["schedule"]),
        object_format=ObjectFormat(value["object_format"]),
        fp_mode=FpMode(value["fp_mode"]),
        visibility=Visibility(value["visibility"]),
    )
    check_options(options)
    files = [value["schedule"]] if value["schedule"] is not None else []
    files += [target] if is_target_file(target) else []
    return Choices(options, choose_reading(value), tuple(map(FilePath, files)))


def choose_reading(given: Mapping[str, object]) -> Reading:
    """Of :func:`choose` what concerns the capture."""
    value = _completed(given)
    return Reading(value["slim"], BuildOptions(value["core_0_5_5_layer1x1_post_film"]), value["prewarm"])


def _completed(given: Mapping[str, object]) -> dict[str, Any]:
    return {name: option.check(name, given.get(name, option.default)) for name, option in OPTIONS.items()}


def make_options(
    target: TargetSource = "host", cores: int | None = None, block: int | None = None, **given: object
) -> Options:
    """Of :func:`choose` what concerns code."""
    return choose(target, {"cores": cores, "block": block, **given}).options


def options_here(options: Options, block: int) -> Options:
    """For code of this machine that stands in for other code: the same contract, as far as the target decides none."""
    here = host_target()
    mac, subnormals = cast(Mac, here.mac[0]), cast(Subnormals, here.subnormals[0])
    return Options(here, block=block, contract=replace(options.contract, mac=mac, subnormals=subnormals))


def check_options(options: Options) -> None:
    """Raise OptionError for what no target can do, or this one cannot."""
    target, contract = options.target, options.contract
    OPTIONS["block"].check("block", options.block)
    OPTIONS["cores"].check("cores", options.cores)
    if contract.mac not in target.mac:
        raise OptionError(
            "mac", f"{target.name} cannot do {contract.mac} multiply-accumulates", f"use {' or '.join(target.mac)}"
        )
    if contract.subnormals not in target.subnormals:
        raise OptionError("target", f"{target.name} cannot {contract.subnormals} subnormals")
    _ = options.convention


def find_target(target: TargetSource) -> Target:
    """The target of a name, of this machine ("host") or of a file; OptionError or UserError if it cannot be."""
    if not isinstance(target, str | os.PathLike) or not isinstance(os.fspath(target), str):
        raise OptionError("target", f"{shown(target)} is neither a name nor a file", "see schedc targets")
    if not is_target_file(target):
        return host_target() if target == "host" else _known_target(str(target))
    from schedc.backends.codegen_check import check_codegen

    found = read_target(target)
    check_codegen(found)
    return found


@functools.cache
def _known_target(name: str) -> Target:
    """Descriptions are read once."""
    return load_target(name)


def host_target() -> Target:
    """The description that fits this machine.  Raises UnsupportedError if none does."""
    return _known_target(host_target_name())


# -- functions that take options -------------------------------------------------------------

P = ParamSpec("P")
T = TypeVar("T")


def taking(options: type, **defaults: object) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A function whose ``**given`` are the options of a typed dictionary: its signature lists them for readers and
    ``help()``, an unknown one is a TypeError, and ``defaults`` stand in where this function means something else by
    saying nothing.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        own = inspect.signature(function)
        kinds = get_type_hints(options)
        listed = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, OPTIONS[name].default),
                annotation=kinds[name],
            )
            for name in OPTIONS
            if name in kinds
        ]
        first = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        signature = own.replace(parameters=[*first, *listed])

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}: {error}") from None
            return function(*args, **{**defaults, **kwargs})  # type: ignore[arg-type]

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate
