"""A library of captures: one compilation per architecture, the rest is packing; resumable.

OUT/batch.jsonl                 a line per finished capture (with its rate) or architecture: what a later run can skip
OUT/ARCHITECTURE/ARCHITECTURE.o .h .json
OUT/ARCHITECTURE/PATH/OF/CAPTURE.bin  and .wav, if a signal is rendered
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from schedc.artifact import write_files
from schedc.errors import InternalError, UserError
from schedc.files.identifiers import c_identifier
from schedc.files.outputs import check_separate
from schedc.fleet.captures import Library
from schedc.fleet.ledger import Ledger, Line
from schedc.fleet.treatment import Built, FleetOptions, Scan, Source, Treated, build, scan, treat
from schedc.fleet.workers import Failure, Workers
from schedc.frontend.capture import DEFAULT_RATE
from schedc.frontend.json_document import read_bytes
from schedc.frontend.nam_file import has_capture_suffix
from schedc.sound.files import SoundInfo, SoundWriter, read_chunks

LEDGER = "batch.jsonl"
Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]  # phase, done, of how many
FloatArray = npt.NDArray[np.float32]


@dataclass
class ArchitectureRow:
    """What became of the captures of one architecture.  ``compiled`` False: its code was there.

    ``rates``: Hz, of all its captures, those of earlier runs included; None for those that do not say.
    """

    name: str
    architecture: str
    compiled: bool
    rates: set[float | None] = field(default_factory=set)
    captures: int = 0
    blob_bytes: int = 0


@dataclass
class FleetSummary:
    """``failures``: file and reason; ``remarks``: what the user should know; ``replaced``: captures that took the
    place of another content of their name.  ``pack_seconds``: of all packs, wherever they ran; ``treat_seconds``: of
    the phase that packs, verifies and renders, as the user waited for it."""

    rows: dict[str, ArchitectureRow] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    skipped: int = 0
    replaced: int = 0
    packed: int = 0
    capture_bytes: int = 0
    pack_seconds: float = 0.0
    treat_seconds: float = 0.0

    @property
    def compilations(self) -> int:
        return sum(row.compiled for row in self.rows.values())


def rate_warnings(row: ArchitectureRow) -> list[str]:
    """What is to be said where captures that share code do not share their rate."""
    if len({rate or DEFAULT_RATE for rate in row.rates}) < 2:
        return []
    return [f"{row.name}: its captures are at {rates_text(row.rates)}; play each at its own (rate_hz in batch.jsonl)"]


def rates_text(rates: Collection[float | None]) -> str:
    """``48 kHz``, ``44.1, 48 and 96 kHz``, ``48 kHz (some not stated)``."""
    numbers = [f"{rate / 1000:.10g}" for rate in sorted({rate or DEFAULT_RATE for rate in rates})]
    if not numbers:
        return ""
    text = " and ".join([", ".join(numbers[:-1]), numbers[-1]] if numbers[1:] else numbers) + " kHz"
    return text if None not in rates else f"{text} ({'some ' if len(rates) > 1 else ''}not stated)"


def run_fleet(
    library: Library, folder: Path, options: FleetOptions, wav: SoundInfo | None, workers: Workers, progress: Progress
) -> FleetSummary:
    """Treat every capture that an earlier run has not; a broken one is noted and the rest goes on."""
    signal = None
    if wav is not None:
        signal = np.concatenate(list(read_chunks(wav)), axis=1)
        wav = wav.cut_to(signal.shape[1])
    key = options.key(b"" if signal is None or wav is None else signal.tobytes() + str(wav.rate).encode())
    return _Fleet(library, folder, options, wav, signal, workers, progress, key).run()


@dataclass
class _Task:
    """A capture that is to be treated."""

    source: Source
    name: PurePosixPath
    content_hash: str
    size: int
    scan: Scan | None = None


@dataclass
class _Fleet:
    library: Library
    folder: Path
    options: FleetOptions
    wav: SoundInfo | None
    signal: FloatArray | None
    workers: Workers
    progress: Progress
    key: str
    summary: FleetSummary = field(default_factory=FleetSummary)
    rates: dict[str, set[float | None]] = field(default_factory=dict)  # by an architecture's name, as in its row
    swept: set[Path] = field(default_factory=set)  # folders where no killed run's files are left

    def run(self) -> FleetSummary:
        check_separate([self.folder / LEDGER], self.inputs)
        self.ledger = Ledger(self.folder / LEDGER, self.key)
        self.summary.remarks += [*(self.wav.warnings if self.wav else ()), *self.library.remarks]
        for file, reason in self.library.faults:
            self._fail(file, reason)
        self.workers.share(self.wav.rate if self.wav else 0, self.signal)
        tasks = self._scanned(self._pending())
        builts = self._built(tasks)
        begin = time.perf_counter()
        self._treat([task for task in tasks if task.scan and task.scan.digest in builts], builts)
        self.summary.treat_seconds = time.perf_counter() - begin
        self.summary.remarks += [words for row in self.summary.rows.values() for words in rate_warnings(row)]
        return self.summary

    @cached_property
    def inputs(self) -> list[Path]:
        """What is read and might be written over: no file with a capture's ending is."""
        odd = [path for path, _ in self.library.files if not has_capture_suffix(path.name)]
        inside = [path for path in odd if path.resolve().is_relative_to(self.folder.resolve())]
        return [*inside, *self.options.choices.files, *([self.wav.path] if self.wav else [])]

    # -- what is to be done ----------------------------------------------------------------

    def _pending(self) -> list[_Task]:
        tasks = []
        for path, name in self.library.files:
            try:
                content = read_bytes(path)
            except UserError as error:
                self._fail(str(path), str(error))
                continue
            digest = hashlib.sha256(content).hexdigest()
            line = self.ledger.line(str(name))
            if line and self.ledger.has(str(name), digest, self.folder):
                self.summary.skipped += 1
                self.rates.setdefault(PurePosixPath(line.files[0]).parts[0], set()).add(line.rate_hz)
            else:
                self.summary.replaced += line is not None and line.hash != digest
                source = Source(str(path), content if self.workers.remote else None)
                tasks.append(_Task(source, name, digest, len(content)))
        return tasks

    def _scanned(self, tasks: list[_Task]) -> list[_Task]:
        arguments = [(task.source, self.options) for task in tasks]
        for index, result in self._phase("reading", scan, arguments):
            if isinstance(result, Failure):
                self._fail(tasks[index].source.name, result.reason)
            else:
                tasks[index].scan = result
        return [task for task in tasks if task.scan]

    # -- architectures ---------------------------------------------------------------------

    def _built(self, tasks: Iterable[_Task]) -> dict[str, Built]:
        """Digest -> code of every architecture that is needed, from an earlier run or compiled now."""
        first: dict[str, _Task] = {}
        for task in tasks:
            assert task.scan is not None
            first.setdefault(task.scan.digest, task)
        builts: dict[str, Built] = {}
        wanted: list[tuple[_Task, str]] = []
        for digest, task in first.items():
            assert task.scan is not None
            name = self._name_of(task.scan)
            rates = self.rates.setdefault(name, set())
            self.summary.rows[digest] = ArchitectureRow(name, task.scan.architecture, compiled=False, rates=rates)
            files = self.ledger.files(f"{name}/", digest, self.folder)
            if files is None:
                wanted.append((task, name))
            else:
                builts[digest] = Built(name, digest, files, found=True)
        arguments = [(task.source, self.options, name) for task, name in wanted]
        for index, result in self._phase("compiling", build, arguments):
            task, name = wanted[index]
            if isinstance(result, Failure):
                self._fail(task.source.name, f"its architecture cannot be compiled: {result.reason}")
                continue
            write_files(self.folder / name, result.files, self.inputs)
            self.ledger.add(Line(f"{name}/", result.digest, tuple(f"{name}/{file}" for file in sorted(result.files))))
            self.summary.rows[result.digest].compiled = True
            builts[result.digest] = result
        return builts

    def _name_of(self, scan: Scan) -> str:
        """Of an architecture and its folder: with as many digits of its digest as no other one here has."""
        names = {row.name for row in self.summary.rows.values()}
        for digits in range(8, len(scan.digest) + 1, 8):
            name = f"{c_identifier(scan.architecture)}_{scan.digest[:digits]}"
            known = self.ledger.line(f"{name}/")
            if name not in names and (known is None or known.hash == scan.digest):
                return name
        raise InternalError(f"two architectures with the digest {scan.digest}")

    # -- captures --------------------------------------------------------------------------

    def _treat(self, tasks: Sequence[_Task], builts: dict[str, Built]) -> None:
        arguments = [(task.source, builts[task.scan.digest], self.options) for task in tasks if task.scan]
        for index, result in self._phase("packing", treat, arguments, shared=True):
            task = tasks[index]
            assert task.scan is not None
            if isinstance(result, Failure):
                self._fail(task.source.name, result.reason)
            elif result.verified is False:
                self._fail(task.source.name, "verify: the code's bits differ from the interpreter's")
            else:
                self._keep(task, builts[task.scan.digest], result)

    def _keep(self, task: _Task, built: Built, result: Treated) -> None:
        assert task.scan is not None
        architecture = built.name
        place = self.folder / architecture / task.name
        try:
            outputs = {f"{place.name}.bin": result.blob}
            write_files(place.parent, outputs, self.inputs, swept=place.parent in self.swept)
            self.swept.add(place.parent)
            names = [f"{architecture}/{task.name}.bin"]
            if result.audio is not None and self.wav is not None:
                sound = place.with_name(f"{place.name}.wav")
                with SoundWriter(sound, self.wav, len(result.audio), "FLOAT", self.inputs) as writer:
                    writer.write(result.audio)
                names.append(f"{architecture}/{task.name}.wav")
        except UserError as error:
            self._fail(task.source.name, str(error))
            return
        # A blob is worth as much as the code beside it: who writes that anew takes this line with it.
        names += [f"{architecture}/{file}" for file in sorted(built.files)]
        self.ledger.add(Line(str(task.name), task.content_hash, tuple(names), task.scan.rate_hz))
        self.rates.setdefault(architecture, set()).add(task.scan.rate_hz)
        row = self.summary.rows[task.scan.digest]
        row.captures += 1
        row.blob_bytes = len(result.blob)
        self.summary.packed += 1
        self.summary.capture_bytes += task.size
        self.summary.pack_seconds += result.pack_seconds

    # -- both ------------------------------------------------------------------------------

    def _phase(
        self,
        phase: str,
        work: Callable[..., Result],
        arguments: Sequence[tuple[object, ...]],
        shared: bool = False,
    ) -> Iterable[tuple[int, Result | Failure]]:
        if not arguments:
            return
        self.progress(phase, 0, len(arguments))
        for done, finished in enumerate(self.workers.run(work, arguments, shared), start=1):
            yield finished
            self.progress(phase, done, len(arguments))

    def _fail(self, file: str, reason: str) -> None:
        start = f"{file}:"  # most errors name the file themselves, some with the place in it
        self.summary.failures.append((file, reason.removeprefix(start).strip()))
