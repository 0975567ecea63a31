"""The emulator runs code of the three machines and catches what the code must not do."""

from __future__ import annotations

import io
import struct

import llvmlite.binding as llvm
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from schedc.backends.emulator.emulator import Emulator
from schedc.backends.objects.elf import finish_object
from schedc.errors import InternalError
from schedc.targets.instruction_sets import Machine

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()

# The Cortex-A8 twice: both instruction sets are legal for an object of that target.
TARGETS = {
    "m33": (Machine.M33, "thumbv8m.main-none-eabi", "cortex-m33"),
    "a8-arm": (Machine.A8, "armv7a-linux-gnueabihf", "cortex-a8"),
    "a8-thumb": (Machine.A8, "thumbv7a-linux-gnueabihf", "cortex-a8"),
    "aarch64": (Machine.AARCH64, "aarch64-linux-gnu", "cortex-a72"),
}
every_target = pytest.mark.parametrize("target", TARGETS)

FUNCTIONS = """
define i32 @sum(ptr %p, i32 %n, i32 %a, i32 %b, i32 %c, i32 %d) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %s = phi i32 [ 0, %entry ], [ %t, %loop ]
  %q = getelementptr i32, ptr %p, i32 %i
  %v = load volatile i32, ptr %q
  %t = add i32 %s, %v
  %j = add i32 %i, 1
  %more = icmp slt i32 %j, %n
  br i1 %more, label %loop, label %done
done:
  %x = mul i32 %c, 1000
  %y = sub i32 %t, %x
  %z = add i32 %y, %d
  ret i32 %z
}
define void @store(ptr %p, i32 %i) {
  %q = getelementptr i8, ptr %p, i32 %i
  store i8 7, ptr %q
  ret void
}
define void @jump(ptr %p) {
  tail call void %p()
  ret void
}
define void @recurse(i32 %n) {
  %room = alloca [4096 x i8]
  store volatile i8 1, ptr %room
  %m = sub i32 %n, 1
  %more = icmp sgt i32 %n, 0
  br i1 %more, label %again, label %done
again:
  call void @recurse(i32 %m)
  store volatile i8 2, ptr %room
  br label %done
done:
  ret void
}
define void @spin() {
  br label %loop
loop:
  br label %loop
}
define void @clobber(ptr %p) {
  store volatile i32 100000, ptr %p
  store volatile i32 200000, ptr %p
  ret void
}
"""


def emit(target: str, ir: str) -> bytes:
    """Compile LLVM IR text for a target and finish the object."""
    _, triple, cpu = TARGETS[target]
    module = llvm.parse_assembly(ir)
    module.triple = triple
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=2, reloc="pic", codemodel="small")
    return finish_object(machine.emit_object(module))


def start(target: str, *, count: bool = False, limit: float = 60.0) -> Emulator:
    elf = emit(target, FUNCTIONS)
    return Emulator(elf, TARGETS[target][0], count_instructions=count, call_limit_seconds=limit)


@every_target
def test_arguments_memory_and_signed_result(target: str) -> None:
    emulator = start(target)
    address = emulator.alloc(400)
    emulator.write(address, struct.pack("<100i", *range(100)))
    assert address % 64 == 0
    assert emulator.call("sum", address, 100, -1, -2, 5, 60) == 4950 - 5000 + 60
    assert emulator.call("sum", address, 1, 0, 0, 3, -9) == -3009
    emulator.call("store", address, 1)
    assert emulator.read(address, 4) == b"\0\7\0\0"


@every_target
def test_overruns_fault_and_name_the_place(target: str) -> None:
    emulator = start(target)
    address = emulator.alloc(4096)
    for offset in (4096, -1):
        with pytest.raises(
            InternalError,
            match=r"access of 1 bytes at 0x\w+ \(beyond an allocation\), pc 0x\w+ \(store\+0x\w+\)",
        ):
            emulator.call("store", address, offset)
    with pytest.raises(InternalError, match=r"access of 4 bytes at 0x\w+ \(beyond an allocation\), pc .*sum"):
        emulator.call("sum", address, 1025, 0, 0, 0, 0)


@every_target
def test_writes_beside_an_unaligned_size_are_found(target: str) -> None:
    emulator = start(target)
    address = emulator.alloc(10, align=16)
    emulator.call("store", address, 9)
    for offset in (10, -1):
        fresh = start(target)
        address = fresh.alloc(10, align=16)
        with pytest.raises(InternalError, match="beside an allocation"):
            fresh.call("store", address, offset)


@every_target
def test_code_is_not_writable_and_data_not_executable(target: str) -> None:
    emulator = start(target)
    with pytest.raises(InternalError, match="nowhere near stack or allocations"):
        emulator.call("store", 0x100000, 0)
    with pytest.raises(InternalError, match="jump on"):
        emulator.call("jump", emulator.alloc(64) | (target == "m33"))


@every_target
def test_stack_high_water_mark_and_overflow(target: str) -> None:
    emulator = start(target)
    assert emulator.stack_used_bytes == 0
    emulator.call("recurse", 0)
    once = emulator.stack_used_bytes
    assert 4096 < once < 4096 + 128
    emulator.call("recurse", 9)
    assert emulator.stack_used_bytes == pytest.approx(10 * once, abs=400)
    emulator.call("recurse", 0)
    assert emulator.stack_used_bytes > 9 * once
    with pytest.raises(InternalError, match="beyond the stack"):
        emulator.call("recurse", 100)


# Hand-assembled, because llvmlite has no assembler for these machines.
RETURN = {"m33": "4770", "a8-arm": "e12fff1e", "a8-thumb": "4770", "aarch64": "d65f03c0"}


@pytest.mark.parametrize(
    ("target", "instruction", "lost"),
    [
        ("m33", "2401", "r4"),  # movs r4, #1
        ("m33", "8a00eef7", "d8"),  # vmov.f32 s17, #1.0
        ("a8-arm", "f287ef50", "d14, d15"),  # vmov.f32 q7, #1.0
        ("a8-thumb", "0a01f04f", "r10"),  # mov r10, #1
        ("aarch64", "d280003c", "x28"),  # mov x28, #1
        ("aarch64", "4f03f609", "d9"),  # fmov v9.4s, #1.0
        ("aarch64", "d10043ff", "sp"),  # sub sp, sp, #16
    ],
)
def test_clobbered_callee_saved_registers_are_named(target: str, instruction: str, lost: str) -> None:
    elf = bytearray(emit(target, FUNCTIONS))
    file = ELFFile(io.BytesIO(elf))
    text, table = file.get_section_by_name(".text"), file.get_section_by_name(".symtab")
    assert text is not None and isinstance(table, SymbolTableSection)
    symbols = table.get_symbol_by_name("clobber")
    assert symbols is not None
    code = bytes.fromhex(instruction)[::-1] + bytes.fromhex(RETURN[target])[::-1]
    place = text["sh_offset"] + (symbols[0]["st_value"] & ~1)
    elf[place : place + len(code)] = code
    with pytest.raises(InternalError, match=f"did not restore {lost}$"):
        Emulator(bytes(elf), TARGETS[target][0]).call("clobber")


@every_target
def test_instruction_counts_are_exact(target: str) -> None:
    emulator = start(target, count=True)
    address = emulator.alloc(4000)
    emulator.call("sum", address, 1, 0, 0, 0, 0)
    one = sum(emulator.instruction_counts.values())
    emulator.reset_counts()
    emulator.call("sum", address, 1000, 0, 0, 0, 0)
    many = sum(emulator.instruction_counts.values())
    assert (many - one) % 999 == 0
    assert (many - one) // 999 in (4, 5)
    loads = sum(times for name, times in emulator.instruction_counts.items() if name.startswith("ldr"))
    assert 1000 <= loads <= 1003  # one a turn, and the arguments that came by the stack


def test_counts_need_the_option() -> None:
    with pytest.raises(ValueError, match="count_instructions"):
        _ = start("m33").instruction_counts


@every_target
def test_endless_loop_is_stopped(target: str) -> None:
    with pytest.raises(InternalError, match=r"spin on \w+ did not return; it is at 0x\w+ \(spin\+0x\w+\)"):
        start(target, limit=0.05).call("spin")


def test_refusals() -> None:
    emulator = start("m33")
    with pytest.raises(InternalError, match="no symbol 'process'; it has clobber, jump"):
        emulator.call("process")
    with pytest.raises(ValueError, match="alloc of 0 bytes"):
        emulator.alloc(0)
    with pytest.raises(InternalError, match="an object for Arm cannot run on aarch64"):
        Emulator(emit("m33", FUNCTIONS), Machine.AARCH64)
    module = llvm.parse_assembly("declare void @g()\ndefine void @f() {\n call void @g()\n ret void\n}")
    for _, triple, cpu in TARGETS.values():
        module.triple = triple
        raw = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu).emit_object(module)
        machine = Machine.AARCH64 if triple.startswith("aarch64") else Machine.A8
        with pytest.raises(InternalError, match=r"unresolved relocations: section \.rela?\.text"):
            Emulator(raw, machine)
