"""Packing captures for code that was compiled before: it is not compiled again.

LLVM is loaded for one thing only: the loop that runs silence through LSTM cells, if the cache does not hold it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Unpack

from schedc.artifact import Artifact
from schedc.backends.weights.packing import PackingList
from schedc.backends.weights.packing_json import REMEDY, architecture_from_json, packing_from_json
from schedc.errors import ArchitectureMismatch, ModelFileError, OptionError, UserError, one_line, tell
from schedc.files.inputs import read_input
from schedc.files.paths import AnyPath, path_text
from schedc.frontend.build_graph import BuildOptions
from schedc.frontend.capture import Capture, Reading
from schedc.frontend.chains import ModelPaths, read_source
from schedc.frontend.fields import FileReading, Value
from schedc.frontend.json_document import parse_json
from schedc.host.start_state import pack_from_silence
from schedc.ir.architecture import Architecture, describe_architecture, first_difference
from schedc.ir.graph import Graph
from schedc.options import PackOptions, choose_reading, taking
from schedc.passes.core import core_graph
from schedc.remarks import rate_remarks
from schedc.wording import shown

_MOST_REPORT_BYTES = 2**26
_GIVE = "give the .json of a compilation"
Compiled = AnyPath | Mapping[str, object] | Artifact


@dataclass(frozen=True)
class CompiledCode:
    """What a report says about the code it stands beside, as far as packing cares.

    ``section``: its packing list, unread until a graph of that architecture is at hand.
    """

    architecture: Architecture
    section: Value
    slim: float | None
    build: BuildOptions
    sample_rate: float | None  # Hz, of the capture it was compiled with


@taking(PackOptions)
def pack(path: ModelPaths, compiled: Compiled, **given: Unpack[PackOptions]) -> bytes:
    """The weight blob of a capture (a list of them for a chain) for code that was compiled before, perhaps elsewhere.

    ``compiled``: the report (``NAME.json``) beside the code, its content, or an :class:`Artifact`.
    ``slim``: size of a container or slimmable capture (default: the one that was compiled).
    ``prewarm``: the start state is silence, else zero.  The same bytes as a fresh compilation's.
    Raises ArchitectureMismatch, naming the first difference, for another architecture; UserError for
    a file or report that cannot be used.
    """
    code = read_compiled(compiled)
    capture = read_for(path, code, choose_reading(given))
    tell([*capture.warnings, *remarks_on(capture, code)])
    return pack_capture(capture, code)


def remarks_on(capture: Capture, code: CompiledCode) -> list[str]:
    """What does not hinder packing."""
    return rate_remarks(one_line(str(capture.path)), capture.rate, "the code was compiled for one", code.sample_rate)


def read_for(path: ModelPaths, code: CompiledCode, wanted: Reading) -> Capture:
    """A capture, read the way the code was compiled for, and in its size unless another is ``wanted``."""
    return read_source(path, replace(wanted, slim=code.slim if wanted.slim is None else wanted.slim, build=code.build))


def pack_capture(capture: Capture, code: CompiledCode) -> bytes:
    """As :func:`pack`, for a capture that was read."""
    graph = core_graph(capture.graph)
    return pack_from_silence(packing_for(graph, code, one_line(str(capture.path))), graph, capture)


def packing_for(graph: Graph, code: CompiledCode, name: str) -> PackingList:
    """How the capture ``name`` of the core graph ``graph`` is packed for the code.

    Raises ArchitectureMismatch if the code was made for another one, UserError for a report that is damaged.
    """
    difference = first_difference(code.architecture, describe_architecture(graph))
    if difference:
        raise ArchitectureMismatch(name, f"another architecture: {difference}", "compile it instead")
    return packing_from_json(code.section, graph)


def read_compiled(compiled: Compiled) -> CompiledCode:
    """The report's packing side.  Raises UserError if it cannot be read."""
    if isinstance(compiled, Artifact):
        return _compiled(compiled.report, compiled.name)
    if isinstance(compiled, Mapping):
        return _compiled(compiled, "the report")
    if not isinstance(compiled, str | bytes | os.PathLike):
        raise OptionError("compiled", f"{shown(compiled)} is neither a report, nor its path, nor an Artifact")
    path = path_text("compiled", compiled)
    where = one_line(path)
    return _compiled(_members(read_input(path, _MOST_REPORT_BYTES, "a report", _GIVE), where), where)


def _members(data: bytes, where: str) -> dict[str, object]:
    """A report's text, as an object."""
    try:
        document = parse_json(data, where)
    except ModelFileError as error:
        raise UserError(where, f"is not a report ({error.what})", _GIVE) from error
    if not isinstance(document.root, dict) or document.trailing_characters:
        raise UserError(where, "is not a report", _GIVE)
    return document.root


def _compiled(report: Mapping[str, Any], where: str) -> CompiledCode:
    reading = FileReading(where, error=UserError, remedy=REMEDY)
    fields = Value(reading, "", dict(report)).fields()
    section = fields.get("packing") or Value(reading, "packing", None)
    architecture = architecture_from_json(section)
    slim, rate = fields.get_unless_null("slim"), fields.get_unless_null("sample_rate_hz")
    if slim and not 0 <= slim.number() <= 1:
        slim.expected("a number from 0 to 1")
    if rate and rate.number() <= 0:
        rate.expected("a number above 0")
    build = BuildOptions(fields.boolean("core_0_5_5_layer1x1_post_film", default=False))
    return CompiledCode(architecture, section, slim.number() if slim else None, build, rate.number() if rate else None)
