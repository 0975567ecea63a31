"""The start state of a convolution whose taps run in parts (:mod:`schedc.loops.tap_parts`).

What a stream of silence, or any other past, has left in its partial sums follows from the past samples alone, by the
arithmetic of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schedc.backends.arithmetic import Float32
from schedc.backends.weights.weight_layout import FloatArray
from schedc.ir.contract import Contract
from schedc.ir.ops import Conv, Start
from schedc.loops.tap_parts import part_taps


def partial_sums(
    op: Conv, parts: int, parameters: Mapping[str, FloatArray], past: FloatArray, frames: int, contract: Contract
) -> FloatArray:
    """[kept channels, frames]: what parts 0 to ``parts`` - 2 had summed at the newest ``frames`` samples of ``past``.

    ``past``: [in_channels, at least the convolution's history], the newest last.
    """
    taps = part_taps(op, parts)
    sums = np.full((parts - 1, op.out_channels, frames), -0.0, np.float32)
    if op.start is Start.BIAS:
        sums[:] = parameters["bias"][:, None]
    if _only_signs_change(past, parameters["weight"], sums):
        return _of_zeros(parameters["weight"], sums, taps).reshape(-1, frames)
    arithmetic = Float32(contract)
    weight = parameters["weight"][:, :, :, None]  # [out, column, tap, 1]
    # The sums of part p are those of frames that lie this far ahead of the sample at which they were kept.
    ahead = [(parts - 1 - part) * taps for part in range(parts - 1)]
    with np.errstate(all="ignore"):
        for tap in range((parts - 1) * taps):
            begun = tap // taps  # parts before this one are through
            oldest = [past.shape[1] - frames + distance - op.history + tap for distance in ahead[begun:]]
            samples = np.stack([past[:, first : first + frames] for first in oldest])  # [part, column, frame]
            for column in range(op.columns):
                x = samples[:, None, column]
                sums[begun:] = arithmetic.mac(weight[:, column, tap], x, sums[begun:])
    return sums.reshape(-1, frames)


def _only_signs_change(past: FloatArray, weight: FloatArray, sums: FloatArray) -> bool:
    """Whether the past is +0.0, as in front of a model, and so are all products, and no sum would be flushed."""
    tiny = (sums != 0) & (np.abs(sums) < np.finfo(np.float32).tiny)
    return not (past.view(np.uint32).any() or tiny.any()) and bool(np.isfinite(weight).all())


def _of_zeros(weight: FloatArray, sums: FloatArray, taps: int) -> FloatArray:
    """``sums`` with the products of zeros added: nothing, but for -0.0, which the first product of +0.0 makes +0.0."""
    positive = np.logical_or.accumulate((~np.signbit(weight)).any(axis=1), axis=1)  # [out, tap]
    for part, row in enumerate(sums):
        row[(row == 0) & positive[:, (part + 1) * taps - 1, None]] = 0.0
    return sums
