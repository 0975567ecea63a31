"""The part of the command line that times code: bench here, analyze by a pipeline model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schedc.cli.options import CONTRACT, FLAGS, READING, AsJson, Models, takes

if TYPE_CHECKING:
    from schedc.options import Choices

measuring = typer.Typer(rich_markup_mode=None)


@measuring.command("bench")
@takes("target", *READING, "mac", *CONTRACT, "fp_mode", target="host")
def bench_command(
    model: Models,
    choices: Choices,
    block: Annotated[
        list[int] | None, typer.Option(metavar="B", help="Samples per call; may be repeated.  [default: 16 64 256]")
    ] = None,
    cores: Annotated[
        int | None, typer.Option(metavar="N", help="Also compare N threads, one per stage, with one.")
    ] = None,
    json: AsJson = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Blocks at the audio rate instead: response times, missed deadlines.")
    ] = False,
    seconds: Annotated[float, typer.Option(metavar="S", help="With --realtime: length of each run.")] = 10.0,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure several schedules instead and keep the fastest for later.")
    ] = False,
) -> int:
    """Measure the compiled capture on this machine; code for another target that it runs too, such as avx2."""
    from schedc.commands.bench import BenchRequest, bench

    request = BenchRequest(model, tuple(block or ((64,) if tune else (16, 64, 256))), choices, json, cores)
    if tune:
        from schedc.commands.tune import tune as tune_schedules

        tune_schedules(request)
    elif realtime:
        from schedc.commands.realtime import bench_realtime

        bench_realtime(request, seconds)
    else:
        bench(request)
    return 0


@measuring.command("analyze")
def analyze_command(
    object_file: Annotated[Path, typer.Argument(metavar="OBJECT", help="An ELF object or executable, of any origin.")],
    target: Annotated[str, typer.Option("--target", "-t", metavar=FLAGS["target"].metavar, help=FLAGS["target"].help)],
    entry: Annotated[str, typer.Option(metavar="SYMBOL", help="The function to time.")],
    samples: Annotated[int, typer.Option(metavar="N", help="Samples per call, to divide by.")] = 1,
    calls: Annotated[int, typer.Option(metavar="N", help="Calls to emulate.")] = 1,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="Emulate with this argument: buffer:BYTES, file:PATH or a number; repeat."),
    ] = None,
    init: Annotated[str, typer.Option(metavar="SYMBOL/COUNT", help="Called first, with the first arguments.")] = "",
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Addresses of executed instructions, one a line, instead.")
    ] = None,
    trips: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR=COUNT", help="Instead: how often the loop that branches back at ADDR runs; repeat."),
    ] = None,
    json: AsJson = False,
) -> int:
    """Predict the cycles of machine code from its instructions and the target's pipeline."""
    from schedc.commands.analyze import AnalyzeRequest, analyze

    request = AnalyzeRequest(
        object=object_file,
        target=target,
        entry=entry,
        samples=samples,
        calls=calls,
        arguments=tuple(arg or ()),
        init=init,
        trace=trace,
        trips=tuple(trips or ()),
        as_json=json,
    )
    return analyze(request)
