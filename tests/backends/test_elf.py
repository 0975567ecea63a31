"""The finished object: one section, no relocations, nothing undefined, links by either float convention."""

from __future__ import annotations

import ctypes
import io
import mmap
from typing import Any

import llvmlite.binding as llvm
import pytest
from elftools.elf.elffile import ELFFile

from schedc.backends.objects.elf import finish_object
from schedc.backends.objects.elf_attributes import neutral_float_abi
from schedc.errors import InternalError

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()

TARGETS = {
    "m33": ("thumbv8m.main-none-eabi", "cortex-m33"),
    "a8-arm": ("armv7a-linux-gnueabihf", "cortex-a8"),
    "a8-thumb": ("thumbv7a-linux-gnueabihf", "cortex-a8"),
    "aarch64": ("aarch64-linux-gnu", "cortex-a76"),
    "x86": ("x86_64-linux-gnu", "haswell"),
}

# Calls to an internal and to a global function, a tail call, a vector constant, a table and an unwind table.
CALLS = """
@table = private unnamed_addr constant [3 x i32] [i32 1000, i32 2000, i32 30000]

define internal i32 @inner(ptr %p, i32 %i) noinline {
  %v = load <4 x i32>, ptr %p, align 4
  %w = mul <4 x i32> %v, <i32 1234567, i32 7654321, i32 3, i32 4>
  store <4 x i32> %w, ptr %p, align 4
  %e = extractelement <4 x i32> %w, i32 1
  ret i32 %e
}

define i32 @look_up(ptr %p, i32 %i) noinline uwtable {
  %a = getelementptr [3 x i32], ptr @table, i32 0, i32 %i
  %v = load i32, ptr %a
  ret i32 %v
}

define i32 @entry(ptr %p, i32 %i) {
  %a = call i32 @look_up(ptr %p, i32 %i)
  %b = call i32 @inner(ptr %p, i32 1)
  %s = add i32 %a, %b
  ret i32 %s
}

define i32 @tail(ptr %p, i32 %i) {
  %r = tail call i32 @look_up(ptr %p, i32 2)
  ret i32 %r
}
"""


def emit(ir: str, target: str) -> bytes:
    """Compile LLVM IR text to an object, unfinished."""
    triple, cpu = TARGETS[target]
    module = llvm.parse_assembly(ir)
    module.triple = triple
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=2, reloc="pic", codemodel="small")
    return bytes(machine.emit_object(module))


def parse(elf: bytes) -> Any:
    return ELFFile(io.BytesIO(elf))


@pytest.mark.parametrize("target", TARGETS)
def test_one_section_without_relocations(target: str) -> None:
    file = parse(finish_object(emit(CALLS, target)))
    names = [section.name for section in file.iter_sections()]
    assert [s.name for s in file.iter_sections() if s["sh_flags"] & 2] == [".text"]
    assert not [name for name in names if name.startswith((".rel", ".ARM.exidx", ".eh_frame"))]
    assert (".ARM.attributes" in names) == (target in ("m33", "a8-arm", "a8-thumb"))
    # A note in a bare-metal object would make GNU ld warn about every object of the user's.
    assert (".note.GNU-stack" in names) == (target != "m33")


@pytest.mark.parametrize("target", TARGETS)
def test_symbols_are_defined_functions(target: str) -> None:
    table = parse(finish_object(emit(CALLS, target))).get_section_by_name(".symtab")
    symbols = list(table.iter_symbols())[1:]
    assert all(s["st_shndx"] == 1 for s in symbols)
    exported = {s.name: s for s in symbols if s["st_info"]["bind"] == "STB_GLOBAL"}
    assert sorted(exported) == ["entry", "look_up", "tail"]
    assert all(s["st_info"]["type"] == "STT_FUNC" and s["st_size"] > 0 for s in exported.values())
    thumb = target in ("m33", "a8-thumb")
    assert all(s["st_value"] % 2 == thumb for s in exported.values())
    bindings = [s["st_info"]["bind"] for s in symbols]
    assert table["sh_info"] == 1 + bindings.count("STB_LOCAL")
    assert bindings == sorted(bindings, key=lambda b: b != "STB_LOCAL")


@pytest.mark.parametrize("target", ["m33", "a8-arm"])
def test_float_abi_is_neutral(target: str) -> None:
    section = parse(finish_object(emit(CALLS, target))).get_section_by_name(".ARM.attributes")
    blocks = [b for s in section.iter_subsections() for b in s.iter_subsubsections()]
    values = {a.tag: a.value for b in blocks for a in b.iter_attributes()}
    assert values["TAG_ABI_VFP_ARGS"] == 3
    assert values["TAG_CPU_NAME"] == TARGETS[target][1]
    assert neutral_float_abi(section.data()) == section.data()


@pytest.mark.parametrize("target", TARGETS)
def test_same_input_same_bytes_and_finishing_twice_changes_nothing(target: str) -> None:
    raw = emit(CALLS, target)
    once = finish_object(raw)
    assert finish_object(raw) == once
    assert finish_object(once) == once


def test_resolved_x86_code_runs() -> None:
    elf = parse(finish_object(emit(CALLS, "x86")))
    text = elf.get_section_by_name(".text").data()
    entry = elf.get_section_by_name(".symtab").get_symbol_by_name("entry")[0]["st_value"]
    tail = elf.get_section_by_name(".symtab").get_symbol_by_name("tail")[0]["st_value"]
    memory = mmap.mmap(-1, len(text), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(text)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    signature = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
    data = (ctypes.c_int32 * 4)(1, 2, 3, 4)
    assert signature(base + entry)(ctypes.addressof(data), 1) == 2000 + 2 * 7654321
    assert list(data) == [1234567, 2 * 7654321, 9, 16]
    assert signature(base + tail)(ctypes.addressof(data), 1) == 30000


@pytest.mark.parametrize("target", TARGETS)
def test_undefined_function_is_named(target: str) -> None:
    ir = "declare void @memcpy_helper(ptr)\ndefine void @f(ptr %p) {\n call void @memcpy_helper(ptr %p)\n"
    with pytest.raises(InternalError, match="needs the undefined symbol 'memcpy_helper'"):
        finish_object(emit(ir + " ret void\n}", target))


@pytest.mark.parametrize("target", TARGETS)
def test_writable_data_is_refused(target: str) -> None:
    ir = "@count = internal global i32 5\ndefine void @f() {\n store volatile i32 1, ptr @count\n ret void\n}"
    with pytest.raises(InternalError, match=r"owns writable data: section \.data, 4 bytes"):
        finish_object(emit(ir, target))


def test_unresolvable_relocation_is_named() -> None:
    ir = "define void @g() noinline {\n ret void\n}\ndefine ptr @f() {\n ret ptr @g\n}"
    with pytest.raises(InternalError, match=r"x86-64 relocation 42 against 'g' at 0x\w+ cannot be resolved"):
        finish_object(emit(ir, "x86"))


def test_other_files_are_refused() -> None:
    with pytest.raises(InternalError, match="not ELF"):
        finish_object(b"MZ" + bytes(100))
    big_endian = bytearray(emit(CALLS, "aarch64"))
    big_endian[5] = 2
    with pytest.raises(InternalError):
        finish_object(bytes(big_endian))
