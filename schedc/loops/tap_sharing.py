"""Convolutions that load a sample once for several taps: which ones can, and how many taps are written out at a time.

With dilation 1, tap ``t`` of frame ``f`` reads the sample that tap ``t + 1`` of frame ``f - 1`` reads.  With any
dilation shorter than a tile, taps overlap what the tile's own frames hold.
"""

from __future__ import annotations

from schedc.ir.ops import Conv
from schedc.schedule import KernelSchedule

# Taps that are written out between two looks at the loop counter, where lanes are frames.
LEAST_TAPS = 4
# Where a register is one frame: longer kernels are looped over, at least so many taps a round.
MOST_WINDOW_TAPS = 16


def can_share(op: Conv, schedule: KernelSchedule) -> bool:
    """Whether neighbouring taps of ``op``, of dilation 1, can share samples.

    Vectors of frames need as many taps as the tile has frames, and few enough channels to be written out.
    """
    few = _tap_macs(op, schedule) <= schedule.unroll_macs
    enough = schedule.lanes == 1 or (op.kernel_size >= schedule.tile_frames and few)
    return op.kernel_size > 1 and enough


def window_taps(op: Conv, schedule: KernelSchedule) -> int:
    """Taps written out in the body of a loop with a window: a multiple of the tile's frames, so that the window's
    registers are back where they were; or all, if the kernel has no more than that: a loop runs at least once.
    """
    frames = schedule.tile_vectors
    return min(op.kernel_size, frames * -(-MOST_WINDOW_TAPS // frames))


def skewed_taps(op: Conv, schedule: KernelSchedule) -> int:
    """Taps written out in the body of a loop over vectors of frames: as many as these have lanes, or fewer."""
    taps = schedule.lanes
    while taps > LEAST_TAPS and taps * _tap_macs(op, schedule) > schedule.unroll_macs * LEAST_TAPS:
        taps //= 2
    return taps


def overlaps_tile(op: Conv, schedule: KernelSchedule) -> bool:
    """Whether the vectors of samples of some tap straddle the tile's own first frame, or vectors of its frames."""
    near = op.history > 0 and op.dilation < schedule.tile_frames
    return near and op.dilation % schedule.lanes != 0 and not schedule.across_channels


def _tap_macs(op: Conv, schedule: KernelSchedule) -> int:
    """Multiply-accumulates of ``LEAST_TAPS`` taps of one block of outputs."""
    return LEAST_TAPS * min(schedule.output_block, op.out_channels) * op.columns * schedule.tile_vectors
