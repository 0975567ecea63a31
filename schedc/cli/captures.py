"""The part of the command line that treats captures as data: pack, batch, cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schedc.cli.options import CODE, Models, takes

if TYPE_CHECKING:
    from schedc.frontend.capture import Reading
    from schedc.options import Choices

captures = typer.Typer(rich_markup_mode=None)
cache = typer.Typer(rich_markup_mode=None, help="Compiled code kept on disk (SCHEDC_CACHE moves it; off disables it).")
captures.add_typer(cache, name="cache", no_args_is_help=True)
VERIFY_SAMPLES = 2000


@captures.command("pack")
@takes("slim", "prewarm", words={"slim": "Size of the capture.  [default: as compiled]"})
def pack_command(
    model: Models,
    report: Annotated[Path, typer.Option("--for", metavar="REPORT.json", help="The report beside the compiled code.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.bin", help="The weight blob to write.")],
    reading: Reading,
) -> int:
    """Pack another capture for code that was compiled before; nothing is compiled."""
    from schedc.commands.pack import pack_to_file

    pack_to_file(model, report, output, reading)
    return 0


@captures.command("batch")
@takes(*CODE, "fp_mode", "visibility", "prewarm")
def batch_command(
    library: Annotated[str, typer.Argument(metavar="DIR|GLOB", help="A folder, searched for captures, or a pattern.")],
    choices: Choices,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A folder per architecture goes here.")],
    verify: Annotated[bool, typer.Option("--verify", help="Also compare each capture with the interpreter.")] = False,
    render: Annotated[
        Path | None, typer.Option(metavar="IN.wav", help="Also play this through each capture, to OUT/.../NAME.wav.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", help="Worker processes.  [default: one per processor]")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Work on the Dask cluster there (needs the package distributed)."),
    ] = None,
) -> int:
    """Compile each architecture of a library once and pack every capture; goes on where an earlier run ended."""
    from schedc.commands.batch import BatchRequest, batch
    from schedc.fleet.treatment import FleetOptions

    options = FleetOptions(choices, VERIFY_SAMPLES if verify else 0)
    return batch(BatchRequest(library, output, options, render, jobs, scheduler))


@cache.command("info")
def cache_info_command() -> int:
    """Show where the cache is, whether it is used, and what it holds."""
    from schedc.commands.cache import show_cache

    show_cache()
    return 0


@cache.command("clear")
def cache_clear_command() -> int:
    """Delete all compiled code and measured schedules that are kept, and nothing else."""
    from schedc.commands.cache import clear_cache

    clear_cache()
    return 0
