"""A weight blob in this machine's memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schedc.backends.weights.blob_reader import read_header
from schedc.backends.weights.weight_blob import HEADER_BYTES
from schedc.host.job_table import aligned_bytes


class Weights:
    """A capture packed for one architecture's code on this machine; any number of processors share it.

    ``data``: the blob, read-only, 64-byte aligned, at ``address``.  ``digest``: of the code that it is for, as it
    states.  ``sample_rate``: Hz, the capture's, None if not known.
    """

    def __init__(self, blob: bytes, sample_rate: float | None) -> None:
        self.data: npt.NDArray[np.uint8] = aligned_bytes(len(blob))
        self.data[:] = np.frombuffer(blob, np.uint8)
        self.data.flags.writeable = False
        self.sample_rate = sample_rate
        # Known from here on, because swaps are to be short.
        self.address = int(self.data.ctypes.data)
        self.digest = read_header(blob[:HEADER_BYTES]).digest

    def __len__(self) -> int:
        return self.data.size

    def __repr__(self) -> str:
        rate = "" if self.sample_rate is None else f", {self.sample_rate:.10g} Hz"
        return f"<Weights: {len(self):,} bytes for code {self.digest.hex()[:8]}{rate}>"

    def __reduce__(self) -> tuple[type[Weights], tuple[bytes, float | None]]:
        """Copies, and those in other processes, have memory of their own."""
        return Weights, (self.data.tobytes(), self.sample_rate)
