"""Machine code in executable memory without LLVM.

The code is written to an anonymous file, which is then sealed and mapped read-and-execute: memory is never
writable and executable at once, what runs cannot be changed through the file either, and the kernel keeps the
instruction cache right, as for any program it loads.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import numpy as np

from schedc.backends.objects.elf_code import read_code

_ALIGN = 64


class MappedCode:
    """Finished objects, mapped; they stay there as long as this lives.  Raises OSError where that is forbidden."""

    def __init__(self, objects: Sequence[bytes]) -> None:
        image = bytearray()
        offsets: dict[str, int] = {}
        for elf in objects:
            code = read_code(elf)
            image += bytes(-len(image) % _ALIGN)
            offsets.update({name: len(image) + offset for name, offset in code.symbols.items()})
            image += code.text
        self._map = _map(bytes(image))
        base = int(np.frombuffer(self._map, np.uint8).ctypes.data)
        self._addresses = {name: base + offset for name, offset in offsets.items()}

    def address(self, symbol: str) -> int:
        """Where a function is; 0 if there is none of that name."""
        return self._addresses.get(symbol, 0)


def can_map() -> bool:
    """Whether this system has anonymous files (Linux)."""
    return hasattr(os, "memfd_create")


def _map(image: bytes) -> mmap.mmap:
    import fcntl  # here, because Windows has none

    file = os.memfd_create("schedc", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(file), "wb") as writer:
            writer.write(image)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        return mmap.mmap(file, len(image), mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    finally:
        os.close(file)
