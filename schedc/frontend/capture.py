"""A capture, read: from a file's bytes to the graph as built, its weights, and how it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from schedc.errors import InternalError, one_line
from schedc.frontend.build_graph import BuildOptions, build_graph
from schedc.frontend.history import prewarm_samples
from schedc.frontend.model import ContainerModel, NamFile
from schedc.frontend.nam_file import read_nam_file
from schedc.frontend.slimming import select_model
from schedc.ir.graph import Graph
from schedc.ir.weights import WeightTable, check_weights

ModelPath = str | os.PathLike[str]
DEFAULT_RATE = 48000.0  # Hz, of a capture that does not say


@dataclass(frozen=True)
class Reading:
    """How a capture is read and where it starts; ``slim`` as asked for."""

    slim: float | None = None
    build: BuildOptions = field(default_factory=BuildOptions)
    prewarm: bool = True


@dataclass(frozen=True)
class CaptureFile:
    """A file that was read, and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Capture:
    """A capture, read: its graph as built, its weights, and how silence is reached."""

    path: Path
    graph: Graph
    weights: WeightTable
    prewarm_samples: int  # of silence before the first sample; 0: it starts from zero
    sample_rate: float | None  # Hz, None if the file does not say
    architecture: str
    file_warnings: tuple[str, ...]
    reading: Reading = field(default_factory=Reading)
    files: tuple[CaptureFile, ...] = ()  # of a chain several

    @property
    def rate(self) -> float:
        """Hz; a file that does not say means 48 kHz."""
        return self.sample_rate or DEFAULT_RATE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know, a line each."""
        if self.sample_rate is not None:
            return self.file_warnings
        unstated = f"{one_line(str(self.path))}: does not state its sample rate; {DEFAULT_RATE:.0f} Hz is taken"
        return (*self.file_warnings, unstated)


def read_capture(path: ModelPath, reading: Reading | None = None) -> Capture:
    """Read and check a capture's file; ``reading`` chooses a size (docs/nam_format.md#sizes)."""
    return capture_of(read_nam_file(path), reading)


def capture_of(file: NamFile, reading: Reading | None = None) -> Capture:
    """The capture in a file that was read."""
    reading = reading or Reading()
    document = select_model(file, reading.slim)
    if isinstance(document.model, ContainerModel):
        raise InternalError("choosing a size left a container")
    graph, weights = build_graph(document.model, reading.build)
    check_weights(graph, weights)
    return Capture(
        path=file.path,
        graph=graph,
        weights=weights,
        prewarm_samples=prewarm_samples(document) if reading.prewarm else 0,
        sample_rate=document.sample_rate or file.document.sample_rate,
        architecture=document.architecture,
        file_warnings=file.warnings,
        reading=reading,
        files=(CaptureFile(file.path, file.sha256),),
    )
