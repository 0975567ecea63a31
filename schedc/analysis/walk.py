"""The blocks a call runs, without running it: from an instruction trace, or from loop counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.instructions import Instruction
from schedc.errors import UserError
from schedc.targets.instruction_sets import ARM

_MOST_BLOCKS = 200_000
_DEEPEST = 64  # calls


def read_trace(code: MachineCode, lines: Iterable[str]) -> list[tuple[int, int]]:
    """Blocks from one instruction address per line (hexadecimal, what follows is ignored)."""
    blocks: list[tuple[int, int]] = []
    previous = ""
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            address = int(words[0].rstrip(":"), 16) & (~1 if code.machine == ARM.title else ~0)
        except ValueError:
            raise UserError("--trace", f"line {number} does not begin with a hexadecimal address") from None
        instruction = code.instruction(address)
        if instruction is None:
            raise UserError("--trace", f"line {number}: no instruction of the object at {address:#x}")
        size = instruction.size
        if blocks and sum(blocks[-1]) == address and previous not in k.FLOW:
            blocks[-1] = (blocks[-1][0], blocks[-1][1] + size)
        else:
            blocks.append((address, size))
        previous = instruction.kind
    if not blocks:
        raise UserError("--trace", "has no addresses", "one a line, in hexadecimal")
    return blocks


def walk_loops(code: MachineCode, entry: str, trips: Mapping[int, int]) -> list[tuple[int, int]]:
    """The blocks of one call of ``entry``.

    ``trips``: address of a conditional branch -> for a backward one, how often its loop's body runs each time
    the loop is entered; for a forward one, 1 if it is taken.  Forward branches are not taken otherwise;
    a backward one without a count is a UserError.
    """
    ends: dict[int, Instruction] = {}
    rounds: dict[int, int] = {}
    returns: list[int] = []
    blocks: list[tuple[int, int]] = []
    visited: set[tuple[object, ...]] = set()
    at: int | None = code.function(entry).address
    while at is not None:
        if at not in ends:
            ends[at] = _end_of_block(code, at)
        blocks.append((at, ends[at].end - at))
        state = at, tuple(returns), tuple(rounds.items())
        if state in visited or len(returns) > _DEEPEST:
            remedy = "give the forward branch that leaves the loop a count of 1"
            raise UserError("--trips", f"the walk goes round for ever at {at:#x}", remedy)
        if len(blocks) > _MOST_BLOCKS:
            raise UserError("--trips", f"the walk did not end after {_MOST_BLOCKS} basic blocks", "give smaller counts")
        visited.add(state)
        at = _next(ends[at], trips, rounds, returns)
    return blocks


def _end_of_block(code: MachineCode, at: int) -> Instruction:
    """The first instruction from ``at`` on that changes the flow."""
    while True:
        instruction = code.instruction(at)
        if instruction is None:
            raise UserError("--trips", f"the walk left the code at {at:#x}")
        if instruction.kind in k.FLOW:
            return instruction
        at = instruction.end


def _next(instruction: Instruction, trips: Mapping[int, int], rounds: dict[int, int], returns: list[int]) -> int | None:
    """Where a branch, call or return goes; None when the entry function returns."""
    if instruction.kind == k.RETURN and not instruction.conditional:
        return returns.pop() if returns else None
    if instruction.kind == k.RETURN:
        return instruction.end  # a conditional return stands before the work: the work is done
    if instruction.target is None:
        raise UserError("--trips", f"the target of {instruction.text} at {instruction.address:#x} is not known")
    if instruction.kind == k.CALL:
        returns.append(instruction.end)
        return instruction.target
    if not instruction.conditional:
        return instruction.target
    if instruction.target > instruction.address:
        return instruction.target if trips.get(instruction.address) else instruction.end
    if instruction.address not in trips:
        raise UserError(
            "--trips", f"the loop that ends with {instruction.text} at {instruction.address:#x} has no count"
        )
    rounds[instruction.address] = rounds.get(instruction.address, 0) + 1
    if rounds[instruction.address] < trips[instruction.address]:
        return instruction.target
    del rounds[instruction.address]
    return instruction.end
