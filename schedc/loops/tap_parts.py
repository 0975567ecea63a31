"""Long convolutions whose taps are cut into parts, all of which run at the same time.

A convolution adds its taps oldest first, one after the other, and the oldest taps of a frame far ahead read
samples that are there already.  With P parts of k taps each, a call takes the newest part of its own frames, the part
before that of the frames k later, and so on: P chains that do not wait for each other where there was one.  Since the
parts lie k taps and their frames k frames apart, all of them read the same samples:

    part 0 (oldest taps)   of frame t + 2k   \\
    part 1                 of frame t + k     }   samples t - k + 1 ... t
    part 2 (newest taps)   of frame t        /

What parts 0 to P - 2 have summed is kept, k frames of it, and is where the next part goes on.  Taps that do not fill
a part come last, for the newest part alone.  Each frame still adds its taps in the contract's order.
"""

from __future__ import annotations

from schedc.ir.ops import Conv, Start
from schedc.loops.tap_sharing import LEAST_TAPS
from schedc.schedule import KernelSchedule


def can_be_cut(op: Conv, schedule: KernelSchedule, parts: int) -> bool:
    """Whether the taps of ``op`` can run in ``parts`` parts.

    A part needs as many taps as the tile has frames; the sums of all parts are in registers together, and few
    enough of them that several taps are written out.
    """
    if schedule.across_channels or op.dilation != 1 or op.groups != 1 or op.start is Start.STREAM:
        return False
    sums = parts * op.out_channels * schedule.tile_vectors
    few = LEAST_TAPS * sums * op.columns <= schedule.unroll_macs
    return few and schedule.holds(op.out_channels) and part_taps(op, parts) >= schedule.tile_frames


def part_taps(op: Conv, parts: int) -> int:
    """Taps of a part; also how many frames ahead of the next part it is."""
    return op.kernel_size // parts


def kept_sums(op: Conv, parts: int) -> int:
    """Channels of partial sums that are kept: part by part, the outputs of each."""
    return (parts - 1) * op.out_channels


def newest_taps(op: Conv, parts: int) -> int:
    """Taps after the last whole part."""
    return op.kernel_size % parts
