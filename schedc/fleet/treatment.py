"""What a worker does to one capture of a library: functions of their arguments, which travel by pickle.

A worker may be a process here or a machine elsewhere, so results leave as values: no file is written,
and none is read but the capture's own.  What belongs to an architecture is kept from one capture to the
next.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from schedc.api import make_artifact
from schedc.backends.llvm.module import ObjectCode
from schedc.backends.this_machine import can_run_here
from schedc.backends.weights.packing import PackingList
from schedc.compiler import Compilation, compile_graph, emit_plan, with_code
from schedc.errors import UserError
from schedc.frontend.capture import Capture, Reading, capture_of
from schedc.frontend.json_document import read_bytes
from schedc.frontend.nam_file import read_nam_document
from schedc.host.code import host_program, load_compilation
from schedc.host.loaded_code import LoadedCode
from schedc.host.start_state import pack_from_silence
from schedc.host.voice import Voice
from schedc.host.weights import Weights
from schedc.ir.graph import Graph
from schedc.options import Choices, Options, options_here
from schedc.packs import packing_for, read_compiled
from schedc.passes.core import core_graph
from schedc.planning import plan_graph
from schedc.verification import verify_compilation
from schedc.version import VERSION

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FleetOptions:
    """How every capture of a library is treated.  ``verify_samples`` 0: not verified."""

    choices: Choices
    verify_samples: int = 0

    @property
    def code(self) -> Options:
        return self.choices.options

    def key(self, signal: bytes) -> str:
        """Two runs with equal keys give a capture the same results; ``signal``: the samples to render."""
        parts = [VERSION, repr(self), hashlib.sha256(signal).hexdigest()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Source:
    """A capture's file, and its content where the worker may not see the file."""

    name: str
    content: bytes | None = None

    def capture(self, reading: Reading) -> Capture:
        content = read_bytes(self.name) if self.content is None else self.content
        return capture_of(read_nam_document(content, self.name), reading)


@dataclass(frozen=True)
class Scan:
    """What decides which code a capture needs.  ``rate_hz``: None if the capture does not say."""

    digest: str
    architecture: str
    rate_hz: float | None


@dataclass(frozen=True)
class Built:
    """An architecture's code: the files of its compilation, without a capture's weights.

    ``found``: they were there, from an earlier run or from whoever else can write to the folder.
    """

    name: str
    digest: str
    files: dict[str, bytes] = field(compare=False)
    found: bool = False

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.files[f"{self.name}.json"])
        return report


@dataclass(frozen=True)
class Treated:
    """A capture's results.  ``verified`` None: not asked for; ``audio``: [channels, n] or None."""

    blob: bytes
    verified: bool | None
    audio: FloatArray | None
    pack_seconds: float


def scan(source: Source, options: FleetOptions) -> Scan:
    """Read a capture and tell its architecture.  Raises UserError if it is broken."""
    capture = source.capture(options.choices.reading)
    return Scan(capture.graph.digest(), capture.architecture, capture.sample_rate)


def build(source: Source, options: FleetOptions, name: str) -> Built:
    """Compile the architecture of a capture; what the files say holds for every capture of it."""
    capture = source.capture(options.choices.reading)
    artifact = make_artifact(compile_graph(capture.graph, options.code, name), capture, shared=True)
    files = {file: content for file, content in artifact.files().items() if "_weights." not in file}
    return Built(name, capture.graph.digest(), files)


def treat(source: Source, built: Built, options: FleetOptions, rate: int, x: FloatArray | None) -> Treated:
    """Pack a capture; verify and render it, if that is asked for.

    ``x``: float32 [channels, n] at ``rate`` Hz to be played, or None.  Raises UserError.
    """
    capture = source.capture(options.choices.reading)
    tools = _tools(built, capture.graph, options)
    begin = time.perf_counter()
    blob = pack_from_silence(tools.packing, tools.core, capture)
    seconds = time.perf_counter() - begin
    verified: bool | None = None
    if options.verify_samples:
        verified = verify_compilation(tools.compilation, capture, options.verify_samples).passed
    audio = None if x is None else _render(tools, capture, blob, rate, x)
    return Treated(blob, verified, audio, seconds)


def _render(tools: _Tools, capture: Capture, blob: bytes, rate: int, x: FloatArray) -> FloatArray:
    """``x`` through the capture on this machine: by the very code if it runs here, else by code made for here."""
    if rate != capture.rate:
        raise UserError(str(capture.path), f"runs at {capture.rate:.10g} Hz, the signal is at {rate} Hz")
    if tools.loaded is not None:
        voice = Voice(tools.loaded, Weights(blob, None))
    else:
        program = host_program(capture.graph, options_here(tools.options.code, block=64))
        voice = Voice(program.code, program.pack(capture))
    shape = voice.code.shape
    if len(x) != shape.in_channels:
        raise UserError(str(capture.path), f"takes {shape.in_channels} channel(s), the signal has {len(x)}")
    y = np.empty((shape.out_channels, x.shape[1]), np.float32)
    done = 0
    while done < x.shape[1]:
        done += voice.process(x[:, done:], y[:, done:])
    return y


@dataclass(frozen=True)
class _Tools:
    """What a worker makes once per architecture."""

    built: Built
    graph: Graph
    options: FleetOptions

    @cached_property
    def core(self) -> Graph:
        return core_graph(self.graph)

    @cached_property
    def packing(self) -> PackingList:
        return packing_for(self.core, read_compiled(self.built.report), self.built.name)

    @cached_property
    def compilation(self) -> Compilation:
        """The compilation again: planned here, with the code that was made elsewhere.

        Code that would run in this process is not taken from a folder: it is made again, and has to be the same.
        """
        plan = plan_graph(self.graph, self.options.code)
        if (plan.layout.digest, plan.layout.total_bytes) != (self.packing.digest, self.packing.total_bytes):
            raise UserError(self.built.name, "the code was made by another version", "start in another folder")
        elf = self.built.files[f"{self.built.name}.o"]
        if self.built.found and can_run_here(plan.options.target) and emit_plan(plan, self.built.name).elf != elf:
            raise UserError(self.built.name, "the code is not what this version makes", "start in another folder")
        return with_code(plan, ObjectCode(elf, "", ""), self.built.name)

    @cached_property
    def loaded(self) -> LoadedCode | None:
        """The code, if it is one stage for this machine."""
        options = self.options.code
        runs = options.cores == 1 and can_run_here(options.target)
        return load_compilation(self.compilation) if runs else None


_kept: dict[tuple[str, bool, str], _Tools] = {}


def _tools(built: Built, graph: Graph, options: FleetOptions) -> _Tools:
    key = (hashlib.sha256(built.files[f"{built.name}.json"]).hexdigest(), built.found, repr(options))
    if key not in _kept:
        _kept[key] = _Tools(built, graph, options)
    return _kept[key]
