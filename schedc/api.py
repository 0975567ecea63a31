"""``schedc.compile``: a capture to files that link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from schedc.artifact import Artifact
from schedc.backends.c.header import HeaderFacts, c_header
from schedc.backends.c.pipeline_header import RUNTIME_NAME, pipeline_header, runtime_header
from schedc.backends.float_mode import promise
from schedc.backends.llvm.module import state_layout
from schedc.cache.compile_cache import compile_cached
from schedc.cache.tuned import with_tuned
from schedc.compiler import Compilation, compile_graph
from schedc.errors import tell
from schedc.files.identifiers import c_identifier, checked_name
from schedc.frontend.capture import Capture
from schedc.frontend.chains import ModelPaths, chain_name, model_files, read_source
from schedc.host.start_state import pack_from_silence
from schedc.options import AnyTarget, Choices, CodeOptions, choose, taking
from schedc.passes.run import Observer
from schedc.remarks import core_remarks
from schedc.reports.report import make_report
from schedc.version import VERSION


@taking(CodeOptions)
def compile_capture(
    path: ModelPaths,
    target: AnyTarget = "host",
    *,
    name: str | None = None,
    observers: Sequence[Observer] = (),
    with_texts: bool = False,
    **given: Unpack[CodeOptions],
) -> Artifact:
    """Compile a capture, or a list of captures in a row, for ``target``: object, weight blob, header, report.

    ``target``: one of ``schedc targets``, "host", or the path of a description of one's own (docs/targets.md).
    ``name``: what symbols and files are called (default: from the file's name).  ``with_texts`` adds LLVM IR and
    assembly; ``observers`` see the program after each pass.  The other options: :class:`schedc.options.CodeOptions`
    and the classes it extends.
    Raises UserError for anything the caller can mend.
    """
    choices = choose(target, given)
    artifact = compile_chosen(path, choices, name, observers, with_texts)
    tell([*artifact.report["warnings"], *core_remarks(choices.options)])
    return artifact


def compile_chosen(
    path: ModelPaths,
    choices: Choices,
    name: str | None = None,
    observers: Sequence[Observer] = (),
    with_texts: bool = False,
) -> Artifact:
    """As :func:`compile_capture`, with what was chosen."""
    chosen = chosen_name(path, name)
    options, capture = choices.options, read_source(path, choices.reading)
    if observers or with_texts:
        compilation = compile_graph(capture.graph, with_tuned(capture.graph, options), chosen, observers, with_texts)
    else:
        compilation = compile_cached(capture.graph, options, chosen)
    made = make_artifact(compilation, capture, with_texts)
    sources = tuple(file.absolute() for file in (*model_files(path), *choices.files))
    return replace(made, sources=sources, named=name is not None)


def chosen_name(path: ModelPaths, name: str | None) -> str:
    """What files and symbols are called; OptionError for a name that cannot be."""
    return c_identifier(chain_name(path)) if name is None else checked_name(name)


def make_artifact(
    compilation: Compilation, capture: Capture, with_texts: bool = False, shared: bool = False
) -> Artifact:
    """The files of a finished compilation for one capture.

    ``shared``: other captures will be packed for the code, so header and report state nothing that only one has.
    """
    options = compilation.options
    facts = HeaderFacts(
        name=compilation.name,
        target=options.target.name,
        contract=options.contract,
        layout=state_layout(compilation.program),
        weights_bytes=compilation.layout.total_bytes,
        layout_digest=compilation.layout.digest,
        sample_rate=None if shared else capture.rate,
        version=VERSION,
        float_mode=promise(options.target, options.contract, options.fp_mode),
    )
    extras = {".ll": compilation.code.llvm_ir, ".s": compilation.code.assembly} if with_texts else {}
    common: dict[str, str] = {}
    if (stages := len(compilation.program.stages)) > 1:
        extras["_pipeline.h"] = pipeline_header(compilation.name, stages)
        common[RUNTIME_NAME] = runtime_header()
    return Artifact(
        compilation.name,
        compilation.object_file,
        pack_from_silence(compilation.packing, compilation.program.graph, capture),
        c_header(compilation.program, facts),
        make_report(compilation, capture, shared),
        extras,
        common,
        options.object_format,
        options.visibility,
    )
