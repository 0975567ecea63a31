"""The part of the command line that compiles captures and uses what came out: compile, run, verify, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schedc.cli_options import (
    Block,
    Cores,
    CoreSpeed,
    Mac,
    MathName,
    Models,
    NoPrewarm,
    ScheduleFile,
    Slim,
    Split,
    TargetName,
    check_numbers,
    options,
    parse_speeds,
    parse_split,
    stage_count,
)
from schedc.errors import UserError

compiling = typer.Typer(rich_markup_mode=None)


@compiling.command("compile")
def compile_command(
    model: Models,
    target: TargetName,
    cores: Cores = None,
    block: Block = None,
    slim: Slim = None,
    mac: Mac = None,
    math: MathName = "exact",
    split: Split = None,
    core_speed: CoreSpeed = None,
    schedule: ScheduleFile = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")] = Path("."),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of symbols and files.  [default: from the file's name]")
    ] = None,
    object_format: Annotated[
        str,
        typer.Option(
            "--object", metavar="elf|coff|macho", help="The object's format; coff for Windows, macho for macOS."
        ),
    ] = "elf",
    dump_passes: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write NN-pass-name.txt and .dot after every pass.")
    ] = None,
    no_prewarm: NoPrewarm = False,
    emit_texts: Annotated[bool, typer.Option("--emit-texts", help="Also write LLVM's IR and assembly.")] = False,
    core_0_5_5_film: Annotated[
        bool, typer.Option("--core-0-5-5-film", help="Leave layer1x1_post_film out as the C++ engine up to 0.5.5 does.")
    ] = False,
) -> int:
    """Compile a capture, or several in a row, to an object, a weight blob, a C header and a report."""
    from schedc.commands.compile import CompileRequest, compile_to_files

    cuts, speeds = parse_split(split), parse_speeds(core_speed)
    check_numbers(block)
    compile_to_files(
        CompileRequest(
            models=tuple(model),
            target=target,
            folder=output,
            cores=stage_count(cores, cuts, speeds),
            core_speeds=speeds,
            block=block,
            slim=slim,
            mac=mac,
            math=math,
            split=cuts,
            schedule=schedule,
            name=name,
            prewarm=not no_prewarm,
            object_format=object_format,
            texts=emit_texts,
            old_film=core_0_5_5_film,
            dump_folder=dump_passes,
        )
    )
    return 0


@compiling.command("run")
def run_command(
    model: Models,
    source: Annotated[Path, typer.Argument(metavar="IN.wav", help="PCM (16, 24, 32 bit) or float.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.wav", help="Sample format and rate as IN.wav.")],
    block: Annotated[int, typer.Option(metavar="B", help="Largest number of samples per call.")] = 64,
    cores: Annotated[int, typer.Option(metavar="N", help="Stages; the same bits come out.")] = 1,
    slim: Slim = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Convert to the model's rate and back (needs schedc[resample]).")
    ] = False,
    as_float: Annotated[bool, typer.Option("--float", help="Write 32-bit float whatever the input is.")] = False,
    math: MathName = "exact",
) -> int:
    """Play a WAV file through a capture, or several in a row, on this machine.

    What is mono processes each channel of a stereo file by itself.
    """
    from schedc.commands.run import RunRequest, run

    check_numbers(block)
    run(RunRequest(tuple(model), source, output, block, cores, slim, resample, as_float, math))
    return 0


@compiling.command("verify")
def verify_command(
    model: Models,
    target: TargetName = "host",
    cores: Cores = None,
    block: Block = None,
    slim: Slim = None,
    mac: Mac = None,
    math: MathName = "exact",
    split: Split = None,
    schedule: ScheduleFile = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Length of the test signal.  [default: a few seconds' work]")
    ] = None,
) -> int:
    """Compare machine code with the reference interpreter, bit for bit; exit code 1 if they differ."""
    from schedc.commands.verify import verify

    if samples is not None and not 1 <= samples <= 10_000_000:
        raise UserError("--samples", f"{samples} samples", "give 1 to 10000000")
    chosen = options(target, cores, block, mac, split, schedule=schedule, math=math)
    return verify(model, chosen, slim, samples)


@compiling.command("explain")
def explain_command(
    model: Models,
    target: TargetName,
    cores: Cores = None,
    block: Block = None,
    slim: Slim = None,
    mac: Mac = None,
    math: MathName = "exact",
    split: Split = None,
    core_speed: CoreSpeed = None,
    schedule: ScheduleFile = None,
    write_schedule: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Write the schedule file that reproduces the choice.")
    ] = None,
    gantt: Annotated[
        Path | None, typer.Option("--gantt", metavar="FILE", help="Also draw a few blocks on the cores, as SVG.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report instead.")] = False,
) -> int:
    """Show kernels, stages, memory and the predicted load."""
    from schedc.commands.explain import explain

    chosen = options(target, cores, block, mac, split, core_speed, schedule, math)
    explain(model, chosen, slim, json, gantt, write_schedule)
    return 0
