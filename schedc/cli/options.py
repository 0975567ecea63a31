"""How the command line spells the options of :mod:`schedc.options`, and those that several commands share besides.

A command lists the names of the options it takes (:func:`takes`) and gets :class:`~schedc.options.Choices`, or if code
is none of its business a :class:`~schedc.frontend.capture.Reading`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from schedc.errors import OptionError
from schedc.wording import shown

Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="A .nam or .namb capture; several: a chain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print numbers for programs.")]


def _same(value: Any) -> object:
    return value


def _whole_numbers(text: str) -> object:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise OptionError(
            "split", f"{shown(text)} is not a list of kernel numbers", "write it like 14 or 6,12"
        ) from None


def _numbers(text: str) -> object:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise OptionError("core_speeds", f"{shown(text)} is not a list of numbers", "write it like 1,0.8") from None


def _not(value: bool) -> object:
    return not value


@dataclass(frozen=True)
class Flag:
    """``name``: as :data:`schedc.options.OPTIONS` calls it.  ``unsaid``: what is meant by leaving it out, in words.
    ``read``: what was typed to what Python takes.
    """

    name: str
    spelled: str
    kind: type
    metavar: str | None
    help: str
    unsaid: object = ""
    read: Callable[[Any], object] = _same


_OLD_FILM = "Leave layer1x1_post_film out as the C++ engine up to 0.5.5 does."
_TARGET = Flag("target", "--target", str, "T", "See `schedc targets`; or host, or a FILE.yaml.")
_READING = (
    Flag("slim", "--slim", float, "V", "Size of a container or slimmable capture, 0 (smallest) to 1 (full)."),
    Flag("core_0_5_5_layer1x1_post_film", "--core-0-5-5-film", bool, None, _OLD_FILM),
)
_CONTRACT = (
    Flag("math", "--math", str, "exact|fast", "tanh and sigmoid within 2 ulp, or quicker within 6e-7.", "exact"),
    Flag("nonfinite", "--nonfinite", str, "keep|zero", "NaN and infinite samples: like any number, or as 0.", "keep"),
)
_CODE = (
    _TARGET,
    Flag("cores", "--cores", int, "N", "Stages to cut the model into, one per core.", 1),
    Flag("block", "--block", int, "B", "Largest number of samples per call.", "the target's"),
    *_READING,
    Flag("mac", "--mac", str, "fused|unfused", "Roundings per multiply-accumulate: one, or two.", "the target's"),
    *_CONTRACT,
    Flag("split", "--split", str, "K,...", "Kernels that begin stages 1, 2, ...", "balanced", _whole_numbers),
    Flag(
        "core_speeds", "--core-speed", str, "S,...", "Relative speeds of the cores to balance for.", "equal", _numbers
    ),
    Flag("schedule", "--schedule", Path, "FILE.yaml", "Force schedule decisions; no bit changes."),
)
_OTHERS = (
    Flag("object_format", "--object", str, "elf|coff|macho", "Of the object; coff: Windows, macho: macOS.", "elf"),
    Flag("fp_mode", "--fp-mode", str, "own|caller", "Who sets the floating-point mode.", "own"),
    Flag("visibility", "--visibility", str, "hidden|default", "Of the symbols in a shared library.", "hidden"),
    Flag("prewarm", "--no-prewarm", bool, None, "Start from zeros instead of silence.", read=_not),
)
FLAGS = {flag.name: flag for flag in (*_CODE, *_OTHERS)}
# How captures are read: of every command that takes some.
READING = tuple(flag.name for flag in _READING)
# What decides bits, whatever the target: of every command that calculates.
CONTRACT = tuple(flag.name for flag in _CONTRACT)
# What code depends on: of every command that compiles for any target.
CODE = tuple(flag.name for flag in _CODE)


def spelled(option: str) -> str:
    """An option of Python's as the command line spells it."""
    return FLAGS[option].spelled if option in FLAGS else f"--{option.replace('_', '-')}"


def takes(
    *names: str, words: Mapping[str, str] | None = None, **defaults: object
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A command that takes these options besides its own, and gets ``choices`` or ``reading`` made of them.

    ``defaults``: what this command means by leaving one out.  Where it is none, ``target`` must be given.  ``words``:
    help for what has another meaning here.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        (made,) = {"choices", "reading"} & set(command.__annotations__)
        del command.__annotations__[made]  # a class of the compiler, which --help does not load
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != made]
        own = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        flags = [replace(FLAGS[name], help=(words or {}).get(name, FLAGS[name].help)) for name in names]
        shared = [_parameter(flag, defaults) for flag in flags]
        needed = [p for p in own if p.default is p.empty]
        parameters = [*needed, *shared, *(p for p in own if p.default is not p.empty)]

        @wraps(command)
        def run(**values: Any) -> int:
            from schedc.options import choose, choose_reading

            typed = {name: values.pop(name) for name in names}
            read = {name: FLAGS[name].read(value) for name, value in typed.items() if value is not None}
            given = {**defaults, **read}
            if made == "reading":
                return command(reading=choose_reading(given), **values)
            return command(choices=choose(str(given.pop("target", "host")), given), **values)

        run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _parameter(flag: Flag, defaults: Mapping[str, object]) -> inspect.Parameter:
    """A flag as Typer reads it from a signature."""
    unsaid = defaults.get(flag.name, flag.unsaid)
    text = f"{flag.help}  [default: {unsaid}]" if unsaid else flag.help
    spelled = (flag.spelled, "-t") if flag.name == "target" else (flag.spelled,)
    option = typer.Option(*spelled, metavar=flag.metavar, help=text, show_default=False)
    needed = flag.name == "target" and not unsaid
    kind = flag.kind if flag.kind is bool or needed else flag.kind | None
    default = inspect.Parameter.empty if needed else False if flag.kind is bool else None
    return inspect.Parameter(
        flag.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
