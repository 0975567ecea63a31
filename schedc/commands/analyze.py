"""``schedc analyze``: cycles of machine code that schedc or somebody else made.

The blocks a call runs come from one of three places: the emulator (``arguments`` says what to call it
with), a file with the addresses of executed instructions, or counts for every loop.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from schedc.analysis.disassembly import MachineCode
from schedc.analysis.machine_code import call_costs, static_stack_bytes
from schedc.analysis.models import pipeline_for
from schedc.analysis.out_of_order import OutOfOrder
from schedc.analysis.report import CodeReport, report_data
from schedc.analysis.timing import TraceTimer, visits
from schedc.analysis.walk import read_trace, walk_loops
from schedc.backends.emulator.trace import TracingEmulator
from schedc.commands.analyze_report import print_report
from schedc.commands.console import say
from schedc.errors import InternalError, UserError
from schedc.files.inputs import read_input
from schedc.options import find_target
from schedc.targets.base import Target
from schedc.targets.instruction_sets import Machine

_MOST_SAMPLES, _MOST_CALLS = 100_000, 1000
_MOST_BUFFER_BYTES = 2**26
_MOST_BYTES = 2**28
_MOST_DIGITS = 9
# Basic blocks after which a call is taken for an endless loop; a WaveNet of 64 channels runs 19,000 for a sample.
_BLOCKS, _BLOCKS_A_SAMPLE = 100_000, 10_000


@dataclass(frozen=True)
class AnalyzeRequest:
    """What the command line says.

    ``arguments``: per argument ``buffer:BYTES``, ``file:PATH`` or a number.  ``init``: a function called
    first, with as many of them as it wants: ``SYMBOL/COUNT``.  ``trips``: ``ADDRESS=COUNT``.
    """

    object: Path
    target: str
    entry: str
    samples: int = 1
    calls: int = 1
    arguments: tuple[str, ...] = ()
    init: str = ""
    trace: Path | None = None
    trips: tuple[str, ...] = ()
    bus_blocked: bool | None = None
    as_json: bool = False


def analyze(request: AnalyzeRequest) -> int:
    """Print the report of ``request``; UserError for what the caller can mend."""
    report = analyze_object(request)
    if request.as_json:
        say(json.dumps(report_data(report), indent=2))
    else:
        print_report(report)
    return 0


def analyze_object(request: AnalyzeRequest) -> CodeReport:
    """Time ``entry`` of an ELF object or executable."""
    if not 1 <= request.samples <= _MOST_SAMPLES or not 1 <= request.calls <= _MOST_CALLS:
        raise UserError("--samples, --calls", f"give 1 to {_MOST_SAMPLES} and 1 to {_MOST_CALLS}")
    target = find_target(request.target)
    pipeline = pipeline_for(target, request.bus_blocked)
    elf = _read(request.object)
    code = MachineCode(elf, str(request.object))
    wanted = target.instruction_set.objects.title
    if code.machine != wanted:
        raise UserError(code.where, f"is code for {code.machine}, {target.name} runs {wanted}", "give another --target")
    code.function(request.entry)
    traces, method, stack = _traces(request, target, elf, code)
    timer = TraceTimer(pipeline, code)
    bounds = pipeline.bounds if isinstance(pipeline, OutOfOrder) else None
    calls = []
    for blocks in traces:
        trace = visits(blocks)
        calls.append(call_costs(code, trace, timer.run(trace), request.samples, (), bounds))
    return CodeReport(
        target=target.name,
        frames=request.samples,
        calls=tuple(calls),
        method=method,
        stack_bytes=stack,
        static_stack_bytes=static_stack_bytes(code, request.entry),
        code_bytes=code.code_bytes,
    )


def _traces(
    request: AnalyzeRequest, target: Target, elf: bytes, code: MachineCode
) -> tuple[list[list[tuple[int, int]]], str, int]:
    """Blocks per call, how they were got, and the stack the emulator saw (0 without it)."""
    if request.trace is not None:
        text = _read(request.trace).decode("utf-8", errors="replace")
        return [read_trace(code, text.splitlines())], f"one call, trace {request.trace.name}", 0
    if request.trips or not request.arguments:
        counts = dict(_trip(text) for text in request.trips)
        return [walk_loops(code, request.entry, counts)], "one call, walked by loop counts", 0
    try:
        return _emulated(request, target, elf)
    except InternalError as error:  # of code that anybody may have made
        remedy = "buffers must be as long as what is read and written" if "allocation" in error.what else ""
        raise UserError(code.where, error.what, remedy) from error


def _emulated(request: AnalyzeRequest, target: Target, elf: bytes) -> tuple[list[list[tuple[int, int]]], str, int]:
    emulator = TracingEmulator(elf, Machine(target.emulator), _BLOCKS + _BLOCKS_A_SAMPLE * request.samples)
    arguments = [_argument(emulator, text) for text in request.arguments]
    if request.init:
        symbol, count = _init(request.init, len(arguments))
        emulator.call(symbol, *arguments[:count])
    traces = [emulator.traced(request.entry, *arguments) for _ in range(request.calls)]
    return traces, f"{request.calls} emulated calls", emulator.stack_used_bytes


def _init(text: str, most: int) -> tuple[str, int]:
    symbol, _, count = text.partition("/")
    number = int(count) if count.isdecimal() and len(count) < _MOST_DIGITS else most if not count else -1
    if not symbol or not 0 <= number <= most:
        raise UserError("--init", f"{text!r} is not SYMBOL/COUNT", f"a function, and how many of {most} --arg it takes")
    return symbol, number


def _trip(text: str) -> tuple[int, int]:
    address, _, count = text.partition("=")
    try:
        return int(address, 16), int(count)
    except ValueError:
        raise UserError("--trips", f"{text!r} is not ADDRESS=COUNT", "for example 0x1f40=12") from None


def _argument(emulator: TracingEmulator, text: str) -> int:
    """A number, or the address of a buffer in the emulator's memory."""
    kind, _, value = text.partition(":")
    if kind == "file":
        data = _read(Path(value))
        return _buffer(emulator, text, len(data), data)
    try:
        number = int(value if kind == "buffer" else text, 0)
    except ValueError:
        raise UserError("--arg", f"{text!r} is no argument", "use buffer:BYTES, file:PATH or a number") from None
    if kind == "buffer":
        return _buffer(emulator, text, number)
    bits = emulator.word_bits
    if not -(1 << (bits - 1)) <= number < 1 << bits:
        raise UserError("--arg", f"{text!r} is no number of {bits} bits", "give one that fits a register")
    return number


def _buffer(emulator: TracingEmulator, text: str, size: int, data: bytes = b"") -> int:
    if not 1 <= size <= _MOST_BUFFER_BYTES:
        raise UserError("--arg", f"{text!r} has {size} bytes", f"give 1 to {_MOST_BUFFER_BYTES}")
    address = emulator.alloc(size, min(64, size & -size))  # it ends where memory does: no access beyond it is missed
    emulator.write(address, data)
    return address


def _read(path: Path) -> bytes:
    return read_input(path, _MOST_BYTES, "something to analyze")
