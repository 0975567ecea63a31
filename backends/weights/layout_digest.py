"""The digest by which code knows a blob that was packed for it.

It is made of words that are spelled out here, not of what Python prints for the records: renaming a field must not
part old objects from blobs that still fit them.  The words are those of format version 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from schedc.backends.weights.kernel_shape import FromStep, KernelShape, Operand, Slot, Step
from schedc.ir.contract import Contract
from schedc.schedule import KernelSchedule

DIGEST_BYTES = 16


def layout_digest(parts: Iterable[str]) -> bytes:
    """Of texts that say all that a layout depends on."""
    return hashlib.sha256("\n".join(parts).encode()).digest()[:DIGEST_BYTES]


def contract_words(contract: Contract) -> str:
    """As they were before there was ``nonfinite``, where that is "keep"."""
    return str(contract).removesuffix(" nonfinite=keep")


def shape_words(shape: KernelShape) -> str:
    """Everything that the code of a kernel is a function of."""
    contract = {key: value for key, value in _fields(shape.contract).items() if (key, value) != ("nonfinite", "keep")}
    return _record(
        "KernelShape",
        schedule=_schedule(shape.schedule),
        contract=_record("Contract", **{key: repr(value) for key, value in contract.items()}),
        slots=_tuple(map(_slot, shape.slots)),
        steps=_tuple(map(_step, shape.steps)),
        dilations=shape.dilations,
        constants=shape.constants,
        constants_at=shape.constants_at,
        segment_floats=shape.segment_items,
    )


def _fields(contract: Contract) -> dict[str, str]:
    names = ("mac", "subnormals", "math", "nonfinite")
    return {name: getattr(contract, name) for name in names}


def _schedule(schedule: KernelSchedule) -> str:
    """What came after the first words is stated where it is not as it was without it."""
    words = {key: value for key, value in schedule.words.items() if key in _SCHEDULE_WORDS or value not in (False, 1)}
    return _record("KernelSchedule", **{key: repr(value) for key, value in words.items()})


_SCHEDULE_WORDS = (
    *("lanes", "tile_vectors", "output_block", "pointwise_block", "unroll_macs", "register_values", "weight_route"),
    *("interleave", "share_taps", "weight_vectors", "align_taps", "tap_parts", "axis"),
)


def _slot(slot: Slot) -> str:
    return _record(
        "Slot",
        channels=slot.channels,
        row_bytes=slot.row_bytes,
        scratch_offset=_number(slot.scratch_offset),
        frame_floats=slot.frame_items,
    )


def _step(step: Step) -> str:
    return _record(
        "Step",
        op=step.op,
        operands=_tuple(map(_operand, step.operands)),
        stores=step.stores,
        wide=step.wide,
        dilation=_number(step.dilation),
        weights=step.weights,
        sums=_number(step.sums),
    )


def _operand(operand: Operand) -> str:
    return _record("Operand", kind=repr("step" if isinstance(operand, FromStep) else "slot"), index=operand.index)


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _tuple(parts: Iterable[str]) -> str:
    words = list(parts)
    return f"({', '.join(words)}{',' * (len(words) == 1)})"


def _record(name: str, **fields: object) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in fields.items())})"
