"""tanh and sigmoid of ``math=fast``: one rational function instead of an exponential and a division.

x P(x**2) / Q(x**2), minimax on |x| <= 7.9 and constant beyond.  ``TANH_ERROR`` and ``SIGMOID_ERROR`` bound the
absolute error over all numbers under every contract (``tests/differential/test_functions.py`` tries them all);
what is built on them (SiLU, gates, LSTM cells) inherits it.  Relative accuracy is lost where sigmoid is small.
"""

from __future__ import annotations

from typing import TypeVar

from schedc.ir.primitives import Primitives, divide_roughly, halves

V = TypeVar("V")

TANH_ERROR = 6e-7
SIGMOID_ERROR = 3e-7
_LIMIT = 7.9
_ABOVE = (0.9999991655349731, 0.12708722054958344, 0.002693538088351488, 7.150796136556892e-06, -6.1402301021473704e-09)
_BELOW = (0.4604174494743347, 0.022836025804281235, 0.00019645586144179106)  # of x**2 and up; 1 before them


def _clamp(p: Primitives[V], x: V, limit: float) -> V:
    low, high = p.constant(-limit), p.constant(limit)
    x = p.where_greater(x, high, high, x)
    return p.where_greater(low, x, low, x)


def _parts(p: Primitives[V], x: V, scale: float) -> tuple[V, V]:
    """scale**2 P and x / Q at ``scale * x``: their product is scale * tanh(scale * x)."""
    square = p.mul(x, x)
    fourth = p.mul(square, square)
    powers = [scale ** (2 * i) for i in range(5)]
    low, high = halves(p, square, fourth, [a * s * scale**2 for a, s in zip(_ABOVE, powers, strict=True)])
    b, c, d = (p.constant(a * s) for a, s in zip(_BELOW, powers[1:4], strict=True))
    denominator = p.mac(p.mac(d, square, c), fourth, p.mac(b, square, p.constant(1.0)))
    return p.mac(high, fourth, low), divide_roughly(p, x, denominator)


def tanh(p: Primitives[V], x: V) -> V:
    """Within ``TANH_ERROR``; odd; NaN stays NaN."""
    above, quotient = _parts(p, _clamp(p, x, _LIMIT), 1.0)
    return p.mul(above, quotient)


def sigmoid(p: Primitives[V], x: V) -> V:
    """(1 + tanh(x / 2)) / 2, within ``SIGMOID_ERROR``; never outside 0 to 1."""
    above, quotient = _parts(p, _clamp(p, x, 2 * _LIMIT), 0.5)
    return p.mac(above, quotient, p.constant(0.5))
