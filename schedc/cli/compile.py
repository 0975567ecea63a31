"""The part of the command line that compiles captures and uses what came out: compile, run, verify, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schedc.cli.options import CODE, CONTRACT, READING, Models, takes
from schedc.errors import UserError

if TYPE_CHECKING:
    from schedc.options import Choices

compiling = typer.Typer(rich_markup_mode=None)


def _no_capture(source: Path) -> Path:
    """Of ``MODEL... IN.wav OUT.wav``, the last is what is forgotten when a capture is in the sound file's place."""
    from schedc.frontend.nam_file import has_capture_suffix

    if has_capture_suffix(source.name):
        raise UserError("", "missing argument 'OUT.wav'", "see schedc run --help")
    return source


@compiling.command("compile")
@takes(*CODE, "object_format", "fp_mode", "visibility", "prewarm")
def compile_command(
    model: Models,
    choices: Choices,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")] = Path("."),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of symbols and files.  [default: from the file's name]")
    ] = None,
    dump_passes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write what each pass decided: NN-pass-name.txt and .dot; and a .dot of each kernel."
        ),
    ] = None,
    emit_texts: Annotated[bool, typer.Option("--emit-texts", help="Also write LLVM's IR and assembly.")] = False,
) -> int:
    """Compile a capture, or several in a row, to an object, a weight blob, a C header and a report."""
    from schedc.commands.compile import CompileRequest, compile_to_files

    compile_to_files(CompileRequest(tuple(model), choices, output, name, emit_texts, dump_passes))
    return 0


@compiling.command("run")
@takes("block", "cores", *READING, *CONTRACT, "prewarm", block=64, nonfinite="zero")
def run_command(
    model: Models,
    source: Annotated[
        Path,  # looked at before what else is missing
        typer.Argument(metavar="IN.wav", help="Or FLAC, AIFF, CAF, Ogg, MP3, ...", callback=_no_capture, is_eager=True),
    ],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT.wav", help="Or .flac, .aiff, .caf, .w64, .rf64, .au; samples as IN.wav."),
    ],
    choices: Choices,
    resample: Annotated[
        bool, typer.Option("--resample", help="Convert to the model's rate and back (needs the package soxr).")
    ] = False,
    as_float: Annotated[bool, typer.Option("--float", help="Write 32-bit float whatever the input is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over IN.wav itself, if OUT.wav is the same.")] = False,
) -> int:
    """Play a sound file through a capture, or several in a row, on this machine.

    What is mono processes each channel of a stereo file by itself.
    """
    from schedc.commands.run import RunRequest, run

    run(RunRequest(tuple(model), source, output, choices, resample, as_float, force))
    return 0


@compiling.command("verify")
@takes(*CODE, "fp_mode", "prewarm", target="host")
def verify_command(
    model: Models,
    choices: Choices,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Length of the test signal.  [default: a few seconds' work]")
    ] = None,
) -> int:
    """Compare machine code with the reference interpreter, bit for bit; exit code 1 if they differ."""
    from schedc.commands.verify import verify

    if samples is not None and not 1 <= samples <= 10_000_000:
        raise UserError("--samples", f"{samples} samples", "give 1 to 10000000")
    return verify(model, choices, samples)


@compiling.command("explain")
@takes(*CODE)
def explain_command(
    model: Models,
    choices: Choices,
    write_schedule: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Write the schedule file that reproduces the choice.")
    ] = None,
    gantt: Annotated[
        Path | None, typer.Option("--gantt", metavar="FILE", help="Also draw a few blocks on the cores, as SVG.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also every kernel, each stage's memory, and what the words mean.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report instead.")] = False,
) -> int:
    """Is it fast enough, does it fit, what would change that, and where does the time go?  Predicted."""
    from schedc.commands.explain import ExplainRequest, explain

    explain(ExplainRequest(model, choices, json, details, gantt, write_schedule))
    return 0
