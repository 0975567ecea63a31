"""``schedc.compile``: a capture to files that link."""

from __future__ import annotations

from collections.abc import Sequence

from schedc.artifact import Artifact
from schedc.backends.c_header import HeaderFacts, c_header
from schedc.backends.c_pipeline_header import RUNTIME_NAME, pipeline_header, runtime_header
from schedc.backends.llvm.module import state_layout
from schedc.cache.compile_cache import compile_cached
from schedc.cache.tuned import with_tuned
from schedc.chains import ModelPaths, chain_name, read_source
from schedc.compiler import (
    Capture,
    Compilation,
    ModelPath,
    c_identifier,
    compile_graph,
    make_options,
)
from schedc.errors import UserError
from schedc.frontend.build_graph import BuildOptions
from schedc.host.start_state import pack_from_silence
from schedc.pipeline import Observer
from schedc.reports.report import make_report
from schedc.version import VERSION


def compile_capture(
    path: ModelPaths,
    target: str = "host",
    cores: int = 1,
    block: int | None = None,
    slim: float | None = None,
    *,
    mac: str | None = None,
    split: Sequence[int] = (),
    core_speeds: Sequence[float] = (),
    schedule: ModelPath | None = None,
    math: str = "exact",
    object_format: str = "elf",
    name: str | None = None,
    prewarm: bool = True,
    core_0_5_5_layer1x1_post_film: bool = False,
    observers: Sequence[Observer] = (),
    with_texts: bool = False,
) -> Artifact:
    """Compile a capture, or a list of captures in a row, for ``target``: object, weight blob, header, report.

    ``block``: largest number of frames per call (default: the target's).  ``cores``: stages to cut the
    model into, balanced over cores of ``core_speeds`` (relative; default: equal), or cut by ``split``:
    the kernels that begin stages 1, 2, ....  ``mac``: ``"fused"`` or ``"unfused"``.  ``math``:
    ``"exact"`` or ``"fast"`` (tanh and sigmoid within 6e-7).  ``name``: what symbols and files are called
    (default: from the file's name).  ``schedule``: a schedule file.
    ``object_format``: ``"elf"``, ``"coff"`` (Windows) or ``"macho"`` (macOS).
    ``prewarm``: the blob's start state is silence, else zero.  ``with_texts`` adds LLVM IR and assembly.
    Raises UserError for anything the caller can mend.
    """
    chosen = name or c_identifier(chain_name(path))
    if name is not None and c_identifier(name) != name.lower():
        raise UserError("--name", f"{name!r} is not a C identifier")
    options = make_options(target, cores, block, mac, split, core_speeds, schedule, math, object_format)
    capture = read_source(path, slim, BuildOptions(core_0_5_5_layer1x1_post_film))
    if observers or with_texts:
        compilation = compile_graph(capture.graph, with_tuned(capture.graph, options), chosen, observers, with_texts)
    else:
        compilation = compile_cached(capture.graph, options, chosen)
    return make_artifact(compilation, capture, prewarm, with_texts)


def make_artifact(
    compilation: Compilation, capture: Capture, prewarm: bool = True, with_texts: bool = False
) -> Artifact:
    """The files of a finished compilation for one capture."""
    options = compilation.options
    facts = HeaderFacts(
        name=compilation.name,
        target=options.target.name,
        contract=options.contract,
        layout=state_layout(compilation.program),
        weights_bytes=compilation.layout.total_bytes,
        layout_digest=compilation.layout.digest,
        sample_rate=capture.rate,
        version=VERSION,
    )
    extras = {".ll": compilation.code.llvm_ir, ".s": compilation.code.assembly} if with_texts else {}
    shared: dict[str, str] = {}
    if (stages := len(compilation.program.stages)) > 1:
        extras["_pipeline.h"] = pipeline_header(compilation.name, stages)
        shared[RUNTIME_NAME] = runtime_header()
    return Artifact(
        compilation.name,
        compilation.object_file,
        pack_from_silence(compilation.packing, compilation.program.graph, capture, prewarm),
        c_header(compilation.program, facts),
        make_report(compilation, capture),
        extras,
        shared,
        options.object_format,
    )
