"""The weight layout: each weight lies where the layout says, once, and the rest is zero."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schedc.backends.weights.cell_layout import CellLayout
from schedc.backends.weights.weight_layout import ChannelLayout, ConvLayout, block_channels
from schedc.ir.ops import Conv, LstmCell, Start
from schedc.loops.form import Rolled, WrittenOut


@st.composite
def layouts(draw: st.DrawFn) -> ConvLayout:
    groups = draw(st.sampled_from((1, 1, 2, 3, 5)))
    op = Conv(
        groups * draw(st.integers(1, 6)),
        groups * draw(st.integers(1, 9)),
        draw(st.integers(1, 4)),
        1,
        groups,
        draw(st.sampled_from(Start)),
    )
    outputs = draw(st.integers(1, op.out_channels))
    forms: tuple[WrittenOut | Rolled, ...] = (WrittenOut(False), Rolled(False, False), Rolled(False, True))
    form = draw(st.sampled_from(forms))
    return ConvLayout(op, form, outputs, draw(st.sampled_from((1, 4))))


@given(layouts())
def test_blocks_cover_the_outputs_in_order(layout: ConvLayout) -> None:
    channels = [c for block in layout.blocks for c in block_channels(block, layout.rows)]
    assert channels == list(range(layout.op.out_channels))
    for block in layout.blocks:
        assert block.outputs <= max(layout.block_outputs, 1)
        assert block.groups == 1 or block.rows == layout.rows


@given(layouts())
def test_unpacking_gives_the_weights_back(layout: ConvLayout) -> None:
    op = layout.op
    shapes = op.parameters()
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    # Every weight a number of its own, so that a place tells which weight it holds.
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    numbers = iter(np.split(np.arange(1, count + 1, dtype=np.float32), ends))
    parameters = {key: next(numbers).reshape(shape) for key, shape in shapes.items()}
    packed = layout.pack(parameters)
    assert packed.size == layout.floats
    assert sorted(packed[packed != 0]) == list(range(1, count + 1)), "every weight exactly once"
    for block, offset in zip(layout.blocks, layout.offsets, strict=True):
        channels = list(block_channels(block, layout.rows))
        if op.start is Start.BIAS:
            assert np.array_equal(packed[offset : offset + len(channels)], parameters["bias"][channels])
        first = offset + layout.start_floats(block)
        for tap in range(op.kernel_size):
            for column in range(op.columns):
                at = first + tap * layout.tap_floats(block) + column * layout.column_floats(block)
                assert np.array_equal(packed[at : at + len(channels)], parameters["weight"][channels, column, tap])


@given(layouts())
def test_lane_loads_stay_in_their_tap(layout: ConvLayout) -> None:
    """What is fetched four at a time begins at a multiple of four and ends inside the field."""
    if layout.lanes_of_weights != 4:
        return
    for block in layout.blocks:
        assert layout.start_floats(block) % 4 == 0 and layout.tap_floats(block) % 4 == 0
        if layout.loops_over_columns:
            assert layout.column_floats(block) % 4 == 0


@given(st.integers(1, 5), st.integers(1, 20), st.sampled_from((1, 4, 8, 16)))
def test_lstm_weights_by_unit_block_column_and_gate(inputs: int, hidden: int, lanes: int) -> None:
    op = LstmCell(inputs, hidden)
    layout = CellLayout(op, lanes)
    columns = 1 + inputs + hidden
    table = np.arange(1, 4 * hidden * columns + 1, dtype=np.float32).reshape(4 * hidden, columns)
    packed = layout.pack({"bias": table[:, 0], "weight": table[:, 1:]})
    assert packed.size == layout.floats == layout.blocks * layout.block_floats
    unpacked = packed.reshape(layout.blocks, columns, 4, lanes)
    for gate in range(4):
        units = unpacked[:, :, gate].transpose(0, 2, 1).reshape(-1, columns)
        assert np.array_equal(units[:hidden], table[gate * hidden : (gate + 1) * hidden])
        assert not units[hidden:].any()


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 4), st.sampled_from(Start), st.integers(1, 5))
def test_vectors_of_channels_hold_zeros_beyond_the_last(
    columns: int, outputs: int, taps: int, start: Start, block: int
) -> None:
    op = Conv(columns, outputs, taps, start=start)
    layout = ChannelLayout(op, WrittenOut(False), 4, min(block, -(-outputs // 4)))
    shapes = op.parameters()
    rng = np.random.default_rng(1)
    parameters = {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    packed = layout.pack(parameters)
    assert packed.size == layout.floats
    at, seen = 0, 0
    for first, vectors in layout.blocks:
        assert first == seen and vectors <= layout.block_vectors
        channels = slice(4 * first, 4 * (first + vectors))
        lines = [parameters["bias"]] if start is Start.BIAS else []
        lines += [parameters["weight"][:, column, tap] for tap in range(taps) for column in range(columns)]
        for line in lines:
            wanted = np.pad(line[channels], (0, 4 * vectors - line[channels].size))
            assert np.array_equal(packed[at : at + 4 * vectors], wanted)
            at += 4 * vectors
        seen += vectors
    assert (at, seen) == (layout.floats, layout.vectors)
