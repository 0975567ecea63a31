"""What every object of ours is, whatever file it comes in: one image of code and constants, and names in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A name for a place: ``value`` is its offset in bytes inside the image (bit 0 set: Thumb)."""

    name: str
    value: int
    size: int
    kind: str
    binding: str


@dataclass(frozen=True)
class Image:
    """Position-independent code that refers to nothing outside itself.

    ``machine`` is pyelftools' ``e_machine``; of ``symbols`` local ones come first.
    """

    machine: str
    text: bytes
    alignment: int
    symbols: tuple[Symbol, ...]

    def functions(self) -> list[tuple[str, int, bool]]:
        """(name, offset, exported) of the functions; ELF for Arm has further symbols, which mark code and data."""
        return [(s.name, s.value, s.binding != "STB_LOCAL") for s in self.symbols if s.kind == "STT_FUNC"]
