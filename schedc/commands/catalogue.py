"""``schedc passes`` and ``schedc targets``: what there is."""

from __future__ import annotations

import json
import sys

from schedc.commands.console import columns, count, say, tell
from schedc.commands.tables import print_table
from schedc.errors import UnsupportedError
from schedc.passes.base import Pass
from schedc.targets.base import Pipeline, Target, load_target
from schedc.targets.names import TARGET_NAMES

_WIDE = 110  # columns: room for more about each target


def list_passes() -> None:
    """Each pass in running order with the first line of its documentation."""
    from schedc.options import Options
    from schedc.passes.core import core_passes
    from schedc.planning import planning_passes

    passes = [*core_passes(), *planning_passes(Options(load_target(TARGET_NAMES[0])))]
    for number, step in enumerate(passes, start=1):
        say(f"{number:02}  {step.name:24}  {summary(step)}")


def summary(step: Pass) -> str:
    """What a pass does, in a line: from its own or its module's documentation."""
    text = sys.modules[type(step).__module__].__doc__ or ""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return line.removeprefix(f"{step.name}: ").removesuffix(".")


def list_targets() -> None:
    """Each target in a row, then what ``host`` means here."""
    titles, rows = ["name", "~machine", ">block"], []
    for name in TARGET_NAMES:
        target = load_target(name)
        rows.append([name, target.full_name, str(target.block)])
        if columns() >= _WIDE:
            rows[-1] += [str(target.vectors.lanes), default_contract(target)]
    print_table([*titles, *([">lanes", "contract"] if columns() >= _WIDE else [])], rows)
    say()
    tell("a FILE.yaml stands wherever a name does; schedc targets FILE.yaml checks it", "your own")
    tell(host_text(), "host")


def host_text() -> str:
    """Which target this machine is."""
    from schedc.options import host_target

    try:
        return f"this machine: {host_target().name}"
    except UnsupportedError as error:
        return str(error)


def default_contract(target: Target) -> str:
    return f"{target.mac[0]}, subnormals {target.subnormals[0]}"


def show_target(name: str) -> None:
    """One target with every number and its source.  UserError for an unknown name, or for a file's faults."""
    from schedc.options import find_target

    target = find_target(name)
    codegen, vectors = target.codegen, target.vectors
    tuned = f" tuned for {codegen.tune}" if codegen.tune else ""
    tell(f"{target.name}: {target.full_name}")
    features = codegen.features.replace(",", ", ") or "no features"
    tell(f"{codegen.triple}, {codegen.cpu}{tuned}, {features}", "LLVM")
    registers = count(vectors.registers, "register")
    tell(f"{count(vectors.lanes, 'float')} wide, {registers}, weights by {vectors.weights}", "vectors")
    tell(f"{' or '.join(target.mac)}, subnormals {' or '.join(target.subnormals)} (the first by default)", "contract")
    tell(f"{count(target.block, 'sample')} by default", "block")
    tell("yes" if target.emulator else "none; verify runs its code where the machine can", "emulator")
    say()
    rows = [[key, f"{fact.value:.15g}", fact.source] for key, fact in target.facts.items()]
    print_table(["fact", ">value", "~source"], rows)
    if target.pipeline is not None:
        say()
        _pipeline(target.pipeline)


def _pipeline(pipeline: Pipeline) -> None:
    rows = [
        [kind, f"{row.issue:g}", f"{row.latency:g}", f"{row.blocks:g}", row.source]
        for kind, row in pipeline.kinds.items()
    ]
    print_table([pipeline.model, ">issue", ">latency", ">blocks", "~source"], rows)
    say()
    rows = [[key, f"{fact.value:.15g}", fact.source] for key, fact in pipeline.options.items()]
    print_table([pipeline.model, ">value", "~source"], rows)


def show_schema() -> None:
    """What a target's file may hold, as JSON Schema."""
    from schedc.targets.json_schema import json_schema

    say(json.dumps(json_schema(), indent=2))
