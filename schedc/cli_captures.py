"""The part of the command line that treats captures as data: pack, cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

captures = typer.Typer(rich_markup_mode=None)
cache = typer.Typer(rich_markup_mode=None, help="Compiled code kept on disk (SCHEDC_CACHE moves it; off disables it).")
captures.add_typer(cache, name="cache", no_args_is_help=True)

Slim = Annotated[float | None, typer.Option(metavar="V", help="Size of the capture.  [default: as compiled]")]
NoPrewarm = Annotated[bool, typer.Option("--no-prewarm", help="Start from zeros instead of silence.")]


@captures.command("pack")
def pack_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .nam capture.")],
    report: Annotated[Path, typer.Option("--for", metavar="REPORT.json", help="The report beside the compiled code.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.bin", help="The weight blob to write.")],
    slim: Slim = None,
    no_prewarm: NoPrewarm = False,
) -> int:
    """Pack another capture for code that was compiled before; nothing is compiled."""
    from schedc.commands.pack import pack_to_file

    pack_to_file(model, report, output, slim, not no_prewarm)
    return 0


@cache.command("info")
def cache_info_command() -> int:
    """Show where the cache is and what it holds."""
    from schedc.commands.cache import show_cache

    show_cache()
    return 0


@cache.command("clear")
def cache_clear_command() -> int:
    """Delete all compiled code that is kept."""
    from schedc.commands.cache import clear_cache

    clear_cache()
    return 0
