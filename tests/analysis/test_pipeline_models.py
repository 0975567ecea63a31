"""Sequences whose cycles can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.machine_sequences import NEON, assemble

from schedc.analysis import instructions as k
from schedc.analysis.dual_issue_neon import DualIssueNeon
from schedc.analysis.models import pipeline_for
from schedc.analysis.out_of_order import OutOfOrder
from schedc.analysis.single_issue import SingleIssue
from schedc.analysis.timing import State
from schedc.errors import UserError
from schedc.targets.base import Pipeline, load_target


def table(target: str) -> Pipeline:
    pipeline = load_target(target).pipeline
    assert pipeline is not None
    return pipeline


FMA, FMA3, MUL, MUL3 = "vfma.f32 s0, s1, s2", "vfma.f32 s3, s1, s2", "vmul.f32 s0, s1, s2", "vmul.f32 s3, s1, s2"
ADD, ADD4, INT, SHIFTED = "vadd.f32 s0, s0, s3", "vadd.f32 s4, s4, s3", "adds r2, #1", "add.w r3, r3, r4, lsl #1"

M33 = [
    ([INT, INT, INT], 3),
    ([FMA, FMA], 4),  # the second three cycles after the first, then its own
    ([FMA, FMA3, FMA], 7),  # independent chains do not help
    ([FMA, INT, INT, FMA3], 4),  # integer work hides in the two blocked cycles
    ([FMA, "vldr s1, [r0]"], 4),  # a blocked load
    ([MUL3, ADD], 3),  # the sum waits a cycle for the product
    ([MUL3, INT, ADD], 3),  # and does not, if something stands between
    ([MUL3, MUL, ADD4, ADD], 4),
    (["vldr s1, [r0]", FMA], 3),  # load to use 2
    (["ldr r2, [r0]", "adds r2, #1"], 3),
    (["ldr r2, [r0]", "str r2, [r1]"], 2),  # load to store 1
    ([SHIFTED, "add r3, r4"], 3),  # a shifted operand costs a cycle more
    (["ldrd r2, r3, [r0]", INT], 3),  # two cycles, then the first word is there
    (["vpush {d8, d9}"], 4),  # a cycle per word
    (["adds r2, #1", "nop"], 1),  # 16 bit: pairs
]


@pytest.mark.parametrize(("texts", "cycles"), M33)
def test_m33(texts: list[str], cycles: int) -> None:
    assert SingleIssue(table("m33"), True).run(assemble(texts), False, State()).cycles == cycles


def test_m33_loads_free_to_issue_after_a_multiply_accumulate() -> None:
    block = assemble([FMA, "vldr s1, [r0]"])
    assert SingleIssue(table("m33"), False).run(block, False, State()).cycles == 2


@pytest.mark.parametrize(
    ("texts", "taken", "cycles"),
    [
        (["subs r7, #1", "bne #0"], True, 3),
        (["subs r7, #1", "bne #0"], False, 1),
        (["subs r7, #1", "add r3, r4", "bne #0"], True, 3),
        (["subs r7, #1", SHIFTED, "bne #0"], True, 4),
    ],
)
def test_m33_branches(texts: list[str], taken: bool, cycles: int) -> None:
    assert SingleIssue(table("m33"), True).run(assemble(texts), taken, State()).cycles == cycles


def test_m33_carries_what_is_left_into_the_next_block() -> None:
    model = SingleIssue(table("m33"), True)
    first = model.run(assemble([FMA]), False, State())
    assert first.cycles == 1
    second = model.run(assemble([FMA3]), False, first.exit)
    assert second.cycles == 3
    assert [(step.stall, step.cause) for step in second.steps] == [(2, "fpu blocked")]


MLA, VLD = "vmla.f32 q0, q1, q2", "vld1.32 {d4, d5}, [r0]"


@pytest.mark.parametrize(
    ("texts", "stall"),
    [
        ([MLA, MLA], 6),  # the accumulator after 8, 2 of them busy
        (["vmul.f32 q3, q1, q2", "vadd.f32 q0, q0, q3"], 3),  # after 5, 2 of them busy
        (["vmul.f32 q3, q1, q2", VLD], 0),  # the other pipe
        ([VLD, MLA], 1),
    ],
)
def test_a8_waits(texts: list[str], stall: int) -> None:
    timing = DualIssueNeon(table("a8")).run(assemble(texts, NEON), False, State())
    assert timing.steps[1].stall == stall


def test_a8_quad_operations_take_two_cycles_and_hide_integer_work() -> None:
    model = DualIssueNeon(table("a8"))
    block = assemble(["vmul.f32 q3, q1, q2", "add r1, r1, #4"] * 32, NEON)
    state, cycles = State(), 0
    for _ in range(3):
        timing = model.run(block, False, state)
        state, cycles = timing.exit, timing.cycles
    assert cycles == 64


def test_a8_scalar_arithmetic_is_not_pipelined() -> None:
    timing = DualIssueNeon(table("a8")).run(assemble(["vmul.f32 s0, s1, s2"] * 3, NEON), False, State())
    assert timing.steps[0].issue == 12


@pytest.mark.parametrize(
    ("target", "unknown"), [("m33", {k.VECTOR_COMPARE, k.PERMUTE}), ("a8", set()), ("aarch64", {k.IT})]
)
def test_an_instruction_that_a_core_is_not_known_to_have_is_said(target: str, unknown: set[str]) -> None:
    """Damaged code, or code for another core: each kind is timed or refused, never an error of ours."""
    model, (instruction,) = pipeline_for(load_target(target)), assemble([INT])
    refused = set()
    for kind in sorted({value for name, value in vars(k).items() if name.isupper() and isinstance(value, str)}):
        code = (replace(instruction, kind=kind),)
        try:
            model.run(code, False, State())
            if isinstance(model, OutOfOrder):
                model.bounds(code)
        except UserError as error:
            refused.add(kind)
            assert f"its core is not known to have '{instruction.text}' (at 0x0: {kind})" in str(error)
    assert refused == unknown
