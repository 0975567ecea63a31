"""Lowering of a convolution inside a tile of frames: block by block of its outputs.

The sums of a block are held in registers together (:mod:`schedc.backends.llvm.tap_block`), over all taps, which run in
the form that the kernel's shape states (:mod:`schedc.backends.llvm.tap_loops`).  Blocks are written out while their
results stay in registers, and looped over when those go to memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from schedc.backends.llvm.builder import Number, Value
from schedc.backends.llvm.tap_block import OperandSamples, Site, TapBlock, Totals
from schedc.backends.llvm.tap_loops import all_taps
from schedc.backends.llvm.taps_in_parts import TapsInParts
from schedc.backends.llvm.tile_function import TileFunction
from schedc.backends.llvm.tile_values import Memory, Registers, Row, TileValue
from schedc.backends.weights.kernel_shape import Step
from schedc.backends.weights.weight_layout import Block, ConvLayout, SplitLayout, convolution_layout
from schedc.errors import InternalError
from schedc.ir.ops import Conv, Start
from schedc.loops.form import Form


def emit_convolution(function: TileFunction, step: Step) -> TileValue:
    """The step's value; stored to its slots, and left in registers unless it is wide."""
    if not isinstance(step.op, Conv) or step.form is None:
        raise InternalError(f"{step.op} is not a convolution")
    layout = convolution_layout(step.op, step.form, function.shape.schedule)
    if isinstance(layout, SplitLayout) and step.sums is not None:
        return TapsInParts(function, step, step.op, layout, function.slots[step.sums]).emit()
    if not isinstance(layout, ConvLayout):
        raise InternalError(f"{layout} with frames across the lanes")
    emitter = _Convolution(function, step, step.op, step.form, layout)
    if step.wide and (isinstance(emitter.source, Memory) or step.op.groups == 1):
        emitter.rolled()
        return function.slots[step.stores[0]]
    result = Registers([], emitter.unrolled())
    # A 1x1 convolution from registers that only feeds this kernel can wait for its readers. Memory cannot:
    # rows are handed on to other streams once their last reader, by node order, is through.
    waits = isinstance(emitter.source, Registers) and not step.stores and step.op.start is not Start.STREAM
    if not waits:
        result.all_rows()
    return function.slots[step.stores[0]] if step.wide else result


class _Convolution:
    def __init__(self, function: TileFunction, step: Step, op: Conv, form: Form, layout: ConvLayout) -> None:
        self.k, self.b, self.step, self.op, self.form, self.layout = function, function.b, step, op, form, layout
        self.source = function.operand(step.operands[0])
        self.start = function.operand(step.operands[1]) if op.start is Start.STREAM else None
        self.base = self.b.item(function.weights, step.offset("conv"))
        # Made for the op's own dilation, bytes from tap to tap are those of neighbouring frames.
        self.dilation: Number = self.b.items(1) if step.dilation is None else function.dilations[step.dilation]

    # -- written out -----------------------------------------------------------------

    def unrolled(self) -> list[Callable[[], list[Row]]]:
        """What emits each block, in output order."""
        result: list[Callable[[], list[Row]]] = []
        output = 0
        for block, offset in zip(self.layout.blocks, self.layout.offsets, strict=True):
            site = Site(block, output, block.first_group * self.op.columns, self.b.item(self.base, offset))
            result.append(partial(self.block_rows, site))
            output += block.outputs
        return result

    def block_rows(self, site: Site) -> list[Row]:
        rows = [tuple(row) for row in self.sums(site)]
        for index, row in enumerate(rows):
            self.k.write(self.step, self.b.add(site.output, index), row)
        return rows

    # -- looped over -----------------------------------------------------------------

    def rolled(self) -> None:
        """Loops over periods of equal groups, and inside over equal blocks; all results go to memory."""
        blocks = self.layout.blocks
        per_group = [block for block in blocks if block.first_group == blocks[0].first_group]
        first = blocks[0]
        periods = self.op.groups // first.groups
        site = Site(first, 0, 0, self.base)
        floats = sum(self.layout.block_floats(block) for block in per_group)
        outputs = sum(block.outputs for block in per_group)
        columns = first.groups * self.op.columns

        def period(index: Value, _: list[Value]) -> list[Value]:
            self.run(per_group, self._advance(site, index, outputs, columns, floats))
            return []

        if periods == 1:
            self.run(per_group, site)
        else:
            self.b.loop(periods, [], period)
        done = periods * first.groups
        if done < self.op.groups:
            self.run(blocks[-1:], self._advance(site, periods, outputs, columns, floats))

    def run(self, blocks: Sequence[Block], site: Site) -> None:
        """Blocks of one group, equal ones in a loop."""
        for _, run in groupby(blocks, key=lambda block: block.outputs):
            equal = list(run)
            block, floats = equal[0], self.layout.block_floats(equal[0])
            here = Site(block, site.output, site.source, site.weights)
            if len(equal) == 1:
                self.block_rows(here)
            else:
                self._loop_blocks(here, len(equal), floats)
            site = self._advance(here, len(equal), block.outputs, 0, floats)

    def _loop_blocks(self, site: Site, count: int, floats: int) -> None:
        def once(index: Value, _: list[Value]) -> list[Value]:
            self.block_rows(self._advance(site, index, site.block.outputs, 0, floats))
            return []

        self.b.loop(count, [], once)

    def _advance(self, site: Site, count: Number, outputs: int, columns: int, floats: int) -> Site:
        return Site(
            site.block,
            self.b.add(site.output, self.b.mul(count, outputs)),
            self.b.add(site.source, self.b.mul(count, columns)),
            self.b.at(site.weights, self.b.mul(count, self.b.element.bytes * floats)),
        )

    # -- one block -------------------------------------------------------------------

    def sums(self, site: Site) -> Totals:
        """The sums [output of the block][vector] after all taps."""
        block = TapBlock(self.k, self.op, self.layout, site, self.dilation)
        totals = block.starts(self.start)
        weights = self.b.item(site.weights, self.layout.start_floats(site.block))
        if self.op.kernel_size == 1:
            return block.tap(OperandSamples(self.k, self.source, site.source), weights, totals)
        if not isinstance(self.source, Memory):
            raise InternalError("a convolution with history reads registers")
        rows = Memory(self.source.row(self.b, site.source), self.source.row_bytes, self.source.element)
        return all_taps(self.form, block, rows, weights, totals)
