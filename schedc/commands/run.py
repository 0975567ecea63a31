"""``schedc run``: a sound file through captures on this machine, piece by piece."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from schedc.commands.console import count, percent, say, warn
from schedc.errors import UserError, one_line
from schedc.files.outputs import check_output, check_separate
from schedc.files.partial import sweep
from schedc.frontend.chains import read_source
from schedc.host.code import host_program
from schedc.host.processor import Processor
from schedc.options import Choices
from schedc.sound.files import FloatArray, SoundInfo, SoundWriter, read_chunks, read_info
from schedc.sound.formats import HOLDS, PCM_BITS, format_of, keeps, samples_for
from schedc.sound.resampling import Resampler, check_ratio, load_soxr


@dataclass(frozen=True)
class RunRequest:
    """What ``schedc run`` was asked for.  ``as_float``: write float32 whatever the input holds; ``force``: also over
    the input.
    """

    models: tuple[Path, ...]
    source: Path
    output: Path
    choices: Choices
    resample: bool
    as_float: bool
    force: bool = False

    @property
    def kept(self) -> tuple[Path, ...]:
        """What the output must not be."""
        return self.models if self.force else (*self.models, self.source)


def run(request: RunRequest) -> None:
    """Render the file and say how it went; UserError for anything the user can mend, and then no file."""
    form = _checked_form(request)
    info = read_info(request.source)
    subtype = "FLOAT" if request.as_float else samples_for(form, info.subtype)
    read = Door(request.choices.options.contract.nonfinite == "zero")
    sweep(check_output(request.output).parent)
    with ExitStack() as stack:
        voices = [stack.enter_context(voice) for voice in load_voices(request, info)]
        writer = SoundWriter(request.output, info, len(voices) * voices[0].out_channels, subtype, request.kept)
        stack.push(writer)  # before there is a file, so that Ctrl-C at any moment leaves none
        writer.open()
        begin = time.perf_counter()
        for rows in rendered(info, voices, read):
            writer.write(rows)
        seconds = time.perf_counter() - begin
    info = info.cut_to(read.frames)
    if read.zeroed:
        what = f"{'are' if read.zeroed > 1 else 'is'} {info.not_finite}"
        warn([f"{one_line(str(request.source))}: {count(read.zeroed, 'sample')} {what}, taken as 0"])
    warn(info.warnings)
    _report(request, info, voices, writer, seconds)
    if not request.as_float and not keeps(subtype, info.subtype):
        say(f"written as {PCM_BITS[subtype]} bit PCM, the most that {form} files hold")
    _report_levels(request.output, writer)


def _checked_form(request: RunRequest) -> str:
    """How the output is written; UserError if it cannot be, or is an input."""
    form = format_of(request.output)
    if request.as_float and "FLOAT" not in HOLDS[form]:
        raise UserError("--float", f"{form} files hold no float samples", "leave it out, or write .wav")
    check_separate([request.output], request.models)
    try:
        check_separate([request.output], request.kept)
    except UserError as error:
        raise UserError(error.where, error.what, f"{error.remedy}, or add --force") from None
    check_output(request.output)
    return form


@dataclass
class Door:
    """Where a file's samples come in, before any conversion of their rate.

    ``frames``: how many were read; ``zeroed``: how many samples were not finite.
    """

    to_zero: bool  # what is not finite; else a file that holds such is refused
    frames: int = 0
    zeroed: int = 0

    def chunks(self, info: SoundInfo) -> Iterator[FloatArray]:
        for chunk in read_chunks(info, finite_only=not self.to_zero):
            finite = np.isfinite(chunk)
            self.zeroed += finite.size - int(np.count_nonzero(finite))
            self.frames += chunk.shape[1]
            yield np.where(finite, chunk, np.float32(0))


def load_voices(request: RunRequest, info: SoundInfo) -> list[Processor]:
    """Processors for the file's channels: one that takes all, or for a mono capture one per channel."""
    choices = request.choices
    capture = read_source(request.models, choices.reading)
    takes, gives = capture.graph.in_channels, capture.graph.out_channels
    name = one_line(str(request.source))
    if info.channels != takes and (takes, gives) != (1, 1):
        raise UserError(
            name, f"has {count(info.channels, 'channel')}, the model takes {takes}", "give a file with as many channels"
        )
    if info.rate != capture.rate and not request.resample:
        remedy = "convert the file, or add --resample"
        raise UserError(name, f"is at {info.rate} Hz, the model runs at {capture.rate:.10g} Hz", remedy)
    if info.rate != capture.rate:
        check_ratio(name, info.rate, capture.rate)
        load_soxr()
    program = host_program(capture.graph, choices.options)
    warn(capture.warnings)
    first = Processor(program, program.pack(capture))
    return [first, *(first.clone() for _ in range(info.channels // takes - 1))]


def rendered(info: SoundInfo, voices: list[Processor], read: Door) -> Iterator[FloatArray]:
    """The output [channels, n] in pieces, exactly as many frames as the file has."""
    voice = voices[0]
    chunks: Iterable[FloatArray] = _with_progress(read.chunks(info), info)
    if info.rate != voice.sample_rate:
        chunks = resampled(chunks, Resampler(info.rate, voice.sample_rate, info.channels))
    played = played_through(chunks, voices, info.channels)
    if info.rate != voice.sample_rate:
        played = resampled(played, Resampler(voice.sample_rate, info.rate, len(voices) * voice.out_channels))
    return exactly(played, info.frames, len(voices) * voice.out_channels, read)


def played_through(chunks: Iterable[FloatArray], voices: list[Processor], channels: int) -> Iterator[FloatArray]:
    """Chunks through the processors, their latency taken off the front and made up for at the end."""
    latency = late = voices[0].latency_samples
    for chunk in _and_then(chunks, np.zeros((channels, latency), np.float32)):
        played = np.concatenate([v.process(x) for v, x in zip(voices, np.split(chunk, len(voices)), strict=True)])
        yield played[:, late:]
        late = max(0, late - played.shape[1])


def _and_then(chunks: Iterable[FloatArray], last: FloatArray) -> Iterator[FloatArray]:
    yield from chunks
    if last.shape[1]:
        yield last


def resampled(chunks: Iterable[FloatArray], resampler: Resampler) -> Iterator[FloatArray]:
    """Chunks at another rate; the last one brings what was held back."""
    held: FloatArray | None = None
    for chunk in chunks:
        if held is not None:
            yield resampler.process(held)
        held = chunk
    if held is not None:
        yield resampler.process(held, last=True)


def exactly(chunks: Iterable[FloatArray], frames: int, channels: int, read: Door | None = None) -> Iterator[FloatArray]:
    """Cut or fill up with zeros to ``frames``, or as many as were ``read``: two conversions of the rate may round the
    length.
    """
    left = frames
    for chunk in chunks:
        if left:
            yield chunk[:, :left]
        left = max(0, left - chunk.shape[1])
    if read is not None:
        left -= max(0, frames - read.frames)
    if left > 0:
        yield np.zeros((channels, left), np.float32)


def _with_progress(chunks: Iterable[FloatArray], info: SoundInfo) -> Iterator[FloatArray]:
    """The same chunks, with a bar on standard error if that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    console = Console(stderr=True)
    disable = not sys.stderr.isatty()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable) as progress:
        task = progress.add_task(one_line(info.path.name), total=info.frames)
        for chunk in chunks:
            yield chunk
            progress.advance(task, chunk.shape[1])


def _report(request: RunRequest, info: SoundInfo, voices: list[Processor], writer: SoundWriter, seconds: float) -> None:
    length = info.frames / info.rate
    speed = length / seconds
    factor = f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"
    say(f"{one_line(str(request.output))}: {length:,.2f} s in {seconds:,.2f} s, {factor} times real time (measured)")
    if len(voices) > 1:
        say(f"{count(info.channels, 'channel')}, each through the capture by itself")
    if info.rate != voices[0].sample_rate:
        say(f"played at the model's {voices[0].sample_rate:.10g} Hz, written at the file's {info.rate} Hz")


def _report_levels(output: Path, writer: SoundWriter) -> None:
    """The closing line; clipping is warned of, too."""
    share = percent(writer.clipped / max(1, writer.samples))
    clipped = f"{count(writer.clipped, 'sample')} clipped ({share})" if writer.clipped else "no sample clipped"
    say(f"{writer.levels}, {clipped}")
    if writer.clipped:
        warn([f"{one_line(str(output))}: {clipped}; lower the input or use --float"])
