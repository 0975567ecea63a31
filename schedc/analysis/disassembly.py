"""An ELF object or executable to instructions, by capstone.

Only code is decoded: mapping symbols (``$a``, ``$t``, ``$x``, ``$d``) say where constants lie, when the
toolchain wrote them.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import capstone
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from schedc.analysis import instructions as k
from schedc.analysis.disassembly_aarch64 import AARCH64, decode_aarch64
from schedc.analysis.disassembly_arm import ARM_A, THUMB_A, THUMB_M, decode_arm
from schedc.analysis.instructions import Instruction
from schedc.errors import UserError

_SHF_ALLOC, _SHF_EXEC = 0x2, 0x4


@dataclass(frozen=True)
class Function:
    """A symbol of the code: ``address`` without the Thumb bit."""

    name: str
    address: int
    size: int
    thumb: bool


class MachineCode:
    """The executable sections of an ELF file and their functions.

    In a relocatable object addresses are offsets into its only code section; ``sections`` may hold
    several in an executable.
    """

    def __init__(self, elf: bytes) -> None:
        try:
            file = ELFFile(io.BytesIO(elf))
            self.machine = str(file["e_machine"])
        except ELFError as error:
            raise UserError("object", f"not an ELF file: {error}") from error
        if self.machine not in ("EM_ARM", "EM_AARCH64"):
            raise UserError("object", f"code for {self.machine} has no pipeline model", "give Arm or AArch64 code")
        self.sections = _code_sections(file)
        self.functions = _functions(file)
        self.thumb_ranges, self.data_ranges = _mapping(file, self.sections)
        self._micro = _is_m_profile(file)
        self._starts = [f.address for f in self.functions]
        self._engines: dict[tuple[int, int], Any] = {}
        self._blocks: dict[tuple[int, int], tuple[Instruction, ...]] = {}

    @property
    def code_bytes(self) -> int:
        return sum(len(data) for data in self.sections.values())

    def function_at(self, address: int) -> str:
        """The name of the function that holds ``address``."""
        index = bisect_right(self._starts, address) - 1
        return self.functions[index].name if index >= 0 else "?"

    def function(self, name: str) -> Function:
        for function in self.functions:
            if function.name == name:
                return function
        names = ", ".join(f.name for f in self.functions)
        raise UserError("--entry", f"the object has no function {name!r}", f"it has {names}")

    def read(self, address: int, size: int) -> bytes:
        for start, data in self.sections.items():
            if start <= address < start + len(data):
                return data[address - start : address - start + size]
        raise UserError("object", f"no code at {address:#x}")

    def block(self, address: int, size: int) -> tuple[Instruction, ...]:
        """The instructions of ``size`` bytes from ``address``."""
        key = address, size
        if key not in self._blocks:
            self._blocks[key] = tuple(self._decode(address, size))
        return self._blocks[key]

    def decode(self, data: bytes, address: int) -> Instruction:
        """One instruction outside IT, as if ``data`` stood at ``address``."""
        found = next(self._engine(address).disasm(data, address, 1))
        return decode_aarch64(found) if self.machine == "EM_AARCH64" else decode_arm(found, False)

    def body(self, name: str) -> tuple[Instruction, ...]:
        """All instructions of a function."""
        function = self.function(name)
        return self.block(function.address, function.size)

    def _mode(self, address: int) -> tuple[int, int]:
        if self.machine == "EM_AARCH64":
            return AARCH64
        if any(start <= address < end for start, end in self.thumb_ranges):
            return THUMB_M if self._micro else THUMB_A
        return ARM_A

    def _engine(self, address: int) -> Any:
        mode = self._mode(address)
        if mode not in self._engines:
            self._engines[mode] = capstone.Cs(*mode)
            self._engines[mode].detail = True
        return self._engines[mode]

    def _decode(self, address: int, size: int) -> Iterator[Instruction]:
        engine = self._engine(address)
        covered = 0
        at = address
        while at < address + size:
            skip = next((end for start, end in self.data_ranges if start <= at < end), None)
            if skip is not None:
                at = skip
                continue
            found = next(engine.disasm(self.read(at, 4), at, 1), None)
            if found is None:
                raise UserError("object", f"the bytes at {at:#x} are not an instruction capstone knows")
            if self.machine == "EM_AARCH64":
                instruction = decode_aarch64(found)
            else:
                instruction = decode_arm(found, covered > 0)
                covered = max(0, covered - 1)
                if instruction.kind == k.IT:
                    covered = len(found.mnemonic) - 1
            yield instruction
            at += found.size


def _code_sections(file: Any) -> dict[int, bytes]:
    sections = {}
    for section in file.iter_sections():
        if section["sh_flags"] & _SHF_EXEC and section["sh_flags"] & _SHF_ALLOC and section["sh_size"]:
            start = int(section["sh_addr"])
            if start in sections:
                raise UserError("object", "several code sections at one address", "link it, or merge its sections")
            sections[start] = bytes(section.data())
    if not sections:
        raise UserError("object", "has no code")
    return sections


def _symbols(file: Any) -> Iterator[Any]:
    table = file.get_section_by_name(".symtab")
    if table is not None:
        yield from table.iter_symbols()


def _functions(file: Any) -> list[Function]:
    found: dict[int, Function] = {}
    for symbol in _symbols(file):
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            value = int(symbol["st_value"])
            address = value & ~1 if file["e_machine"] == "EM_ARM" else value
            found.setdefault(address, Function(symbol.name, address, int(symbol["st_size"]), bool(value & 1)))
    return [found[address] for address in sorted(found)]


Ranges = list[tuple[int, int]]


def _mapping(file: Any, sections: Mapping[int, bytes]) -> tuple[Ranges, Ranges]:
    """Where Thumb code and where constants lie, by the mapping symbols."""
    marks = sorted((int(s["st_value"]), s.name[:2]) for s in _symbols(file) if s.name[:2] in ("$a", "$t", "$x", "$d"))
    thumb: Ranges = []
    data: Ranges = []
    for number, (start, mark) in enumerate(marks):
        inside = next((a + len(d) for a, d in sections.items() if a <= start < a + len(d)), start)
        end = min(marks[number + 1][0], inside) if number + 1 < len(marks) else inside
        if end > start and mark in ("$t", "$d"):
            (thumb if mark == "$t" else data).append((start, end))
    return thumb, data


def _is_m_profile(file: Any) -> bool:
    attributes = file.get_section_by_name(".ARM.attributes")
    return attributes is not None and any(
        attribute.tag == "TAG_CPU_ARCH_PROFILE" and attribute.value == ord("M")
        for subsection in attributes.iter_subsections()
        for block in subsection.iter_subsubsections()
        for attribute in block.iter_attributes()
    )
