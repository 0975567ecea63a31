"""The part of the command line that lists what there is: passes, targets."""

from __future__ import annotations

from typing import Annotated

import typer

catalogue = typer.Typer(rich_markup_mode=None)


@catalogue.command("passes")
def passes_command() -> int:
    """List the passes in the order they run."""
    from schedc.commands.catalogue import list_passes

    list_passes()
    return 0


@catalogue.command("targets")
def targets_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE.yaml]", help="Check and show this one, each number with its source."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="What a FILE.yaml may hold, as JSON Schema.")] = False,
) -> int:
    """List the targets, or show one with each of its facts and where it is from."""
    from schedc.commands.catalogue import list_targets, show_schema, show_target

    if schema:
        show_schema()
    elif name is None:
        list_targets()
    else:
        show_target(name)
    return 0
