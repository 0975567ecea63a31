"""The sizes at which a rule in the code decides otherwise: one below, at and one above each number it compares with.

What generators draw comes from here, and the numbers from the code, so that a generator cannot leave out what the
writer of a rule did not think of.  ``tests/differential/test_every_size.py`` fails for a number that is not listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from schedc.loops.tap_sharing import MOST_WINDOW_TAPS
from schedc.passes.schedule_space import lane_widths
from schedc.targets.base import load_target

# Modules whose decisions depend on the sizes of a graph.
DECIDING = (
    "ir/ops.py",
    "loops/*.py",
    *("schedule.py", "passes/*.py", "backends/weights/kernel_shape.py", "backends/weights/weight_layout.py"),
    *(
        f"backends/llvm/{name}.py"
        for name in ("kernels", "*convolution", "*tap*", "weights", "channels", "channel_tile")
    ),
    *(
        f"backends/llvm/{name}.py"
        for name in ("recurrent_cell", "lstm_cell", "lstm_kernels", "rings", "stages", "tile_*", "builder")
    ),
    "backends/llvm/module.py",
    "backends/weights/cell_layout.py",
)
# Number -> which sizes of a graph a rule compares with it: taps, channels, hidden units, frames of a block, or the
# frames of a history.
RULES: dict[str, tuple[str, ...]] = {
    "schedc.loops.tap_sharing.LEAST_TAPS": ("taps",),
    "schedc.loops.tap_sharing.MOST_WINDOW_TAPS": ("taps",),
    "schedc.loops.channel_axis.TOGETHER": ("channels",),
    "schedc.loops.channel_axis._MOST_LANES": ("channels",),
    "schedc.loops.channel_axis._MOST_FRAMES": ("frames",),
    "schedc.loops.paired_cells._MOST_PAIRED_COLUMNS": ("units",),
    "schedc.schedule._LINE_FRAMES": ("frames", "history"),
    "schedc.schedule._COLLIDING_FRAMES": ("frames", "history"),
    "schedc.schedule._LONG_BLOCKS": ("history in blocks",),
    "schedc.schedule.LANES_OF_WEIGHTS": ("channels",),
    "schedc.passes.schedule_space._TAP_PARTS": ("taps",),
    "schedc.ir.ops.CHAINS": ("units",),
    "schedc.passes.schedule_space._LEAST_LANES": ("channels", "units"),
    "schedc.passes.select_kernels._LEAST_CHUNK": ("frames",),
    "schedc.backends.weights.kernel_shape.SEGMENT_ALIGN": ("channels",),
    "schedc.backends.llvm.channel_convolution._AHEAD": ("channels",),
    "schedc.backends.llvm.tap_block._PRODUCT_DELAY": ("channels",),
    "schedc.backends.llvm.recurrent_cell._UNROLLED_UNITS": ("units",),
}
# Numbers of these modules that are no sizes of a graph.
NO_SIZES = {
    "schedc.passes.plan_arena.ALIGNMENT": "bytes; every size is rounded up to it",
    "schedc.passes.schedule_space._SPARE": "registers",
    "schedc.passes.schedule_space._BESIDE_CHAINS": "registers",
    "schedc.schedule.FORCEABLE": "limits of what a file may force; tests/schedule draws at and beyond them",
    "schedc.backends.llvm.lstm_cell.ENTRY": "the number of a gate",
    "schedc.backends.llvm.lstm_cell.FORGET": "the number of a gate",
    "schedc.backends.llvm.lstm_cell.CANDIDATE": "the number of a gate",
    "schedc.backends.llvm.lstm_cell.OUTPUT": "the number of a gate",
    "schedc.backends.llvm.lstm_cell.GATES": "the numbers of the gates",
    "schedc.backends.llvm.lstm_kernels._HELD": "h, c and a sum for each gate",
    "schedc.backends.llvm.rings._EXPONENT": "bits of a number",
    "schedc.backends.llvm.builder.I8": "a type",
    "schedc.backends.llvm.builder.I32": "a type",
}

# Comparisons with a plain number that are none of a graph's sizes.
NO_RULES = ("self.parts.pointer_bits > 32", "parts.pointer_bits > 32")


def near(numbers: Iterable[int], most: int) -> tuple[int, ...]:
    """Each number, one less and one more, from 1 to ``most``."""
    return tuple(sorted({n + d for n in numbers for d in (-1, 0, 1) if 1 <= n + d <= most}))


@cache
def taps(target: str) -> tuple[int, ...]:
    """Of a convolution: what is written out, shared, cut into parts, and fills tiles of every height."""
    machine = load_target(target)
    heights = range(1, machine.limits.accumulators + 1)
    rounds = [frames * -(-MOST_WINDOW_TAPS // frames) for frames in heights] if machine.vectors.lanes == 1 else []
    return near((1, *compared("taps"), *multiples([*lane_widths(machine), *rounds], 4)), 66)


@cache
def channels(target: str) -> tuple[int, ...]:
    """Of a stream: vectors of channels, blocks of outputs, what registers hold."""
    machine = load_target(target)
    limits = (machine.limits.accumulators, machine.vectors.registers)
    return near((1, *compared("channels"), *multiples(lane_widths(machine), 2), *limits), 40)


@cache
def units(target: str) -> tuple[int, ...]:
    """Hidden units of an LSTM cell."""
    machine = load_target(target)
    numbers = multiples([*compared("units"), *lane_widths(machine)], 2)
    return near((1, *numbers, machine.limits.accumulators), 40)


@cache
def blocks(target: str) -> tuple[int, ...]:
    """Largest frames per call: vectors, tiles, cache lines, and the machine's own default."""
    machine = load_target(target)
    return near((1, *compared("frames"), *multiples(lane_widths(machine), 4), machine.block), 257)


@cache
def histories(target: str, block: int) -> tuple[int, ...]:
    """Past frames that a ring keeps: short and long ones, and rows of a length that shares few sets of a cache."""
    long = [number * block for number in compared("history in blocks")]
    return near((1, block, *compared("history"), *multiples(lane_widths(load_target(target)), 2), *long), 1100)


def multiples(numbers: Iterable[int], most: int) -> list[int]:
    """1 to ``most`` times each of ``numbers``."""
    return [number * times for number in numbers for times in range(1, most + 1)]


@cache
def compared(size: str) -> tuple[int, ...]:
    """The numbers of the code that rules compare this size of a graph with."""
    found: list[int] = []
    for name, sizes in RULES.items():
        if size in sizes:
            module, _, attribute = name.rpartition(".")
            value = getattr(import_module(module), attribute)
            found += value if isinstance(value, tuple) else [value]
    return tuple(found)
