"""The blocks a call runs, without running it: from an instruction trace, or from loop counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schedc.analysis import instructions as k
from schedc.analysis.disassembly import MachineCode
from schedc.analysis.instructions import Instruction
from schedc.errors import UserError

_LIMIT = 20_000_000  # instructions; more is an endless walk


def read_trace(code: MachineCode, lines: Iterable[str]) -> list[tuple[int, int]]:
    """Blocks from one instruction address per line (hexadecimal, what follows is ignored)."""
    known = _by_address(code)
    blocks: list[tuple[int, int]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            address = int(words[0].rstrip(":"), 16) & (~1 if code.machine == "EM_ARM" else ~0)
        except ValueError:
            raise UserError("--trace", f"line {number} does not begin with a hexadecimal address") from None
        if address not in known:
            raise UserError("--trace", f"line {number}: no instruction of the object at {address:#x}")
        size = known[address].size
        if blocks and sum(blocks[-1]) == address and not _ends(known, blocks[-1]):
            blocks[-1] = (blocks[-1][0], blocks[-1][1] + size)
        else:
            blocks.append((address, size))
    return blocks


def _ends(known: Mapping[int, Instruction], block: tuple[int, int]) -> bool:
    """The block's last instruction can change the flow."""
    address, size = block
    last = next((known[address + size - step] for step in (2, 4) if known.get(address + size - step)), None)
    return last is not None and last.end == address + size and last.kind in k.FLOW


def walk_loops(code: MachineCode, entry: str, trips: Mapping[int, int]) -> list[tuple[int, int]]:
    """The blocks of one call of ``entry``.

    ``trips``: address of a conditional branch -> for a backward one, how often its loop's body runs each time
    the loop is entered; for a forward one, 1 if it is taken.  Forward branches are not taken otherwise;
    a backward one without a count is a UserError.
    """
    known = _by_address(code)
    rounds: dict[int, int] = {}
    returns: list[int] = []
    blocks: list[tuple[int, int]] = []
    at, start, steps = code.function(entry).address, code.function(entry).address, 0
    while True:
        instruction = known.get(at)
        steps += 1
        if instruction is None:
            raise UserError("--trips", f"the walk left the code at {at:#x}")
        if steps > _LIMIT:
            raise UserError("--trips", f"the walk did not end after {_LIMIT} instructions")
        following = instruction.end
        if instruction.kind in k.FLOW:
            blocks.append((start, instruction.end - start))
            next_at = _next(instruction, trips, rounds, returns)
            if next_at is None:
                return blocks
            at = start = next_at
            continue
        at = following


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
    rounds[instruction.address] = 0
    return instruction.end


def _by_address(code: MachineCode) -> dict[int, Instruction]:
    return {found.address: found for function in code.functions for found in code.body(function.name)}
