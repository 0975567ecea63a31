"""``schedc compile``: a capture to files, and a summary of what came out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedc.api import chosen_name, compile_chosen
from schedc.artifact import Artifact, file_names, write_files
from schedc.commands.console import bytes_text, clock_text, count, percent, say, shown_name, tell, warn
from schedc.commands.progress import working
from schedc.commands.tables import print_table
from schedc.errors import UserError, one_line
from schedc.files.outputs import check_kind, check_separate
from schedc.options import Choices
from schedc.output_folder import Origin, check_replaced
from schedc.passes.run import PassDumps
from schedc.remarks import core_remarks


@dataclass(frozen=True)
class CompileRequest:
    """What ``schedc compile`` was asked for.  ``texts``: also LLVM's IR and assembly."""

    models: tuple[Path, ...]
    choices: Choices
    folder: Path
    name: str | None
    texts: bool
    dump_folder: Path | None


def compile_to_files(request: CompileRequest) -> None:
    """Compile, write all files or none, and say what they hold.  UserError for anything the user can mend."""
    check_folder(request.folder, "-o")
    if request.dump_folder is not None:
        check_folder(request.dump_folder, "--dump-passes")
    _check_files(request)
    artifact, dumps = _compile(request)
    files = artifact.files()
    replaced = check_replaced(request.folder, artifact.name, files, artifact.origins, artifact.named)
    written = _write(request, files, dumps, artifact.sources)
    report: Any = artifact.report
    warn([*report["warnings"], *core_remarks(request.choices.options, "--cores"), *replaced])
    summarise(artifact, written, request.dump_folder, len(dumps))


def _check_files(request: CompileRequest) -> None:
    """What need not be compiled to be refused."""
    name, options = chosen_name(request.models, request.name), request.choices.options
    files = file_names(name, options.object_format, options.cores, request.texts)
    outputs = [request.folder / file for file in files]
    check_separate(outputs, [*request.models, *request.choices.files])
    for path in outputs:
        check_kind(path, one_line(str(path)))
    origins = [Origin(path.name, "") for path in request.models]
    check_replaced(request.folder, name, files, origins, request.name is not None)


def _compile(request: CompileRequest) -> tuple[Artifact, dict[str, bytes]]:
    """The artifact and the dump files, in memory."""
    dumps = PassDumps()
    observers = [dumps] if request.dump_folder else []
    with working("compiling"):
        artifact = compile_chosen(request.models, request.choices, request.name, observers, request.texts)
    return artifact, dumps.files


def _write(
    request: CompileRequest, files: Mapping[str, bytes], dumps: Mapping[str, bytes], inputs: Sequence[Path]
) -> list[Path]:
    dumped: list[Path] = []
    if request.dump_folder is not None:
        try:
            dumped = write_files(request.dump_folder, dumps, inputs)
        except UserError as error:
            raise UserError(error.where, error.what, "choose another --dump-passes") from error
    try:
        return write_files(request.folder, files, inputs)
    except UserError:
        for path in dumped:
            path.unlink(missing_ok=True)
        raise


def check_folder(folder: Path, option: str) -> None:
    """Raise UserError early if ``folder`` can neither be written nor made."""
    remedy = f"choose another {option}"
    existing = folder.absolute()
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
    except (OSError, ValueError) as error:
        raise UserError(str(folder), f"cannot be a folder ({error})", remedy) from error
    if not existing.is_dir():
        raise UserError(str(folder), f"cannot be written: {existing} is not a folder", remedy)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(str(folder), f"cannot be written: no permission for {existing}", remedy)


def summarise(artifact: Artifact, written: list[Path], dump_folder: Path | None, dumps: int) -> None:
    """The files, the sizes, the contract, and the predicted load, which is labelled so."""
    report: Any = artifact.report
    tell(heading(report))
    say()
    print_table(["<file", ">bytes"], [[str(path), f"{path.stat().st_size:,}"] for path in written])
    if dump_folder is not None:
        say(f"{shown_name(dump_folder, 50)}{os.sep}  {count(dumps, 'dump')} of the passes")
    say()
    sizes = report["bytes"]
    tell(bytes_text(sizes["code"]), "code")
    tell(bytes_text(sizes["weights"]), "weights")
    tell(f"{bytes_text(sizes['state'])}{_stages(sizes)}", "state")
    tell(latency_text(report), "latency")
    tell(contract_text(report), "contract")
    tell(load_text(report), "predicted")


def heading(report: Any) -> str:
    """Name, target, cores and block in a line."""
    block = count(report["max_block_frames"], "sample")
    where = f"{report['target']}, {count(report['cores'], 'core')}, blocks of up to {block}"
    return f"{report['name']}: {report['architecture']} for {where}"


def contract_text(report: Any) -> str:
    """The numeric contract in words, as ``Contract.__str__`` writes it."""
    return " ".join(f"{key}={value}" for key, value in report["contract"].items())


def _stages(sizes: Any) -> str:
    if len(sizes["stage_states"]) == 1:
        return ""
    states = " + ".join(f"{size:,}" for size in sizes["stage_states"])
    handoffs = " + ".join(f"{size:,}" for size in sizes["handoffs"])
    return f" (stages {states}, handoffs {handoffs})"


def latency_text(report: Any) -> str:
    """Of ``NAME_process``, and of the stages when they run at the same time."""
    pipeline = report["pipeline_latency_samples"]
    single = count(report["latency_samples"], "sample")
    return f"{single}; {pipeline} with the stages running at the same time" if pipeline else single


def load_text(report: Any) -> str:
    """The predicted cycles and load, with what they refer to."""
    estimate = report["estimate"]
    stages, clock = estimate["cycles_per_sample_of_stages"], estimate["clock_hz"]
    worst, load = max(stages), estimate["load_of_slowest_core"]
    which = "" if len(stages) == 1 else " on the busiest core"
    verdict = "" if load < 1 else ": too slow"
    speed = f"{clock_text(clock)} and {report['sample_rate_hz'] / 1000:g} kHz"
    return f"{worst:,.0f} cycles/sample{which}, load {percent(load)} at {speed}{verdict} (not measured)"
