"""The small op set: every NAM architecture is a composition of these.

An op works on *streams*, ``[channels]`` float32 per sample.  An op holds shapes only; its numbers
live in a weight table keyed by node name (:class:`schedc.ir.weights.WeightTable`), so two captures
of one architecture give equal graphs.  The meaning of each op, in exact operation order, is
:mod:`schedc.backends.interpreter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActivationKind(StrEnum):
    TANH = "tanh"
    HARDTANH = "hardtanh"
    FASTTANH = "fasttanh"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    PRELU = "prelu"
    SIGMOID = "sigmoid"
    SILU = "silu"
    HARDSWISH = "hardswish"
    LEAKY_HARDTANH = "leaky_hardtanh"
    SOFTSIGN = "softsign"
