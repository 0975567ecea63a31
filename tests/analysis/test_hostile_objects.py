"""``analyze`` on objects, traces and arguments that anybody may have made or damaged: a report, or one line of words.

``SCHEDC_LONG=1`` tries 2,000 damaged objects a machine, in each of three ways.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import capstone
import pytest
from helpers.captures import compile_for, graph_of
from helpers.effort import LONG
from helpers.mutations import damaged

from schedc.analysis.disassembly import MachineCode
from schedc.analysis.disassembly_aarch64 import AARCH64, decode_aarch64
from schedc.analysis.disassembly_arm import ARM_A, THUMB_A, THUMB_M, decode_arm
from schedc.analysis.elf_file import SHT_SYMTAB, ElfFile
from schedc.analysis.report import report_data
from schedc.analyze import zero_blob
from schedc.commands.analyze import AnalyzeRequest, analyze_object
from schedc.commands.analyze_report import print_report
from schedc.compiler import Compilation
from schedc.errors import UserError
from schedc.ir.ops import Activation, ActivationKind, Conv

FRAMES = 8
COUNT = 2000 if LONG else 25
WAYS = ("emulated", "with init", "walked")
GRAPH = graph_of(
    ("c", Conv(1, 3, 3, 2), "x"), ("a", Activation(ActivationKind.TANH, 3), "c"), ("d", Conv(3, 1, 2, 5), "a")
)


@cache
def compiled(target: str) -> Compilation:
    return compile_for(GRAPH, target, block=FRAMES)


def request(folder: Path, target: str, elf: bytes | None = None, way: str = "emulated") -> AnalyzeRequest:
    """To time the process function of an object, which is written to ``folder``."""
    compilation, path, blob = compiled(target), folder / "it.o", folder / "weights.bin"
    path.write_bytes(compilation.code.elf if elf is None else elf)
    blob.write_bytes(zero_blob(compilation))
    if way == "walked":
        return AnalyzeRequest(path, target, "kernel0", FRAMES, trips=trips(target))
    rows = f"buffer:{4 * FRAMES}"
    arguments = (f"buffer:{compilation.state_bytes}", f"file:{blob}", rows, rows, str(FRAMES))
    return AnalyzeRequest(
        path, target, "capture_process", FRAMES, 1, arguments, "capture_init/2" if "init" in way else ""
    )


@cache
def trips(target: str) -> tuple[str, ...]:
    """Two rounds for every loop."""
    code = MachineCode(compiled(target).code.elf)
    body = [found for function in code.functions for found in code.body(function.name)]
    return tuple(f"{i.address:x}=2" for i in body if i.conditional and i.target is not None and i.target <= i.address)


def refusal(asked: AnalyzeRequest) -> str:
    with pytest.raises(UserError) as error:
        analyze_object(asked)
    line = str(error.value)
    assert len(line) < 1000 and line.isprintable()
    return line.replace(str(asked.object), "it.o")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["m33", "a8", "aarch64"])
def test_a_damaged_object_is_analysed_or_refused(tmp_path: Path, target: str, way: str) -> None:
    """Code that never ends, too, so that this test ends at all."""
    refused = 0
    for seed in range(COUNT):
        elf = damaged(compiled(target).code.elf, random.Random(f"{target} {way} {seed}"))
        asked = request(tmp_path, target, elf, way)
        try:
            report = analyze_object(asked)
            print_report(report)
            assert report_data(report)
        except UserError as error:
            refused += 1
            assert len(str(error)) < 1000 and str(error).isprintable()
    assert refused > 0.3 * COUNT


# -- each refusal's words -----------------------------------------------------------------------------------------


def header_field(offset: int, value: int) -> Callable[[bytes], bytes]:
    """A 16-bit number in the header of a 32-bit file."""
    return lambda elf: elf[:offset] + struct.pack("<H", value) + elf[offset + 2 :]


def section_field(number: int, field: int, value: int) -> Callable[[bytes], bytes]:
    """One of the ten 32-bit numbers in a section's header."""

    def change(elf: bytes) -> bytes:
        at = struct.unpack_from("<I", elf, 32)[0] + 40 * number + 4 * field
        return elf[:at] + struct.pack("<I", value) + elf[at + 4 :]

    return change


def entry_field(layout: str, offset: int, value: int) -> Callable[[bytes], bytes]:
    """A number in the symbol of the process function, whose entry has 16 bytes."""

    def change(elf: bytes) -> bytes:
        file = ElfFile(elf)
        (table,) = (number for number, section in enumerate(file.sections) if section.kind == SHT_SYMTAB)
        at = struct.unpack_from("<I", elf, struct.unpack_from("<I", elf, 32)[0] + 40 * table + 16)[0] + offset
        at += 16 * [symbol.name for symbol in file.symbols].index("capture_process")
        return elf[:at] + struct.pack(layout, value) + elf[at + struct.calcsize(layout) :]

    return change


def without_end(elf: bytes) -> bytes:
    """The process function's first instruction jumps to itself."""
    file = ElfFile(elf)
    (code,) = (section for section in file.sections if section.is_code)
    process = next(symbol for symbol in file.symbols if symbol.name == "capture_process")
    at = elf.index(code.data) + (process.value & ~1)
    return elf[:at] + b"\xfe\xe7" + elf[at + 2 :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda elf: b"#!/bin/sh", "it.o: is not an ELF file; give an object or executable for Arm or AArch64"),
        (lambda elf: elf[:10], "it.o: is a damaged ELF file: it is neither of 32 nor of 64 bits, or big-endian"),
        (lambda elf: elf[:5] + b"\2" + elf[6:], "it.o: is a damaged ELF file: it is neither of 32 nor of 64 bits, or"),
        (lambda elf: elf[:40], "it.o: is a damaged ELF file: it ends at byte 40, before a header at 0"),
        (lambda elf: elf[:400], "it.o: is a damaged ELF file: it ends at byte 400, before a header at "),
        (header_field(18, 62), "it.o: code for x86-64 has no pipeline model; give Arm or AArch64 code"),
        (header_field(18, 999), "it.o: code for machine 999 has no pipeline model; give Arm or AArch64 code"),
        (header_field(18, 183), "it.o: is code for AArch64, m33 runs Arm; give another --target"),
        (header_field(16, 2), "it.o: only an object that was not linked yet can be placed in the emulator's memory"),
        (header_field(48, 0), "it.o: has no sections; do not strip them"),
        (header_field(46, 0), "it.o: is a damaged ELF file: "),
        (header_field(48, 65535), "it.o: is a damaged ELF file: 65535 sections with headers of 40 bytes"),
        (header_field(50, 77), "it.o: is a damaged ELF file: no section holds the sections' names"),
        (section_field(1, 0, 10**9), "it.o: is a damaged ELF file: a name at byte 1000000000 of "),
        (section_field(1, 2, 0x802), "it.o: is a damaged ELF file: section 1 is compressed"),
        (section_field(1, 2, 0), "it.o: has no code"),
        (section_field(1, 4, 2**31), "it.o: is a damaged ELF file: section 1 ends at byte 2147"),
        (section_field(1, 1, 9), "it.o: the object has unresolved relocations: section .text"),
        (entry_field("<H", 14, 99), "it.o: is a damaged ELF file: a symbol in section 99 of "),
        (entry_field("<H", 14, 0), "--entry: the object has no function 'capture_process'; it has kernel0, "),
        (entry_field("<I", 0, 10**6), "it.o: is a damaged ELF file: a name at byte 1000000 of "),
        (entry_field("<I", 4, 0x7FFFFF01), "it.o: capture_process on m33: access of 2 bytes at 0x8"),
        (
            entry_field("<B", 12, 0x10),
            "--entry: the object has no function 'capture_process'; it has kernel0, ",
        ),
        (without_end, "it.o: capture_process on m33 did not return; it is at 0x"),
    ],
)
def test_what_is_wrong_with_an_object_is_said(tmp_path: Path, change: Callable[[bytes], bytes], words: str) -> None:
    assert refusal(request(tmp_path, "m33", change(compiled("m33").code.elf))).startswith(words)


@pytest.mark.parametrize(
    ("place", "argument", "words"),
    [
        (2, "buffer:4", r"it\.o: capture_process on m33: access of 4 bytes at 0x\w+ \(beyond an allocation\), pc .*; "
         r"buffers must be as long as what is read and written$"),
        (3, "buffer:4", r"it\.o: capture_process on m33: access of 4 bytes at 0x\w+ \(beyond an allocation\), pc .*; "
         r"buffers must be as long as what is read and written$"),
        (0, "buffer:64", r"it\.o: capture_process on m33: access of \d+ bytes at 0x\w+ \(.*; buffers must be as long"),
        (0, "0", r"it\.o: capture_process on m33: access of \d+ bytes at 0x\w+ \(nowhere near stack or allocations\)"),
        (0, "buffer:0", r"--arg: 'buffer:0' has 0 bytes; give 1 to 67108864$"),
        (0, "buffer:-1", r"--arg: 'buffer:-1' has -1 bytes; give 1 to 67108864$"),
        (0, "buffer:1000000000000", r"--arg: 'buffer:1000000000000' has 1000000000000 bytes; give 1 to 67108864$"),
        (0, "buffer:", r"--arg: 'buffer:' is no argument; use buffer:BYTES, file:PATH or a number$"),
        (0, "bufer:12", r"--arg: 'bufer:12' is no argument; use buffer:BYTES, file:PATH or a number$"),
        (0, "4294967296", r"--arg: '4294967296' is no number of 32 bits; give one that fits a register$"),
        (0, "-2147483649", r"--arg: '-2147483649' is no number of 32 bits; give one that fits a register$"),
        (0, "9" * 10_000, r"--arg: '9+ \.\.\. 9+' is no argument; use buffer:BYTES, file:PATH or a number$"),
        (1, "file:no such", r"no such: no such file$"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_argument_is_said(tmp_path: Path, place: int, argument: str, words: str) -> None:
    asked = request(tmp_path, "m33")
    arguments = (*asked.arguments[:place], argument, *asked.arguments[place + 1 :])
    assert re.match(words, refusal(replace(asked, arguments=arguments)))


def test_an_empty_file_is_no_buffer(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    asked = replace(request(tmp_path, "m33"), arguments=(f"file:{tmp_path / 'empty'}",))
    assert refusal(asked).endswith("empty' has 0 bytes; give 1 to 67108864")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"init": "capture_init/x"}, "--init: 'capture_init/x' is not SYMBOL/COUNT; a function, and how many of 5 "),
        ({"init": "capture_init/-1"}, "--init: 'capture_init/-1' is not SYMBOL/COUNT; a function, and how many of 5 "),
        ({"init": "capture_init/6"}, "--init: 'capture_init/6' is not SYMBOL/COUNT; a function, and how many of 5 "),
        ({"init": "/2"}, "--init: '/2' is not SYMBOL/COUNT; a function, and how many of 5 "),
        ({"init": "nothing/2"}, "it.o: the object has no symbol 'nothing'; it has capture_init, capture_process, "),
        ({"calls": 0}, "--samples, --calls: give 1 to 100000 and 1 to 1000"),
        ({"calls": 10**9}, "--samples, --calls: give 1 to 100000 and 1 to 1000"),
        ({"samples": 10**9}, "--samples, --calls: give 1 to 100000 and 1 to 1000"),
        ({"entry": "x" * 10_000}, "--entry: the object has no function 'xxx"),
        ({"arguments": (), "trips": ("12",)}, "--trips: '12' is not ADDRESS=COUNT; for example 0x1f40=12"),
        ({"arguments": (), "trips": ("0x12=",)}, "--trips: '0x12=' is not ADDRESS=COUNT; for example 0x1f40=12"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_option_is_said(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert refusal(replace(request(tmp_path, "m33"), **changes)).startswith(words)


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        (b"", "--trace: has no addresses; one a line, in hexadecimal"),
        (b"# nothing\n\n", "--trace: has no addresses; one a line, in hexadecimal"),
        (b"0x1\nnot\n", "--trace: line 2 does not begin with a hexadecimal address"),
        (b"\xff\xfe\x00", "--trace: line 1 does not begin with a hexadecimal address"),
        (b"f" * 100_000, "--trace: line 1: no instruction of the object at 0xfff"),
        (b"0xfff00000", "--trace: line 1: no instruction of the object at 0xfff00000"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said(tmp_path: Path, trace: bytes, words: str) -> None:
    path = tmp_path / "trace.txt"
    path.write_bytes(trace)
    assert refusal(replace(request(tmp_path, "m33"), arguments=(), trace=path)).startswith(words)


def test_damaged_traces_are_read_or_refused(tmp_path: Path) -> None:
    code = MachineCode(compiled("m33").code.elf)
    text = "".join(f"{found.address:#x} {found.text}\n" for found in code.body("kernel1")).encode()
    path, read = tmp_path / "trace.txt", 0
    for seed in range(COUNT):
        path.write_bytes(damaged(text, random.Random(seed)))
        try:
            read += analyze_object(replace(request(tmp_path, "m33"), arguments=(), trace=path)).best > 0
        except UserError as error:
            assert str(error).startswith("--trace: ")
    assert 0 < read < COUNT


def test_a_walk_that_does_not_end_is_noticed(tmp_path: Path) -> None:
    """By the state it comes back to; however large the counts are, it ends after so many blocks."""
    compilation = compiled("m33")
    walked = request(tmp_path, "m33", way="walked")
    words = r"--trips: the walk goes round for ever at 0x\w+; give the forward branch that leaves the loop a count of 1"
    asked = replace(walked, entry="capture_process")
    path = tmp_path / "it.o"
    path.write_bytes(without_end(compilation.code.elf))
    assert re.fullmatch(words, refusal(asked))
    many = tuple(f"{trip.partition('=')[0]}=1000000000000" for trip in walked.trips)
    path.write_bytes(compilation.code.elf)
    words = "--trips: the walk did not end after 200000 basic blocks; give smaller counts"
    assert refusal(replace(walked, trips=many)) == words


@pytest.mark.parametrize("machine", ["m33", "a8", "aarch64"])
def test_every_instruction_that_capstone_knows_can_be_read(machine: str) -> None:
    """Random bytes, in the modes of the machine's code: loads of literals and of vectors of addresses among them."""
    modes = {"m33": [THUMB_M], "a8": [THUMB_A, ARM_A], "aarch64": [AARCH64]}[machine]
    rng = random.Random(machine)
    known = 0
    for mode in modes:
        engine = capstone.Cs(*mode)
        engine.detail = True
        for _ in range(200 * COUNT):
            for found in engine.disasm(rng.randbytes(4), 0x1000, 1):
                known += 1
                decoded = decode_aarch64(found) if mode == AARCH64 else decode_arm(found, rng.random() < 0.1)
                assert decoded.size == found.size
    assert known > 20 * COUNT
