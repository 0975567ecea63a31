"""The command line: exit codes, and the commands' options from the other files here.

What the commands do is in :mod:`schedc.commands`.

Exit codes: 0 done; 1 ``verify`` found a difference, or ``batch`` a capture that fails; 2 something the user can mend,
one line on standard error; 70 a bug of schedc, one line (and a traceback with ``SCHEDC_DEBUG=1``); 129 hung up,
130 interrupted, 143 terminated.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from schedc.cli.captures import captures
from schedc.cli.catalogue import catalogue
from schedc.cli.compile import compiling
from schedc.cli.measure import measuring
from schedc.cli.options import spelled
from schedc.cli.streams import patient_streams
from schedc.errors import InternalError, OptionError, SchedcWarning, UserError, one_line
from schedc.termination import Terminated, terminable
from schedc.version import VERSION

# Heavy imports are inside the commands: --version and --help need none of them.
EXIT_USER, EXIT_BUG, EXIT_INTERRUPTED = 2, 70, 130
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Compile Neural Amp Modeler captures (.nam) to machine code for small and large machines.",
)
for part in (compiling, measuring, captures, catalogue):
    app.add_typer(part)


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


# Typer's own errors (unknown option, missing argument, not a number) have no public base class in all versions.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.  Never raises, except SystemExit."""
    with patient_streams(), _garbage_seldom_looked_for():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


@contextmanager
def _garbage_seldom_looked_for() -> Iterator[None]:
    """Compiling makes many objects and few circles of them: looking for those takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _run(given: list[str]) -> int:
    try:
        with terminable(), _warnings_in_a_line():
            code = app(args=given, prog_name="schedc", standalone_mode=False)
            sys.stdout.flush()
    except OptionError as error:
        return _complain(str(UserError(spelled(error.where), error.what, error.remedy)), EXIT_USER)
    except UserError as error:
        return _complain(str(error), EXIT_USER)
    except _USAGE_ERROR as error:
        return _complain(usage_text(error), EXIT_USER)
    except Terminated as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except OSError as error:
        return _system_error(error)
    except Exception as error:
        return _bug(error)
    return code if isinstance(code, int) else 0


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Print what Python's users get as warnings as the commands print their own, each once."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", SchedcWarning)
        show, said = warnings.showwarning, set[str]()

        def print_ours(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, SchedcWarning):
                show(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                print(f"schedc: warning: {one_line(str(message))}", file=sys.stderr)

        warnings.showwarning = print_ours
        yield


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
    """What the system refused; standard output and error are named like files."""
    where = "" if error.filename is None else f"{error.filename}: "
    return _complain(f"{where}{error.strerror or error}", EXIT_USER)
