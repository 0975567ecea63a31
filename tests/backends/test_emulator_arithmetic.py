"""Unicorn's floating point against exact rational arithmetic.

Bit equality of schedc's code is checked in this emulator, so the emulator itself must be right: rounding,
fusion, subnormals (kept by VFP and AArch64, flushed by NEON on the Cortex-A8), infinities, signed zeros, NaN.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
import pytest

from schedc.backends.emulator.emulator import Emulator
from schedc.backends.objects.elf import finish_object
from schedc.targets.instruction_sets import Machine

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()

Floats = npt.NDArray[np.float32]
TARGETS = {
    Machine.M33: ("thumbv8m.main-none-eabi", "cortex-m33", ""),
    Machine.A8: ("armv7a-linux-gnueabihf", "cortex-a8", "+neon"),
    Machine.AARCH64: ("aarch64-linux-gnu", "cortex-a76", ""),
}


@dataclass(frozen=True)
class Operation:
    """LLVM IR from %a, %b, %c to %r, its meaning on finite values (exact) and on all others (float64)."""

    ir: str
    exact: Callable[[Fraction, Fraction, Fraction], Fraction]
    wide: Callable[[float, float, float], float]


def _divide(a: float, b: float) -> float:
    if b == 0.0 and not math.isnan(a):
        return math.nan if a == 0.0 else math.copysign(math.inf, math.copysign(1.0, a) * math.copysign(1.0, b))
    return a / b if b != 0.0 else math.nan


FMA = "%r = call TYPE @llvm.fma.SUFFIX(TYPE %x, TYPE %b, TYPE %c)"
ARITHMETIC = {
    "add": Operation("%r = fadd TYPE %a, %b", lambda a, b, c: a + b, lambda a, b, c: a + b),
    "sub": Operation("%r = fsub TYPE %a, %b", lambda a, b, c: a - b, lambda a, b, c: a - b),
    "mul": Operation("%r = fmul TYPE %a, %b", lambda a, b, c: a * b, lambda a, b, c: a * b),
    "div": Operation("%r = fdiv TYPE %a, %b", lambda a, b, c: a / b, lambda a, b, c: _divide(a, b)),
    "fma": Operation(FMA.replace("%x", "%a"), lambda a, b, c: a * b + c, lambda a, b, c: a * b + c),
    "fms": Operation("%x = fneg TYPE %a\n  " + FMA, lambda a, b, c: c - a * b, lambda a, b, c: -a * b + c),
}

LOOP = """
declare TYPE @llvm.fma.SUFFIX(TYPE, TYPE, TYPE)
declare TYPE @llvm.sqrt.SUFFIX(TYPE)
declare TYPE @llvm.maxnum.SUFFIX(TYPE, TYPE)
declare TYPE @llvm.minnum.SUFFIX(TYPE, TYPE)
declare TYPE @llvm.fabs.SUFFIX(TYPE)
declare TYPE @llvm.roundeven.SUFFIX(TYPE)
define void @run(ptr %pa, ptr %pb, ptr %pc, ptr %pr, i32 %n) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %qa = getelementptr float, ptr %pa, i32 %i
  %qb = getelementptr float, ptr %pb, i32 %i
  %qc = getelementptr float, ptr %pc, i32 %i
  %qr = getelementptr float, ptr %pr, i32 %i
  %a = load TYPE, ptr %qa, align 4
  %b = load TYPE, ptr %qb, align 4
  %c = load TYPE, ptr %qc, align 4
  BODY
  store TYPE %r, ptr %qr, align 4
  %j = add i32 %i, WIDTH
  %more = icmp slt i32 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def execute(machine: Machine, body: str, width: int, *inputs: Floats) -> tuple[Floats, dict[str, int]]:
    """Run ``body`` over the inputs on the machine; returns the results and the executed mnemonics."""
    kind, suffix = ("float", "f32") if width == 1 else (f"<{width} x float>", f"v{width}f32")
    ir = LOOP.replace("BODY", body).replace("TYPE", kind).replace("SUFFIX", suffix).replace("WIDTH", str(width))
    triple, cpu, features = TARGETS[machine]
    module = llvm.parse_assembly(ir)
    module.triple = triple
    target = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small"
    )
    emulator = Emulator(finish_object(target.emit_object(module)), machine, count_instructions=True)
    count = len(inputs[0])
    addresses = [emulator.alloc(4 * count) for _ in range(4)]
    for address, values in zip(addresses, inputs, strict=False):
        emulator.write(address, values.tobytes())
    emulator.call("run", *addresses, count)
    result = np.frombuffer(emulator.read(addresses[3], 4 * count), np.float32)
    return result, emulator.instruction_counts


def samples(count: int = 3000) -> list[Floats]:
    """Three columns: every triple of edge values, then random bit patterns, then values of like magnitude."""
    edges = [
        0.0,
        1.0,
        1.0 + 2**-23,
        3.0,
        2.0**-126,
        2.0**-126 - 2.0**-149,
        2.0**-149,
        2.0**-64,
        3.4e38,
        math.inf,
    ]
    signed = np.array([s * e for e in edges for s in (1.0, -1.0)] + [math.nan], np.float32)
    table = np.array(list(itertools.product(signed, repeat=3)), np.float32)
    rng = np.random.default_rng(20)
    bits = rng.integers(0, 2**32, (count, 3), np.uint32).view(np.float32)
    bits = np.where(np.isnan(bits), np.float32(math.nan), bits)  # signalling NaNs do not occur in our code
    near = rng.standard_normal((count, 3)).astype(np.float32)
    tiny = near * np.exp2(rng.integers(-80, -60, (count, 3)).astype(np.float32))  # products around 2**-126
    rows = np.concatenate([table, bits, near, tiny])[1:]  # a multiple of four rows, for the vectors
    return [np.ascontiguousarray(rows[:, i]) for i in range(3)]


def flushed(values: Floats) -> Floats:
    """Subnormals as zeros of the same sign."""
    return np.where(np.abs(values) < np.float32(2.0**-126), np.copysign(np.float32(0), values), values)


def round_to_float32(value: Fraction, zero: float, flush: bool) -> float:
    """Round to nearest even; ``zero`` is the (signed) result when ``value`` is zero.

    With ``flush`` a result below the normal range *before* rounding becomes a zero of its sign, as on Arm.
    """
    if value == 0:
        return zero
    magnitude = abs(value)
    sign = -1.0 if value < 0 else 1.0
    if flush and magnitude < Fraction(1, 2**126):
        return math.copysign(0.0, sign)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= magnitude < Fraction(2) ** exponent
    quantum = Fraction(2) ** (max(exponent, -126) - 23)
    rounded = float(round(magnitude / quantum) * quantum)  # Fraction's round is to even; the product is exact
    return sign * (math.inf if rounded >= 2.0**128 else rounded)


def expected(operation: Operation, a: Floats, b: Floats, c: Floats, *, flush: bool) -> Floats:
    """The correctly rounded result of each row."""
    if "%c" not in operation.ir:
        c = np.zeros_like(c)
    if flush:
        a, b, c = flushed(a), flushed(b), flushed(c)
    results = []
    for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
        wide = operation.wide(x, y, z)
        if math.isfinite(x) and math.isfinite(y) and math.isfinite(z) and not (math.isinf(wide) or math.isnan(wide)):
            wide = round_to_float32(operation.exact(Fraction(x), Fraction(y), Fraction(z)), wide, flush)
        results.append(wide)
    return np.array(results, np.float32)


def assert_same_bits(actual: Floats, wanted: Floats, *inputs: Floats) -> None:
    """Equal bit for bit, except that any NaN is as good as another."""
    wrong = (actual.view(np.uint32) != wanted.view(np.uint32)) & ~(np.isnan(actual) & np.isnan(wanted))
    rows = [(tuple(float(v[i]) for v in inputs), float(actual[i]), float(wanted[i])) for i in np.flatnonzero(wrong)[:5]]
    assert not wrong.any(), f"{wrong.sum()} of {len(wrong)}; inputs, machine, exact: {rows}"


@pytest.mark.parametrize(
    ("machine", "name", "width", "mnemonic", "flush"),
    [
        (Machine.M33, "add", 1, "vadd.f32", False),
        (Machine.M33, "sub", 1, "vsub.f32", False),
        (Machine.M33, "mul", 1, "vmul.f32", False),
        (Machine.M33, "div", 1, "vdiv.f32", False),
        (Machine.M33, "fma", 1, "vfma.f32", False),
        (Machine.M33, "fms", 1, "vfms.f32", False),
        (Machine.A8, "add", 4, "vadd.f32", True),
        (Machine.A8, "sub", 4, "vsub.f32", True),
        (Machine.A8, "mul", 4, "vmul.f32", True),
        (Machine.A8, "div", 1, "vdiv.f32", False),  # scalar: VFP, which keeps subnormals
        (Machine.AARCH64, "add", 4, "fadd", False),
        (Machine.AARCH64, "sub", 4, "fsub", False),
        (Machine.AARCH64, "mul", 4, "fmul", False),
        (Machine.AARCH64, "div", 4, "fdiv", False),
        (Machine.AARCH64, "fma", 4, "fmla", False),
        (Machine.AARCH64, "fma", 1, "fmadd", False),
        (Machine.AARCH64, "fms", 4, "fmls", False),
    ],
)
def test_arithmetic_is_correctly_rounded(machine: Machine, name: str, width: int, mnemonic: str, flush: bool) -> None:
    a, b, c = samples()
    actual, counts = execute(machine, ARITHMETIC[name].ir, width, a, b, c)
    assert counts[mnemonic] * width == len(a)
    assert_same_bits(actual, expected(ARITHMETIC[name], a, b, c, flush=flush), a, b, c)


@pytest.mark.parametrize(("machine", "width", "flush"), [(Machine.A8, 4, True), (Machine.M33, 1, False)])
def test_unfused_mac_rounds_twice(machine: Machine, width: int, flush: bool) -> None:
    a, b, c = samples()
    actual, counts = execute(machine, "%p = fmul TYPE %a, %b\n  %r = fadd TYPE %p, %c", width, a, b, c)
    assert "vfma.f32" not in counts
    product = expected(ARITHMETIC["mul"], a, b, c, flush=flush)
    assert_same_bits(actual, expected(ARITHMETIC["add"], product, c, c, flush=flush), a, b, c)


def test_a8_flushes_before_rounding() -> None:
    """Arm decides on the unrounded product: one that would round up to 2**-126 is zero, unlike on x86."""
    a = np.full(4, (1 + 2.0**-12) * 2.0**-60, np.float32)
    b = np.full(4, (1 - 2.0**-12) * 2.0**-66, np.float32)
    kept, _ = execute(Machine.AARCH64, ARITHMETIC["mul"].ir, 4, a, b, a)
    assert kept.tolist() == [2.0**-126] * 4
    lost, _ = execute(Machine.A8, ARITHMETIC["mul"].ir, 4, a, b, a)
    assert lost.tolist() == [0.0] * 4


LARGER = "%k = fcmp ogt TYPE %a, %b\n  %r = select CONDITION %k, TYPE %a, TYPE %b"
SELECTIONS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "larger": (LARGER, lambda x, y: x if x > y else y),
    "maximum": ("%r = call TYPE @llvm.maxnum.SUFFIX(TYPE %a, TYPE %b)", lambda x, y: _extreme(x, y, 1.0)),
    "minimum": ("%r = call TYPE @llvm.minnum.SUFFIX(TYPE %a, TYPE %b)", lambda x, y: _extreme(x, y, -1.0)),
    "absolute": ("%r = call TYPE @llvm.fabs.SUFFIX(TYPE %a)", lambda x, y: abs(x)),
    "to_integer": (
        "%k = fptosi TYPE %a to INTEGER\n  %r = sitofp INTEGER %k to TYPE",
        lambda x, y: math.trunc(x),
    ),
    "to_even": ("%r = call TYPE @llvm.roundeven.SUFFIX(TYPE %a)", lambda x, y: math.copysign(round(x), x)),
    "root": ("%r = call TYPE @llvm.sqrt.SUFFIX(TYPE %a)", lambda x, y: math.sqrt(x) if x >= 0 else math.nan),
}


def _extreme(x: float, y: float, sign: float) -> float:
    """IEEE 754-2008 maxNum (minNum for sign -1): a number wins over NaN, +0 over -0."""
    if math.isnan(x) or math.isnan(y):
        return y if math.isnan(x) else x
    return max(x, y, key=lambda v: (sign * v, sign * math.copysign(1.0, v)))


@pytest.mark.parametrize(
    ("machine", "name", "width", "mnemonics"),
    [
        (Machine.M33, "larger", 1, ["vcmp.f32", "vselgt.f32"]),
        (Machine.M33, "maximum", 1, ["vmaxnm.f32"]),
        (Machine.M33, "minimum", 1, ["vminnm.f32"]),
        (Machine.M33, "to_integer", 1, ["vcvt.s32.f32", "vcvt.f32.s32"]),
        (Machine.M33, "to_even", 1, ["vrintn.f32"]),
        (Machine.M33, "root", 1, ["vsqrt.f32"]),
        (Machine.A8, "larger", 4, ["vcgt.f32"]),
        (Machine.A8, "absolute", 4, ["vabs.f32"]),
        (Machine.A8, "to_integer", 4, ["vcvt.s32.f32", "vcvt.f32.s32"]),
        (Machine.AARCH64, "larger", 4, ["fcmgt"]),
        (Machine.AARCH64, "maximum", 4, ["fmaxnm"]),
        (Machine.AARCH64, "minimum", 4, ["fminnm"]),
        (Machine.AARCH64, "to_integer", 4, ["fcvtzs", "scvtf"]),
        (Machine.AARCH64, "to_even", 4, ["frintn"]),
        (Machine.AARCH64, "root", 4, ["fsqrt"]),
    ],
)
def test_selection_and_conversion(machine: Machine, name: str, width: int, mnemonics: list[str]) -> None:
    a, b, c = samples()
    body, meaning = SELECTIONS[name]
    if name in ("to_integer", "to_even"):
        a = np.where(np.abs(a) < 2.0**31, a, np.float32(12.5))  # LLVM leaves the rest undefined
    condition, integer = ("i1", "i32") if width == 1 else (f"<{width} x i1>", f"<{width} x i32>")
    body = body.replace("CONDITION", condition).replace("INTEGER", integer)
    actual, counts = execute(machine, body, width, a, b, c)
    assert set(mnemonics) <= set(counts)
    chosen = [meaning(*pair) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    if machine is Machine.A8 and name == "larger":  # NEON compares flushed values, but selects the original ones
        chosen = np.where(flushed(a) > flushed(b), a, b).tolist()
    assert_same_bits(actual, np.array(chosen, np.float32), a, b)
