"""``schedc passes`` and ``schedc targets``: what there is."""

from __future__ import annotations

import sys

from schedc.commands.console import count, print_table, say
from schedc.errors import UnsupportedError
from schedc.passes.base import Pass
from schedc.targets.base import TARGET_NAMES, Target, load_target


def list_passes() -> None:
    """Each pass in running order with the first line of its documentation."""
    from schedc.options import Options
    from schedc.planning import core_passes, planning_passes

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
    rows = []
    for name in TARGET_NAMES:
        target = load_target(name)
        rows.append([name, target.full_name, str(target.vectors.lanes), default_contract(target), str(target.block)])
    print_table(["name", "machine", ">lanes", "contract", ">block"], rows)
    say()
    say(f"host   {host_text()}")


def host_text() -> str:
    """Which target this machine is."""
    from schedc.options import make_options

    try:
        return f"this machine: {make_options('host').target.name}"
    except UnsupportedError as error:
        return str(error)


def default_contract(target: Target) -> str:
    return f"{target.mac[0]}, subnormals {target.subnormals[0]}"


def show_target(name: str) -> None:
    """One target with every fact and its source.  UserError for an unknown name."""
    from schedc.options import make_options

    target = make_options("host").target if name == "host" else load_target(name)
    codegen, vectors = target.codegen, target.vectors
    tuned = f" tuned for {codegen.tune}" if codegen.tune else ""
    say(f"{target.name}: {target.full_name}")
    say(f"  LLVM        {codegen.triple}, {codegen.cpu}{tuned}, {codegen.features}")
    registers = count(vectors.registers, "register")
    say(f"  vectors     {count(vectors.lanes, 'float')} wide, {registers}, weights by {vectors.weights}")
    say(f"  contract    {' or '.join(target.mac)}, subnormals {' or '.join(target.subnormals)} (the first by default)")
    say(f"  block       {count(target.block, 'sample')} by default")
    say(f"  emulator    {'yes' if target.emulator else 'none; verify runs its code where the machine can'}")
    say()
    rows = [[key, f"{fact.value:.15g}", fact.source] for key, fact in target.facts.items()]
    print_table(["fact", ">value", "source"], rows)
