"""Code for this machine by architecture: from memory, from the cache on disk, or compiled now.

One :class:`HostProgram` per architecture and options lives in a process, however many captures and
processors use it.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from schedc.backends.objects.object_format import ObjectFormat
from schedc.backends.this_machine import processor_kind
from schedc.backends.weights.blob_reader import check_blob
from schedc.backends.weights.packing import PackingList
from schedc.backends.weights.packing_json import packing_from_json, packing_to_json
from schedc.cache.code_cache import default_cache
from schedc.cache.keys import cache_key
from schedc.cache.tuned import with_tuned
from schedc.errors import ArchitectureMismatch, InternalError, one_line
from schedc.frontend.capture import Capture
from schedc.frontend.fields import FileReading, Value
from schedc.host.loaded_code import CodeShape, LoadedCode, once_per_target
from schedc.host.start_state import pack_from_silence
from schedc.host.weights import Weights
from schedc.ir.architecture import describe_architecture, first_difference
from schedc.ir.graph import Graph
from schedc.ir.graph_json import graph_from_json, graph_to_json
from schedc.ir.receptive_field import receptive_field
from schedc.options import Options, check_options
from schedc.passes.core import core_graph
from schedc.targets.base import Target

if TYPE_CHECKING:
    from schedc.compiler import Compilation

_NAME = "capture"
_LENGTH = struct.Struct("<Q")
_programs: weakref.WeakValueDictionary[str, HostProgram] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _after_fork() -> None:
    """Another thread may have held the lock; this process does not have it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class HostProgram:
    """An architecture's code, loaded, with what packing captures for it takes."""

    def __init__(self, built: Graph, entry: _Entry, options: Options) -> None:
        self.built = built
        self.code = LoadedCode(entry.objects, entry.shape, options.target)
        self.code_bytes = sum(len(elf) for elf in entry.objects)
        self.core, self.packing = entry.core, entry.packing

    def pack(self, capture: Capture) -> Weights:
        """A capture's weights.  Raises ArchitectureMismatch, naming the first difference."""
        if capture.graph != self.built:
            theirs = describe_architecture(core_graph(capture.graph))
            difference = first_difference(describe_architecture(self.core), theirs)
            if difference:
                where = one_line(str(capture.path))
                raise ArchitectureMismatch(where, f"another architecture: {difference}", "load it instead")
        return Weights(pack_from_silence(self.packing, self.core, capture), capture.rate)

    @property
    def nonfinite_remark(self) -> str:
        """What becomes of NaN and infinity in the input."""
        if self.packing.contract.nonfinite == "zero":
            return "process: NaN or infinity in the input is taken as 0"
        reach = receptive_field(self.core)
        heard = f"the output of {reach} samples" if reach else "all output until reset()"
        return f"process: NaN or infinity in the input: {heard} may be NaN; nonfinite=zero takes it as 0"

    def accepts(self, weights: Weights) -> bool:
        """Whether weights were packed for this code."""
        return weights.digest == self.packing.digest and len(weights) == self.packing.total_bytes

    def check(self, blob: bytes, where: str) -> Weights:
        """A blob from elsewhere.  Raises UserError if it is damaged, ArchitectureMismatch if for other code."""
        check_blob(blob, self.packing.digest, self.packing.total_bytes, where)
        return Weights(blob[: self.packing.total_bytes], None)


def host_program(graph: Graph, options: Options) -> HostProgram:
    """The program for a graph as built; compiled only if neither this process nor the cache knows it."""
    check_options(options)
    options = with_tuned(graph, options)
    with _lock:
        program = _known(graph, options)
        if program is None:
            stored = _compile(graph, options)
            default_cache().put(_key(graph, options), stored)
            program = _keep(graph, stored, options)
        return program


def _known(graph: Graph, options: Options) -> HostProgram | None:
    key = _key(graph, options)
    program = _programs.get(key)
    stored = None if program else default_cache().get(key)
    return program if stored is None else _keep(graph, stored, options)


def _keep(graph: Graph, stored: bytes, options: Options) -> HostProgram:
    program = _programs[_key(graph, options)] = HostProgram(graph, _decode(stored), options)
    return program


def _key(graph: Graph, options: Options) -> str:
    return cache_key("host", processor_kind(), repr(options), graph.digest())


@dataclass(frozen=True)
class _Entry:
    shape: CodeShape
    core: Graph
    packing: PackingList
    objects: Sequence[bytes]


def load_compilation(compilation: Compilation) -> LoadedCode:
    """The code of a compilation for this machine, ready to be called; its object format must be this system's."""
    if compilation.options.object_format is not ObjectFormat.ELF:
        raise InternalError(f"{compilation.options.object_format} code follows another system's conventions")
    entry = _entry(compilation)
    return LoadedCode(entry.objects, entry.shape, compilation.options.target)


def _compile(graph: Graph, options: Options) -> bytes:
    """Through LLVM, to an entry of the cache."""
    from schedc.compiler import compile_graph

    return _encode(_entry(compile_graph(graph, options, _NAME)))


def _entry(compilation: Compilation) -> _Entry:
    from schedc.backends.llvm.module import state_layout

    program = compilation.program
    layout = state_layout(program)
    shape = CodeShape(
        name=compilation.name,
        block=compilation.options.frames,
        in_channels=program.graph.in_channels,
        out_channels=program.graph.out_channels,
        state_bytes=layout.total_bytes,
        stage_states=layout.stages,
        handoffs=tuple(stage.arena.handoff_bytes for stage in program.stages if stage.arena),
    )
    objects = (compilation.code.elf, _stage_runner(compilation.options.target))
    return _Entry(shape, program.graph, compilation.packing, objects)


@once_per_target
def _stage_runner(target: Target) -> bytes:
    from schedc.backends.llvm.stage_runner import runner_object

    return runner_object(target)


def _encode(entry: _Entry) -> bytes:
    """Length-prefixed parts: the facts as JSON, then the objects."""
    facts = {
        "shape": asdict(entry.shape),
        "core": graph_to_json(entry.core),
        "packing": packing_to_json(entry.packing),
    }
    parts = [json.dumps(facts).encode(), *entry.objects]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _decode(stored: bytes) -> _Entry:
    """The reverse.  The cache's hash has said that these are the bytes that were written."""
    parts, at = [], 0
    while at < len(stored):
        (length,) = _LENGTH.unpack_from(stored, at)
        parts.append(stored[at + _LENGTH.size : at + _LENGTH.size + length])
        at += _LENGTH.size + length
    facts: dict[str, Any] = json.loads(parts[0])
    shape: dict[str, Any] = facts["shape"]
    lists = {key: tuple(value) for key, value in shape.items() if isinstance(value, list)}
    core = graph_from_json(facts["core"])
    packing = packing_from_json(Value(FileReading("the cache"), "packing", facts["packing"]), core)
    return _Entry(CodeShape(**{**shape, **lists}), core, packing, parts[1:])
