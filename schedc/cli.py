"""The command line: options and exit codes.  What the commands do is in :mod:`schedc.commands`.

Exit codes: 0 done; 1 ``verify`` found a difference; 2 something the user can mend, one line on standard
error; 70 a bug of schedc, one line (and a traceback with ``SCHEDC_DEBUG=1``); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schedc.cli_captures import captures
from schedc.cli_cores import CoreSpeed, ScheduleFile, parse_speeds, parse_split, stage_count
from schedc.errors import InternalError, UserError
from schedc.frontend.wording import one_line
from schedc.version import VERSION

if TYPE_CHECKING:
    from schedc.compiler import Options

# Heavy imports are inside the commands: --version and --help need none of them.
EXIT_USER, EXIT_BUG, EXIT_INTERRUPTED = 2, 70, 130
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Compile Neural Amp Modeler captures (.nam) to machine code for small and large machines.",
)

Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="A .nam or .namb capture; several: a chain.")]
TargetName = Annotated[str, typer.Option("--target", "-t", metavar="T", help="See `schedc targets`; or host.")]
Cores = Annotated[
    int | None, typer.Option(metavar="N", help="Stages to cut the model into, one per core.  [default: 1]")
]
Block = Annotated[
    int | None, typer.Option(metavar="B", help="Largest number of samples per call.  [default: the target's]")
]
Slim = Annotated[
    float | None, typer.Option(metavar="V", help="Size of a container or slimmable capture, 0 (smallest) to 1 (full).")
]
Mac = Annotated[
    str | None, typer.Option(metavar="fused|unfused", help="Roundings per multiply-accumulate: one, or two.")
]
MathName = Annotated[
    str, typer.Option("--math", metavar="exact|fast", help="tanh and sigmoid within 2 ulp, or quicker within 6e-7.")
]
Split = Annotated[
    str | None, typer.Option(metavar="K,...", help="Kernels that begin stages 1, 2, ...  [default: balanced]")
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> int:
    if version:
        typer.echo(f"schedc {VERSION}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
        return EXIT_USER
    return 0


@app.command("compile")
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
    dump_passes: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write NN-pass-name.txt and .dot after every pass.")
    ] = None,
    no_prewarm: Annotated[bool, typer.Option("--no-prewarm", help="Start from zeros instead of silence.")] = False,
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
            texts=emit_texts,
            old_film=core_0_5_5_film,
            dump_folder=dump_passes,
        )
    )
    return 0


@app.command("run")
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


@app.command("verify")
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


@app.command("explain")
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


@app.command("bench")
def bench_command(
    model: Models,
    block: Annotated[
        list[int] | None, typer.Option(metavar="B", help="Samples per call; may be repeated.  [default: 16 64 256]")
    ] = None,
    cores: Annotated[
        int | None, typer.Option(metavar="N", help="Also compare N threads, one per stage, with one.")
    ] = None,
    slim: Slim = None,
    json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Blocks at the audio rate instead: response times, missed deadlines.")
    ] = False,
    seconds: Annotated[float, typer.Option(metavar="S", help="With --realtime: length of each run.")] = 10.0,
    math: MathName = "exact",
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure several schedules instead and keep the fastest for later.")
    ] = False,
) -> int:
    """Measure the compiled capture on this machine."""
    blocks = tuple(block or (16, 64, 256))
    check_numbers(*blocks)
    if tune:
        from schedc.commands.tune import tune as tune_schedules

        tune_schedules(model, tuple(block or (64,)), slim, json, math)
    elif realtime:
        from schedc.commands.realtime import bench_realtime

        bench_realtime(model, blocks, slim, seconds, json, math)
    else:
        from schedc.commands.bench import bench

        bench(model, blocks, slim, json, cores, math)
    return 0


@app.command("analyze")
def analyze_command(
    object_file: Annotated[Path, typer.Argument(metavar="OBJECT", help="An ELF object or executable, of any origin.")],
    target: TargetName,
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
    json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
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


app.add_typer(captures)


@app.command("passes")
def passes_command() -> int:
    """List the passes in the order they run."""
    from schedc.commands.catalogue import list_passes

    list_passes()
    return 0


@app.command("targets")
def targets_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this target's facts and sources.")] = None,
) -> int:
    """List the targets, or show one with each of its facts and where it is from."""
    from schedc.commands.catalogue import list_targets, show_target

    if name is None:
        list_targets()
    else:
        show_target(name)
    return 0


def options(
    target: str,
    cores: int | None,
    block: int | None,
    mac: str | None,
    split: str | None,
    core_speed: str | None = None,
    schedule: Path | None = None,
    math: str = "exact",
) -> Options:
    """Options for the compiler, checked; UserError for what cannot be."""
    from schedc.compiler import check_options, make_options

    cuts, speeds = parse_split(split), parse_speeds(core_speed)
    check_numbers(block)
    chosen = make_options(target, stage_count(cores, cuts, speeds), block, mac, cuts, speeds, schedule, math)
    check_options(chosen)
    return chosen


def check_numbers(*blocks: int | None) -> None:
    """A block of 0 is refused here, because 0 stands for the default further on."""
    for block in blocks:
        if block is not None and block < 1:
            raise UserError("--block", f"{block} frames", "give 1 to 8192")


# Typer's own errors (unknown option, missing argument, not a number) have no public base class in all versions.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.  Never raises, except SystemExit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given, prog_name="schedc", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        return _complain(str(error), EXIT_USER)
    except _USAGE_ERROR as error:
        return _complain(usage_text(error), EXIT_USER)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except OSError as error:
        return _system_error(error)
    except Exception as error:
        return _bug(error)
    return code if isinstance(code, int) else 0


def usage_text(error: Exception) -> str:
    """A usage error in one line, with where to read on."""
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "schedc"
    return f"{message[:1].lower()}{message[1:]}; see {command} --help"


def _complain(line: str, code: int) -> int:
    print(f"schedc: {one_line(line)}", file=sys.stderr)
    return code


def _bug(error: Exception) -> int:
    """One line that asks for a report; the traceback for those who want it."""
    if os.environ.get("SCHEDC_DEBUG") == "1":
        traceback.print_exception(error)
    problem = error if isinstance(error, InternalError) else InternalError(f"{type(error).__name__}: {error}")
    return _complain(str(problem), EXIT_BUG)


def _system_error(error: OSError) -> int:
    """What the system refused.  A reader that has gone (``| head``) is no news."""
    if error.filename is None:  # the output: nothing may be left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 1
    return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}", EXIT_USER)
