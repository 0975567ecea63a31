"""What one number of a stream, a weight or a state is in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ElementType:
    """``name``: NumPy's word for it; ``bytes``: of one element, which it is aligned to."""

    name: str
    bytes: int

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """As it lies in memory and in blobs, little-endian on every machine."""
        return np.dtype(self.name).newbyteorder("<")

    def items(self, size: int) -> int:
        """How many lie in ``size`` bytes."""
        return size // self.bytes


FLOAT32 = ElementType("float32", 4)
