"""An ELF object or executable to instructions, by capstone.

Only code is decoded: mapping symbols (``$a``, ``$t``, ``$x``, ``$d``) say where constants lie, when the
toolchain wrote them.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import capstone

from schedc.analysis import instructions as k
from schedc.analysis.arm_attributes import is_m_profile
from schedc.analysis.decoder import Mode, decode
from schedc.analysis.disassembly_aarch64 import AARCH64
from schedc.analysis.disassembly_arm import ARM_A, THUMB_A, THUMB_M
from schedc.analysis.elf_file import SHT_ARM_ATTRIBUTES, STT_FUNC, ElfFile
from schedc.analysis.instructions import Instruction
from schedc.errors import UserError
from schedc.targets import instruction_sets as sets

DISASSEMBLED = (sets.ARM.title, sets.AARCH64.title)
_MOST_NAMES = 8  # in a message
_MOST_AROUND = 8  # symbols of functions, one inside the other
# Bytes that are decoded, over those of code: functions may have parts in common, but not without end.
_MOST_READINGS = 8


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

    def __init__(self, elf: bytes, where: str = "object") -> None:
        """UserErrors are about ``where``."""
        file = ElfFile(elf, where)
        self.where, self.machine = where, file.machine
        if self.machine not in DISASSEMBLED:
            remedy = f"give {' or '.join(DISASSEMBLED)} code"
            raise UserError(where, f"code for {self.machine} has no pipeline model", remedy)
        self.sections = _code_sections(file)
        self._section_starts = sorted(self.sections)
        self.functions = _functions(file)
        self.thumb_ranges, self.data_ranges = _mapping(file, self._end_of_section)
        self._micro = _is_for_a_microcontroller(file)
        self._starts = [f.address for f in self.functions]
        self._by_name = {f.name: f for f in reversed(self.functions)}
        self._blocks: dict[tuple[int, int], tuple[Instruction, ...]] = {}
        self._at: dict[int, Instruction] = {}
        self._decoded: set[int] = set()
        self._left = _MOST_READINGS * self.code_bytes

    @property
    def code_bytes(self) -> int:
        return sum(len(data) for data in self.sections.values())

    def function_at(self, address: int) -> str:
        """The name of the function that holds ``address``."""
        index = bisect_right(self._starts, address) - 1
        return self.functions[index].name if index >= 0 else "?"

    def function(self, name: str) -> Function:
        if name in self._by_name:
            return self._by_name[name]
        names = [f.name for f in self.functions[:_MOST_NAMES]]
        names += ["..."] if len(self.functions) > _MOST_NAMES else []
        remedy = f"it has {', '.join(names)}" if names else "it has no symbols of functions"
        raise UserError("--entry", f"the object has no function {name!r}", remedy)

    def read(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes of code: less where it ends."""
        start = self._section_at(address)
        if start is None:
            raise UserError(self.where, f"no code at {address:#x}")
        return self.sections[start][address - start : address - start + size]

    def _section_at(self, address: int) -> int | None:
        index = bisect_right(self._section_starts, address) - 1
        start = self._section_starts[index] if index >= 0 else 0
        return start if index >= 0 and address < start + len(self.sections[start]) else None

    def _end_of_section(self, address: int) -> int:
        """Where the section that holds ``address`` ends; ``address`` if none does."""
        start = self._section_at(address)
        return address if start is None else start + len(self.sections[start])

    def block(self, address: int, size: int) -> tuple[Instruction, ...]:
        """The instructions of ``size`` bytes from ``address``."""
        key = address, size
        if key not in self._blocks:
            self._blocks[key] = tuple(self._decode(address, size))
        return self._blocks[key]

    def decode(self, data: bytes, address: int) -> Instruction:
        """One instruction outside IT, as if ``data`` stood at ``address``."""
        found = decode(self._mode(address), data, address)
        if found is None:
            raise self._unknown(address)
        return found

    def body(self, name: str) -> tuple[Instruction, ...]:
        """All instructions of a function."""
        function = self.function(name)
        return self.block(function.address, function.size)

    def facts(self, function: Function) -> tuple[Mode, bytes, tuple[tuple[int, int], ...]]:
        """All that a function's instructions depend on but its place: the mode, the bytes, which are constants."""
        end = function.address + function.size
        data = [
            (max(a, function.address), min(b, end)) for a, b in self.data_ranges if a < end and function.address < b
        ]
        relative = tuple((a - function.address, b - function.address) for a, b in data)
        return self._mode(function.address), self.read(function.address, function.size), relative

    def instruction(self, address: int) -> Instruction | None:
        """The one that begins at ``address``, as its function has it; only functions that are asked for are decoded."""
        index = bisect_right(self._starts, address)
        for function in reversed(self.functions[max(0, index - _MOST_AROUND) : index]):
            if function.address not in self._decoded:
                self._decoded.add(function.address)
                self._at.update({found.address: found for found in self.block(function.address, function.size)})
            if address < function.address + function.size:
                break
        return self._at.get(address)

    def _mode(self, address: int) -> Mode:
        if self.machine == sets.AARCH64.title:
            return AARCH64
        if _end_inside(self.thumb_ranges, address) is not None:
            return THUMB_M if self._micro else THUMB_A
        return ARM_A

    def _decode(self, address: int, size: int) -> Iterator[Instruction]:
        mode, data = self._mode(address), self.read(address, size + 3)
        covered = 0
        at = address
        while at < address + size:
            skip = _end_inside(self.data_ranges, at)
            if skip is not None:
                at = skip
                continue
            raw = data[at - address : at - address + 4]
            instruction = decode(mode, raw or self.read(at, 4), at, covered > 0)
            if instruction is None:
                raise self._unknown(at)
            self._left -= instruction.size
            if self._left < 0:
                raise UserError(self.where, "its functions have the same code over and over, or endless symbols")
            covered = len(instruction.mnemonic) - 1 if instruction.kind == k.IT else max(0, covered - 1)
            yield instruction
            at = instruction.end

    def _unknown(self, at: int) -> UserError:
        return UserError(self.where, f"the bytes at {at:#x} are not an instruction capstone knows")


def mnemonics(mode: tuple[int, int], code: bytes, address: int) -> list[str]:
    """The instructions of ``code``, without their operands."""
    return [mnemonic for _, _, mnemonic, _ in capstone.Cs(*mode).disasm_lite(code, address)]


def _code_sections(file: ElfFile) -> dict[int, bytes]:
    sections: dict[int, bytes] = {}
    for section in file.sections:
        if section.is_code and section.data:
            if section.address in sections:
                raise UserError(file.where, "several code sections at one address", "link it, or merge its sections")
            sections[section.address] = section.data
    if not sections:
        raise UserError(file.where, "has no code")
    return sections


def _functions(file: ElfFile) -> list[Function]:
    found: dict[int, Function] = {}
    for symbol in file.symbols:
        if symbol.kind == STT_FUNC and not symbol.is_undefined:
            thumb = file.machine == sets.ARM.title and bool(symbol.value & 1)
            address = symbol.value & ~1 if file.machine == sets.ARM.title else symbol.value
            found.setdefault(address, Function(symbol.name, address, symbol.size, thumb))
    return [found[address] for address in sorted(found)]


Ranges = list[tuple[int, int]]


def _mapping(file: ElfFile, end_of_section: Callable[[int], int]) -> tuple[Ranges, Ranges]:
    """Where Thumb code and where constants lie, in order, by the mapping symbols."""
    marks = sorted((s.value, s.name[:2]) for s in file.symbols if s.name[:2] in ("$a", "$t", "$x", "$d"))
    thumb: Ranges = []
    data: Ranges = []
    for number, (start, mark) in enumerate(marks):
        inside = end_of_section(start)
        end = min(marks[number + 1][0], inside) if number + 1 < len(marks) else inside
        if end > start and mark in ("$t", "$d"):
            (thumb if mark == "$t" else data).append((start, end))
    return thumb, data


def _end_inside(ranges: Ranges, address: int) -> int | None:
    """Where the range that holds ``address`` ends."""
    if not ranges:
        return None
    index = bisect_right(ranges, (address, sys.maxsize)) - 1
    return ranges[index][1] if index >= 0 and address < ranges[index][1] else None


def _is_for_a_microcontroller(file: ElfFile) -> bool:
    section = next((section for section in file.sections if section.kind == SHT_ARM_ATTRIBUTES), None)
    try:
        return section is not None and is_m_profile(section.data)
    except ValueError as error:
        raise file.damaged("its build attributes cannot be read") from error
