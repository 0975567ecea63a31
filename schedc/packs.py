"""Packing captures for code that was compiled before: it is not compiled again.

LLVM is loaded for one thing only: the loop that runs silence through LSTM cells, if the cache does not hold it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from schedc.artifact import Artifact
from schedc.backends.packing import PackingList, starts
from schedc.backends.packing_json import packing_from_json
from schedc.chains import ModelPaths, read_source
from schedc.errors import ArchitectureMismatch, UserError
from schedc.frontend.build_graph import BuildOptions
from schedc.frontend.wording import one_line
from schedc.host.start_state import pack_from_silence
from schedc.ir.architecture import describe_architecture, first_difference
from schedc.ir.graph import Graph
from schedc.options import Reading
from schedc.planning import Capture, core_graph

Compiled = str | os.PathLike[str] | Mapping[str, object] | Artifact


@dataclass(frozen=True)
class CompiledCode:
    """What a report says about the code it stands beside, as far as packing cares."""

    where: str  # the report's file, or words for it
    packing: PackingList
    slim: float | None
    build: BuildOptions
    sample_rate: float | None  # Hz, of the capture it was compiled with


def pack(path: ModelPaths, compiled: Compiled, *, slim: float | None = None, prewarm: bool = True) -> bytes:
    """The weight blob of a capture (a list of them for a chain) for code that was compiled before, perhaps elsewhere.

    ``compiled``: the report (``NAME.json``) beside the code, its content, or an :class:`Artifact`.
    ``slim``: size of a container or slimmable capture (default: the one that was compiled).
    ``prewarm``: the start state is silence, else zero.  The same bytes as a fresh compilation's.
    Raises ArchitectureMismatch, naming the first difference, for another architecture; UserError for
    a file or report that cannot be used.
    """
    code = read_compiled(compiled)
    return pack_capture(read_for(path, code, slim, prewarm), code)


def read_for(path: ModelPaths, code: CompiledCode, slim: float | None = None, prewarm: bool = True) -> Capture:
    """A capture, read in the size and the way the code was compiled for."""
    return read_source(path, Reading(code.slim if slim is None else slim, code.build, prewarm))


def pack_capture(capture: Capture, code: CompiledCode) -> bytes:
    """As :func:`pack`, for a capture that was read."""
    graph = core_graph(capture.graph)
    check_architecture(graph, code, one_line(str(capture.path)))
    return pack_from_silence(code.packing, graph, capture)


def check_architecture(graph: Graph, code: CompiledCode, name: str) -> None:
    """Raise ArchitectureMismatch unless the code was made for the core graph ``graph`` of the capture ``name``."""
    difference = first_difference(code.packing.architecture, describe_architecture(graph))
    if difference:
        raise ArchitectureMismatch(name, f"another architecture: {difference}", "compile it instead")
    known = 1 + sum(prod(shape) for node in graph for shape in node.op.parameters().values())
    if int(code.packing.sources.max(initial=0)) >= known:
        raise UserError(code.where, "has a damaged packing list (a weight that does not exist)", "compile again")
    for field in code.packing.start:
        if not starts(field, graph):
            what = f"has a damaged packing list (no start state like that of {one_line(field.node)})"
            raise UserError(code.where, what, "compile again")


def read_compiled(compiled: Compiled) -> CompiledCode:
    """The report's packing side.  Raises UserError if it cannot be read."""
    if isinstance(compiled, Artifact):
        return _compiled(compiled.report, compiled.name)
    if isinstance(compiled, Mapping):
        return _compiled(compiled, "the report")
    path = Path(compiled)
    where = one_line(str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            where, f"cannot be read: {error.strerror or error}", "give the .json of a compilation"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(where, "is not a report (not JSON)", "give the .json of a compilation") from error
    if not isinstance(content, dict):
        raise UserError(where, "is not a report", "give the .json of a compilation")
    return _compiled(content, where)


def _compiled(report: Mapping[str, Any], where: str) -> CompiledCode:
    packing = packing_from_json(report.get("packing"), where)
    slim, rate = report.get("slim"), report.get("sample_rate_hz")
    old_film = report.get("core_0_5_5_layer1x1_post_film") is True
    return CompiledCode(where, packing, _number(slim), BuildOptions(old_film), _number(rate))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
