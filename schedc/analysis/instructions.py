"""Machine instructions as the pipeline models see them.

An instruction is a *kind* (a row of the target's timing table), the register units it reads and
writes, and the memory it touches.  A *unit* is the smallest piece of a register that another name can
alias: ``s0`` .. ``s63`` for Arm's floating-point file (``d5`` is ``s10`` and ``s11``), ``v0`` .. ``v31``
on AArch64, and the flags ``nzcv`` and ``fpscr``.
"""

from __future__ import annotations

from dataclasses import dataclass

# What an instruction costs is looked up by its kind; the mix of a report counts by these words, too.
FMA, MUL, ADD, DIVIDE, CONVERT = "fma", "mul", "add", "divide", "convert"
FLOAT_MOVE, FLOAT_COMPARE, FLOAT_STATUS, TRANSFER = "float_move", "float_compare", "float_status", "transfer"
FLOAT_LOGIC, VECTOR_COMPARE, PERMUTE = "float_logic", "vector_compare", "permute"
FLOAT_LOAD, FLOAT_STORE = "float_load", "float_store"
LOAD, STORE, INT, INT_SHIFTED, INT_MULTIPLY, INT_DIVIDE = (
    "load",
    "store",
    "int",
    "int_shifted",
    "int_multiply",
    "int_divide",
)
BRANCH, CALL, RETURN, IT, NOP = "branch", "call", "return", "it", "nop"

LOADS = frozenset({LOAD, FLOAT_LOAD})
STORES = frozenset({STORE, FLOAT_STORE})
ARITHMETIC = frozenset({FMA, MUL, ADD, DIVIDE, CONVERT})
FLOAT = ARITHMETIC | {FLOAT_MOVE, FLOAT_COMPARE, FLOAT_STATUS, FLOAT_LOGIC, VECTOR_COMPARE, PERMUTE}
FLOAT |= {TRANSFER, FLOAT_LOAD, FLOAT_STORE}
FLOW = frozenset({BRANCH, CALL, RETURN})


@dataclass(frozen=True)
class Access:
    """Memory at ``base`` (+ ``index``) + ``offset``; ``size`` in bytes, ``words`` transfers on a 32-bit bus."""

    base: str
    index: str
    offset: int
    size: int
    is_store: bool

    @property
    def words(self) -> int:
        return max(1, -(-self.size // 4))


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    ``chained``: the units read as an accumulator; ``data``: those a store writes out.  Both are part of
    ``reads``.  ``lanes``: floats per operand (1 scalar, 2 D, 4 Q).  ``target``: where a direct branch goes.
    ``pinned``: what it does depends on its place (PC-relative, flow, IT and what IT covers).
    """

    address: int
    size: int
    mnemonic: str
    operands: str
    kind: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    chained: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    access: Access | None = None
    lanes: int = 1
    target: int | None = None
    conditional: bool = False
    pinned: bool = False

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()

    def changed(self, **fields: object) -> Instruction:
        """With other ``fields``: as ``dataclasses.replace``, in a tenth of the time."""
        other = object.__new__(Instruction)
        other.__dict__.update(self.__dict__, **fields)
        return other

    @property
    def is_stack(self) -> bool:
        return self.access is not None and self.access.base in ("sp", "r13")


def float_units(name: str) -> tuple[str, ...]:
    """The units of an Arm floating-point register: ``s7``, ``d3``, ``q1``."""
    width = {"s": 1, "d": 2, "q": 4}[name[0]]
    first = int(name[1:]) * width
    return tuple(f"s{first + i}" for i in range(width))
