"""Finish an object: from what LLVM emits to what any toolchain accepts.

``finish_object`` takes the ELF relocatable of ``TargetMachine.emit_object`` and writes a new, minimal one:

- one section ``.text`` that holds the code and the constants it reads (LLVM's constant pools), so that
  every reference is inside the section and can be resolved here: the result has **no relocations**;
- only symbols that are defined; an undefined one (memcpy, a libgcc helper) is an internal error;
- no unwind tables: ``.ARM.exidx`` always carries relocations, the functions never throw;
- on ARM ``Tag_ABI_VFP_args = 3``: the functions take pointers and integers, so they may be linked
  into hard-float and soft-float programs alike.

The rewriting is deterministic: the order of sections and symbols is LLVM's, nothing else enters.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from schedc.backends.objects.elf_attributes import neutral_float_abi
from schedc.backends.objects.elf_relocations import Relocation, apply_relocations
from schedc.backends.objects.elf_writer import write_elf
from schedc.backends.objects.object_image import Image, Symbol
from schedc.errors import InternalError
from schedc.targets.instruction_sets import OBJECT_MACHINES

_SHF_WRITE, _SHF_ALLOC = 0x1, 0x2
_DROPPED = (".eh_frame", ".ARM.exidx", ".ARM.extab")


class UndefinedSymbolError(InternalError):
    """Code that calls something outside itself: LLVM has no instructions for what it was asked."""

    def __init__(self, symbol: str, section: str) -> None:
        self.symbol = symbol
        super().__init__(f"the emitted object needs the undefined symbol {symbol!r} (relocation in {section})")


@dataclass(frozen=True)
class _Sections:
    """All kept sections back to back; ``offsets``: section index in the input -> place in ``data``."""

    data: bytearray
    offsets: dict[int, int]
    alignment: int


@dataclass(frozen=True)
class _Missing:
    """A symbol of the input that has no place in the image; ``what`` tells an error's reader which."""

    what: str


def finish_object(elf: bytes, names: Mapping[str, str] | None = None) -> bytes:
    """Return ``elf`` as one relocation-free ``.text`` section plus symbols.

    ``names``: what to call exported symbols instead, by all that is before the first ``_``.
    Raises ``InternalError`` with the name of the offending symbol or section when the object refers to
    anything outside itself, owns writable data, or uses a relocation that has no meaning inside one section.
    """
    file = _open(elf)
    attributes = file.get_section_by_name(".ARM.attributes")
    return write_elf(
        _image(file, names or {}),
        file.header,
        None if attributes is None else neutral_float_abi(attributes.data()),
        stack_note=attributes is None or not _is_microcontroller(attributes),
    )


def read_image(elf: bytes) -> Image:
    """What is in an object of ours.  Raises as ``finish_object``."""
    return _image(_open(elf), {})


def _open(elf: bytes) -> Any:
    try:
        file = ELFFile(io.BytesIO(elf))
        file_type, machine = file["e_type"], file["e_machine"]
    except ELFError as error:
        raise InternalError(f"the emitted object is not ELF: {error}") from error
    if file_type != "ET_REL" or machine not in OBJECT_MACHINES or not file.little_endian:
        raise InternalError(
            f"the emitted object is {file_type} for {machine}, not a little-endian ET_REL of {tuple(OBJECT_MACHINES)}"
        )
    return file


def _image(file: Any, names: Mapping[str, str]) -> Image:
    """Sections put together, references resolved; undefined symbols, which nothing refers to then, left out."""
    sections = _gather(file)
    table = _symbol_table(file)
    symbols = [_read_symbol(entry, sections) for entry in table.iter_symbols()]
    relocations = _read_relocations(file, sections, symbols)
    apply_relocations(file["e_machine"], sections.data, relocations)
    kept = [s for s in symbols if isinstance(s, Symbol) and s.name and not s.name.startswith(".L")]
    kept.sort(key=lambda s: s.exported)  # stable otherwise
    renamed = tuple(_renamed(symbol, names) for symbol in kept)
    return Image(file["e_machine"], bytes(sections.data), sections.alignment, renamed)


def rename_exports(elf: bytes, old: str, new: str) -> bytes:
    """A finished object, its exported functions ``old_...`` called ``new_...``: the bytes of a compilation as ``new``.

    Code knows functions by their places; names stand in the symbol table alone.
    """
    return finish_object(elf, {old: new})


def _renamed(symbol: Symbol, names: Mapping[str, str]) -> Symbol:
    start, separator, rest = symbol.name.partition("_")
    exported = symbol.binding == "STB_GLOBAL" and start in names
    return replace(symbol, name=names[start] + separator + rest) if exported else symbol


def finish_assembly(text: str) -> str:
    """LLVM's assembly of such an object, to say of the stack what the finished object does."""
    microcontroller = re.search(r"^\t\.eabi_attribute\t7, 77\b", text, re.MULTILINE)  # 'M', see below
    return re.sub(r"\t\.section\t\"\.note\.GNU-stack\".*\n", "", text) if microcontroller else text


def _is_microcontroller(attributes: Any) -> bool:
    """True for M-profile code.

    GNU ld warns when only some objects say whether they need an executable stack.  Linux compilers
    always say it, bare-metal ones never do, and an M-profile core runs no Linux worth the name.
    """
    return any(
        attribute.tag == "TAG_CPU_ARCH_PROFILE" and attribute.value == ord("M")
        for subsection in attributes.iter_subsections()
        for block in subsection.iter_subsubsections()
        for attribute in block.iter_attributes()
    )


def _gather(file: Any) -> _Sections:
    """Concatenate code first, then read-only constants, each at its own alignment."""
    kept = []
    for index, section in enumerate(file.iter_sections()):
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & _SHF_ALLOC or size == 0 or section.name.startswith(_DROPPED):
            continue
        if flags & _SHF_WRITE or section["sh_type"] == "SHT_NOBITS":
            raise InternalError(f"the emitted object owns writable data: section {section.name}, {size} bytes")
        kept.append((index, section))
    kept.sort(key=lambda item: not item[1].name.startswith(".text"))  # stable: LLVM's order within each kind
    data, offsets, alignment = bytearray(), {}, 4
    for index, section in kept:
        align = max(section["sh_addralign"], 1)
        data += bytes(-len(data) % align)
        offsets[index] = len(data)
        data += section.data()
        alignment = max(alignment, align)
    return _Sections(data, offsets, alignment)


def _symbol_table(file: Any) -> Any:
    table = file.get_section_by_name(".symtab")
    if table is None:
        raise InternalError("the emitted object has no symbol table")
    return table


def _read_symbol(entry: Any, sections: _Sections) -> Symbol | _Missing:
    """Translate one symbol to image coordinates; file names and symbols of dropped sections have none."""
    index, kind = entry["st_shndx"], entry["st_info"]["type"]
    if index == "SHN_UNDEF" and entry.name:
        # A name that only the dropped unwind tables use stays listed as undefined; it is forgotten with them.
        return _Missing(entry.name)
    if not isinstance(index, int) or index not in sections.offsets:
        return _Missing("of a dropped section")
    value = sections.offsets[index] + entry["st_value"]
    name = "" if kind == "STT_SECTION" else entry.name
    hidden = entry["st_other"]["visibility"] == "STV_HIDDEN"
    return Symbol(name, value, entry["st_size"], kind, entry["st_info"]["bind"], hidden)


def _read_relocations(file: Any, sections: _Sections, symbols: list[Symbol | _Missing]) -> list[Relocation]:
    """Relocations that patch kept sections, in image coordinates."""
    found = []
    for section in file.iter_sections():
        if section["sh_type"] not in ("SHT_REL", "SHT_RELA") or section["sh_info"] not in sections.offsets:
            continue
        base = sections.offsets[section["sh_info"]]
        for entry in section.iter_relocations():
            symbol = symbols[entry["r_info_sym"]]
            if isinstance(symbol, _Missing):
                raise UndefinedSymbolError(symbol.what, section.name)
            addend = entry["r_addend"] if entry.is_RELA() else None
            found.append(Relocation(base + entry["r_offset"], entry["r_info_type"], symbol.value, addend, symbol.name))
    return found
