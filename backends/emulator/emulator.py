"""Run emitted code of another machine, in Unicorn, as strictly as the code's contract allows.

The emulator loads the allocatable sections of an ELF relocatable object, calls its functions by the C
calling convention, and turns every breach into an ``InternalError`` that says where: an access outside of
what was allocated, a callee-saved register, the stack pointer or the floating-point mode not restored, a function
that does not return.

What it cannot see, because Unicorn (QEMU 5) does not model it: time, caches, and alignment faults (a VLDR,
LDRD or a ``:128`` NEON access on a wrong address works here and traps on the hardware).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import unicorn

from schedc.analysis.disassembly import mnemonics
from schedc.analysis.elf_file import SHF_ALLOC, SHT_REL, SHT_RELA, STT_FUNC, ElfFile
from schedc.backends.emulator.machines import CONVENTIONS
from schedc.backends.float_mode import lost_mode
from schedc.errors import InternalError, UserError
from schedc.targets.instruction_sets import Machine, emulated_by

_UNICORN: Any = unicorn  # it ships a py.typed marker, but no types
_READ_EXECUTE = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
_READ_WRITE = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
_PAGE = 4096
# Far apart, so that no region meets another; below 2 GiB, where nothing is special on any of the machines.
_RETURN, _CODE, _STACK_TOP, _HEAP = 0x0001_0000, 0x0010_0000, 0x1000_0000, 0x2000_0000
_STACK_BYTES = 256 * 1024
_PAINT = b"\xa5"
_SAVED_PATTERN = 0x5EED_0000


class Emulator:
    """One machine with one object; memory and the stack's high-water mark live as long as the instance.

    ``count_instructions`` makes ``instruction_counts`` available, at the price of speed.  A call that runs
    longer than ``call_limit_seconds`` is taken for an endless loop.
    """

    def __init__(
        self,
        elf: bytes,
        machine: Machine,
        *,
        count_instructions: bool = False,
        call_limit_seconds: float = 300.0,
    ) -> None:
        """Load ``elf``; ``InternalError`` for a foreign object, a relocation or an undefined symbol."""
        self._call_limit_microseconds = int(call_limit_seconds * 1e6)
        self._machine = machine
        self._convention, self._set = CONVENTIONS[machine], emulated_by(machine)
        self._uc: Any = _UNICORN.Uc(*self._convention.unicorn_mode)
        self._uc.ctl_set_cpu_model(self._convention.cpu_model)
        self._convention.enable_fpu(self._uc)
        self._symbols: dict[str, int] = {}
        self._fault: tuple[int, int] | None = None
        self._heap = _HEAP
        self._slack: list[tuple[int, int]] = []
        self._blocks: Counter[tuple[int, int]] = Counter()
        self._load(elf)
        self._uc.mem_map(_RETURN, _PAGE, _READ_EXECUTE)
        self._uc.mem_map(_STACK_TOP - _STACK_BYTES, _STACK_BYTES, _READ_WRITE)
        self._uc.mem_write(_STACK_TOP - _STACK_BYTES, _PAINT * _STACK_BYTES)
        self._uc.hook_add(_UNICORN.UC_HOOK_MEM_INVALID, self._on_fault)
        self._counting = count_instructions
        if count_instructions:
            self._uc.ctl_flush_tb()  # a block translated before the hook would never be counted
            self._uc.hook_add(_UNICORN.UC_HOOK_BLOCK, self._on_block)

    # -- memory ---------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Of a general register."""
        return self._set.pointer_bits

    def alloc(self, size: int, align: int = 64) -> int:
        """Return the address of ``size`` zeroed bytes, aligned to ``align`` (a power of two up to 4096).

        The block ends at an unmapped page, up to alignment, and follows another one; the bytes around it
        inside its own pages are painted and checked after every call.
        """
        if size <= 0 or align <= 0 or align & align - 1 or align > _PAGE:
            raise ValueError(f"alloc of {size} bytes aligned to {align}")
        base = self._heap
        mapped = -(-size // _PAGE) * _PAGE
        address = (base + mapped - size) & -align
        self._heap = base + mapped + _PAGE
        self._uc.mem_map(base, mapped, _READ_WRITE)
        for start, length in ((base, address - base), (address + size, base + mapped - address - size)):
            if length:
                self._uc.mem_write(start, _PAINT * length)
                self._slack.append((start, length))
        return address

    def write(self, address: int, data: bytes) -> None:
        """Copy ``data`` into the machine's memory."""
        self._uc.mem_write(address, data)

    def read(self, address: int, size: int) -> bytes:
        """Copy ``size`` bytes out of the machine's memory."""
        return bytes(self._uc.mem_read(address, size))

    # -- calls ----------------------------------------------------------------------------------

    def call(self, symbol: str, *arguments: int) -> int:
        """Call a function of the object with pointers and C ints; returns its result as a signed 32-bit int.

        Raises ``InternalError`` for a missing symbol, a memory fault, a clobbered callee-saved register, a
        write beside an allocation, and a call that does not return.
        """
        if symbol not in self._symbols:
            names = ", ".join(sorted(self._symbols))
            raise InternalError(f"the object has no symbol {symbol!r}; it has {names}")
        saved, floats = self._prepare(arguments), self.float_words
        self._run(symbol)
        self._check_saved(symbol, saved)
        lost = lost_mode(self._set.mode_register, floats[0], self.float_words[0])
        if lost:
            raise InternalError(f"{symbol} on {self._machine.value} {lost}")
        self._check_slack(symbol)
        result = int(self._uc.reg_read(self._convention.arguments[0])) & 0xFFFF_FFFF
        return result - (1 << 32) if result >> 31 else result

    @property
    def float_words(self) -> Sequence[int]:
        """The floating-point registers as they are between two calls: the mode, and the flags if they are elsewhere."""
        return tuple(int(self._uc.reg_read(register)) for register in self._convention.float_registers)

    @float_words.setter
    def float_words(self, words: Sequence[int]) -> None:
        for register, word in zip(self._convention.float_registers, words, strict=True):
            self._uc.reg_write(register, word)

    def _prepare(self, arguments: tuple[int, ...]) -> dict[str, tuple[int, int]]:
        """Set up stack and registers; returns what the call must preserve: name -> (register, value)."""
        convention = self._convention
        word = self._set.pointer_bits // 8
        mask = (1 << 8 * word) - 1
        on_stack = arguments[len(convention.arguments) :]
        stack = b"".join((value & mask).to_bytes(word, "little") for value in on_stack)
        sp = (_STACK_TOP - len(stack)) & -16
        self._uc.mem_write(sp, stack)
        preserved = convention.saved_integers | convention.saved_doubles
        saved = {name: (reg, _SAVED_PATTERN + i) for i, (name, reg) in enumerate(preserved.items())}
        saved["sp"] = (convention.sp, sp)
        for register, value in saved.values():
            self._uc.reg_write(register, value)
        for register, value in zip(convention.arguments, arguments, strict=False):
            self._uc.reg_write(register, value & mask)
        return saved

    def _run(self, symbol: str) -> None:
        entry = self._symbols[symbol]
        self._uc.reg_write(self._convention.link, _RETURN | self._convention.return_bit)
        self._fault = None
        try:
            self._uc.emu_start(entry, _RETURN, timeout=self._call_limit_microseconds)
        except _UNICORN.UcError as error:
            raise InternalError(f"{symbol} on {self._machine.value}: {self._describe(error)}") from error
        pc = int(self._uc.reg_read(self._convention.pc))
        if pc != _RETURN:
            raise InternalError(f"{symbol} on {self._machine.value} did not return; it is at {self._place(pc)}")

    def _describe(self, error: Exception) -> str:
        pc = int(self._uc.reg_read(self._convention.pc))
        if self._fault is None:
            return f"{error} at {self._place(pc)}"
        address, size = self._fault
        return f"access of {size} bytes at {address:#x} ({self._owner(address)}), pc {self._place(pc)}: {error}"

    def _place(self, address: int) -> str:
        """An address as ``0x100012 (symbol+0x12)`` by the nearest symbol below it."""
        below = [(value & ~1, name) for name, value in self._symbols.items() if value & ~1 <= address]
        if not below:
            return f"{address:#x}"
        value, name = max(below)
        return f"{address:#x} ({name}+{address - value:#x})"

    def _owner(self, address: int) -> str:
        """What lies near an address that is not mapped."""
        if _STACK_TOP - _STACK_BYTES - 16 * _PAGE <= address < _STACK_TOP + _PAGE:
            return "beyond the stack"
        if _HEAP - _PAGE <= address < self._heap + _PAGE:
            return "beyond an allocation"
        return "nowhere near stack or allocations"

    def _check_saved(self, symbol: str, saved: dict[str, tuple[int, int]]) -> None:
        lost = [name for name, (register, value) in saved.items() if int(self._uc.reg_read(register)) != value]
        if lost:
            raise InternalError(f"{symbol} on {self._machine.value} did not restore {', '.join(lost)}")

    def _check_slack(self, symbol: str) -> None:
        for start, length in self._slack:
            found = bytes(self._uc.mem_read(start, length))
            if found != _PAINT * length:
                first = next(i for i, byte in enumerate(found) if byte != _PAINT[0])
                raise InternalError(
                    f"{symbol} on {self._machine.value} wrote at {start + first:#x}, beside an allocation"
                )

    # -- observations ---------------------------------------------------------------------------

    @property
    def stack_used_bytes(self) -> int:
        """High-water mark of the stack over all calls so far, stack-passed arguments included."""
        stack = bytes(self._uc.mem_read(_STACK_TOP - _STACK_BYTES, _STACK_BYTES))
        return len(stack.lstrip(_PAINT))

    @property
    def instruction_counts(self) -> dict[str, int]:
        """Executed instructions by mnemonic since the start or ``reset_counts``, sorted by name.

        A predicated instruction counts whether its condition held or not.
        """
        if not self._counting:
            raise ValueError("the emulator was not started with count_instructions=True")
        totals: Counter[str] = Counter()
        for (address, size), times in self._blocks.items():
            for mnemonic in self._disassemble(address, size):
                totals[mnemonic] += times
        return dict(sorted(totals.items()))

    def reset_counts(self) -> None:
        """Forget the instructions counted so far."""
        self._blocks.clear()

    def _disassemble(self, address: int, size: int) -> list[str]:
        mode = self._convention.modes[any(value & 1 for value in self._symbols.values())]
        return mnemonics(mode, bytes(self._uc.mem_read(address, size)), address)

    # -- hooks and loading ----------------------------------------------------------------------

    def _on_fault(self, uc: Any, access: int, address: int, size: int, value: int, data: Any) -> bool:
        self._fault = (address, size)
        return False

    def _on_block(self, uc: Any, address: int, size: int, data: Any) -> None:
        self._blocks[address, size] += 1

    def _load(self, elf: bytes) -> None:
        try:
            file = ElfFile(elf, "the object")
            symbols = file.symbols
        except UserError as error:
            raise InternalError(str(error)) from error
        if file.machine != self._set.objects.title:
            raise InternalError(f"an object for {file.machine} cannot run on {self._machine.value}")
        if not file.is_relocatable:
            raise InternalError("only an object that was not linked yet can be placed in the emulator's memory")
        bases = self._place_sections(file)
        for symbol in symbols:
            if symbol.is_undefined and symbol.name:
                raise InternalError(f"the object needs the undefined symbol {symbol.name!r}")
            if symbol.kind == STT_FUNC and symbol.section in bases:
                self._symbols[symbol.name] = bases[symbol.section] + symbol.value
        if not self._symbols:
            raise InternalError("the object has no symbols of functions")

    def _place_sections(self, file: ElfFile) -> dict[int, int]:
        """Load what takes memory; returns where, by section number."""
        for section in file.sections:
            if section.kind in (SHT_REL, SHT_RELA) and section.size:
                raise InternalError(f"the object has unresolved relocations: section {section.name}")
        bases: dict[int, int] = {}
        address = _CODE
        for number, section in enumerate(file.sections):
            if not section.flags & SHF_ALLOC or not section.size:
                continue
            mapped = -(-section.size // _PAGE) * _PAGE
            if address + mapped > _STACK_TOP - 2 * _STACK_BYTES:
                raise InternalError(f"the object does not fit the emulator's memory: section {section.name}")
            self._uc.mem_map(address, mapped, _READ_EXECUTE)
            self._uc.mem_write(address, section.data)
            bases[number] = address
            address += mapped + _PAGE
        return bases
