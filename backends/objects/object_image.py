"""What every object of ours is, whatever file it comes in: one image of code and constants, and names in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A name for a place: ``value`` is its offset in bytes inside the image (bit 0 set: Thumb).

    ``hidden``: of an exported name, that it ends with the module it is linked into.
    """

    name: str
    value: int
    size: int
    kind: str
    binding: str
    hidden: bool = False

    @property
    def exported(self) -> bool:
        return self.binding != "STB_LOCAL"


@dataclass(frozen=True)
class Image:
    """Position-independent code that refers to nothing outside itself.

    ``machine`` is pyelftools' ``e_machine``; of ``symbols`` local ones come first.
    """

    machine: str
    text: bytes
    alignment: int
    symbols: tuple[Symbol, ...]

    def functions(self) -> list[Symbol]:
        """The functions; ELF for Arm has further symbols, which mark code and data."""
        return [symbol for symbol in self.symbols if symbol.kind == "STT_FUNC"]
