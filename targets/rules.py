"""What must hold of a whole target description: nothing is missing, and what is there goes together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from schedc.errors import UserError
from schedc.targets.checks import leaves, one_of, shown
from schedc.targets.instruction_sets import BY_ARCHITECTURE, InstructionSet, architecture_of
from schedc.targets.keys import DESCRIPTION, PIPELINE_KINDS, PIPELINE_MODELS, PIPELINE_OPTIONS, Key

_FEATURES = re.compile(r"([+-][a-z0-9][a-z0-9._-]*)(,[+-][a-z0-9][a-z0-9._-]*)*")
_NAMES = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_LANES = (1, 4, 8, 16)
_NOT_ELF = ("apple", "darwin", "macos", "ios", "windows", "win32", "msvc", "mingw", "cygwin", "uefi", "coff", "macho")


def check_whole(data: Mapping[str, Any], where: str) -> None:
    """That nothing is missing, and that what is there goes together."""
    for path, key in leaves(DESCRIPTION):
        missing = key.default is None and key.needed == "always" and _at(data, path) is None
        if missing:
            _missing(where, path, key)
    for path, key in leaves(DESCRIPTION):
        if key.needed not in ("always", "never") and _at(data, path) is None and _applies(key.needed, data):
            _missing(where, path, key)
    for rule in (_check_triple, _check_vectors, _check_subnormals, _check_emulator, _check_pipeline):
        rule(data, where)


def _at(data: Mapping[str, Any], path: str) -> Any:
    found: Any = data
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _applies(needed: str, data: Mapping[str, Any]) -> bool:
    if needed.startswith("mac "):
        return needed.removeprefix("mac ") in data["mac"]
    return bool(data["in_order"]) == (needed == "in order")


def _missing(where: str, path: str, key: Key) -> NoReturn:
    unit = f", in {key.unit}" if key.unit and key.kind != "timing" else ""
    because = {"in order": ", which a machine in order needs", "out of order": ", which one out of order needs"}.get(
        key.needed, ""
    )
    raise UserError(
        f"{where}: {path}",
        f"is missing{because}",
        f"add it ({key.meaning}{unit}), or based_on: a target that has it",
    )


def machine_of(data: Mapping[str, Any]) -> str:
    """The architecture, as the triple's first part says it."""
    return architecture_of(data["codegen"]["triple"])


def _set_of(data: Mapping[str, Any]) -> InstructionSet:
    """The instruction set, once the triple is known to have one."""
    return BY_ARCHITECTURE[machine_of(data)]


def _check_triple(data: Mapping[str, Any], where: str) -> None:
    codegen, machine = data["codegen"], machine_of(data)
    place = f"{where}: codegen"
    if machine not in BY_ARCHITECTURE:
        near = difflib.get_close_matches(machine, BY_ARCHITECTURE, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(
            f"{place}.triple",
            f"{shown(machine)} is no architecture of schedc's",
            f"{hint}known: {', '.join(BY_ARCHITECTURE)}",
        )
    if not all(_NAMES.fullmatch(part) for part in codegen["triple"].split("-")):
        raise UserError(
            f"{place}.triple", f"{shown(codegen['triple'])} is not a triple", f"write {machine}-none-eabi or the like"
        )
    if any(system in codegen["triple"] for system in _NOT_ELF):
        raise UserError(
            f"{place}.triple",
            f"{shown(codegen['triple'])} is not of ELF objects",
            f"write {machine}-none-elf; --object coff and macho are made of the same code",
        )
    bits, right = codegen["pointer_bits"], _set_of(data).pointer_bits
    if bits != right or codegen["triple"].endswith("x32"):
        raise UserError(
            f"{place}.pointer_bits", f"{bits} with the triple {codegen['triple']}", f"give {right} for {machine}"
        )
    for key in ("cpu", "tune"):
        name = codegen.get(key, "")
        if (name or key == "cpu") and (not _NAMES.fullmatch(name) or name == "help"):
            raise UserError(f"{place}.{key}", f"{shown(name)} is not a processor's name", "write one that LLVM knows")
    features = codegen.get("features", "")
    if features and not _FEATURES.fullmatch(features):
        raise UserError(
            f"{place}.features", f"{shown(features)} is not a list of features", 'write them like "+fma,-fp64"'
        )


def _check_vectors(data: Mapping[str, Any], where: str) -> None:
    vectors, sums = data["vectors"], data["limits"]["accumulators"]
    lanes, weights = vectors["lanes"], vectors["weights"]
    if lanes not in _LANES:
        raise UserError(f"{where}: vectors.lanes", f"{lanes} floats", "vectors have 1 (none), 4, 8 or 16")
    if (lanes == 1) != (weights == "scalar"):
        remedy = "use scalar" if lanes == 1 else "use broadcast or lane"
        raise UserError(f"{where}: vectors.weights", f"{weights} with {lanes} lane{'s' * (lanes > 1)}", remedy)
    if sums > vectors["registers"]:
        remedy = f"give {vectors['registers']} (vectors.registers) or less"
        raise UserError(f"{where}: limits.accumulators", f"{sums} of {vectors['registers']} registers", remedy)


def _check_subnormals(data: Mapping[str, Any], where: str) -> None:
    """Vectors of 32-bit Arm flush subnormals whatever the mode, nothing else does unless it is asked to."""
    flushes = not _set_of(data).vectors_obey_mode and data["vectors"]["lanes"] > 1
    wanted = "flush" if flushes else "keep"
    if data["subnormals"] != [wanted]:
        what = "vectors of 32-bit Arm flush them" if flushes else "this hardware keeps them"
        raise UserError(f"{where}: subnormals", f"[{', '.join(data['subnormals'])}], but {what}", f"write [{wanted}]")


def _check_emulator(data: Mapping[str, Any], where: str) -> None:
    emulator = data.get("emulator", "")
    fitting = _set_of(data).emulator
    if emulator and emulator != fitting:
        remedy = f"use {fitting}" if fitting else 'write emulator: ""'
        raise UserError(f"{where}: emulator", f"{emulator} does not run code of {machine_of(data)}", remedy)


def _check_pipeline(data: Mapping[str, Any], where: str) -> None:
    table = data.get("pipeline")
    if table is None:
        return
    model = table.get("model")
    if model is None:
        raise UserError(
            f"{where}: pipeline.model", "is missing", f"use {one_of(PIPELINE_MODELS)}, or write pipeline: null"
        )
    fitting = _set_of(data).pipeline_models
    if model not in fitting:
        remedy = f"use {fitting[0]}" if fitting else "write pipeline: null, there is no model of one"
        raise UserError(f"{where}: pipeline.model", f"{model} does not know code of {machine_of(data)}", remedy)
    for name, needed in (("kinds", PIPELINE_KINDS[model]), ("options", PIPELINE_OPTIONS[model])):
        for row in needed:
            if table.get(name, {}).get(row) is None:
                raise UserError(
                    f"{where}: pipeline.{name}.{row}", f"is missing for {model}", "add it, or pipeline: null"
                )
