"""Recipes: how a pass's folding of weights is done for each capture, at pack time.

Code never contains a capture, so a pass that changes weights (folding a batch norm, keeping some
rows) records what to do; :func:`schedc.ir.weights.apply_recipes` does it to any capture's table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FoldBatchNorm:
    """Scale the rows of ``conv`` and give it a bias: W' = s W, b' = s b + beta - s mean."""

    conv: str
    batch_norm: str


@dataclass(frozen=True)
class KeepRows:
    """Keep rows [begin, end) of ``node``'s per-channel parameters."""

    node: str
    begin: int
    end: int


Recipe = FoldBatchNorm | KeepRows
