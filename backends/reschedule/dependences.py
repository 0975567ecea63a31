"""What must stay in order inside a straight piece of code.

Values, not registers: a scalar floating-point register that is only ever written whole by instructions that
can be re-encoded is split into *webs*, each a value or an accumulator updated in place, which a
scheduler may put into another register.  Every other unit keeps all its orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schedc.analysis import instructions as k
from schedc.analysis.instructions import Access, Instruction

_RENAMABLE = k.ARITHMETIC | {k.FLOAT_MOVE, k.FLOAT_COMPARE, k.FLOAT_LOAD, k.FLOAT_STORE}


@dataclass
class Web:
    """A value through its updates.  ``home``: its register in the original code; ``fixed``: must stay there."""

    home: str
    fixed: bool
    members: list[int] = field(default_factory=list)  # instructions that write it, in order
    uses: list[int] = field(default_factory=list)  # instructions that read it
    live_in: bool = False
    live_out: bool = False


@dataclass
class Region:
    """``edges[i]``: j -> cycles from i's issue to j's, at least; ``reads``/``writes``: unit -> web, per instruction.

    ``free``: registers without a value at the start; ``reusable``: those that may take any web once free.
    """

    code: tuple[Instruction, ...]
    webs: list[Web]
    reads: list[dict[str, int]]
    writes: list[dict[str, int]]
    edges: list[dict[int, int]]
    free: tuple[str, ...] = ()
    reusable: frozenset[str] = frozenset()


_SCALARS = frozenset(f"s{number}" for number in range(32))


def is_scalar(unit: str) -> bool:
    """A single-precision register that the scalar instructions can name."""
    return unit in _SCALARS


def can_rename(instruction: Instruction) -> bool:
    """Its floating-point operands are single registers with the usual encoding."""
    scalars = [unit for unit in (*instruction.reads, *instruction.writes) if is_scalar(unit)]
    if not scalars:
        return True
    one = instruction.access is None or (instruction.mnemonic in ("vldr", "vstr") and instruction.access.size == 4)
    fixed_point = instruction.kind == k.CONVERT and "#" in instruction.operands
    return instruction.kind in _RENAMABLE and instruction.lanes == 1 and one and not instruction.pinned | fixed_point


def build_region(
    code: Sequence[Instruction], live: frozenset[str], latency: dict[str, int], tainted: frozenset[str]
) -> Region:
    """Dependences of ``code``; ``live``: units live after it; ``tainted``: registers that may point to the stack."""
    stuck = {u for i in code if not can_rename(i) for u in (*i.reads, *i.writes) if is_scalar(u)}
    region = Region(tuple(code), [], [], [], [{} for _ in code])
    current: dict[str, int] = {}
    for index, instruction in enumerate(code):
        reads: dict[str, int] = {}
        for unit in instruction.reads:
            if is_scalar(unit) and unit not in stuck:
                web = current.get(unit)
                if web is None:
                    web = current[unit] = _new(region, Web(unit, True, live_in=True))
                reads[unit] = web
                region.webs[web].uses.append(index)
                _after_value(region, web, index, latency)
        region.reads.append(reads)
        writes: dict[str, int] = {}
        for unit in instruction.writes:
            if is_scalar(unit) and unit not in stuck:
                in_place = unit in instruction.reads
                web = current[unit] if in_place else _new(region, Web(unit, False))
                if in_place:
                    _after_uses(region, web, index)
                current[unit] = web
                writes[unit] = web
                region.webs[web].members.append(index)
        region.writes.append(writes)
    for unit, web in current.items():
        if unit in live:
            region.webs[web].live_out = region.webs[web].fixed = True
    _home_orders(region)
    _plain_orders(region, stuck, latency)
    _memory_orders(region, tainted)
    blocked = stuck | live
    region.reusable = frozenset(f"s{i}" for i in range(32) if f"s{i}" not in blocked)
    taken = {web.home for web in region.webs if web.live_in}
    region.free = tuple(f"s{i}" for i in range(32) if f"s{i}" in region.reusable - taken)
    return region


def _home_orders(region: Region) -> None:
    """Of two values that must live in one register, the earlier one is used up first."""
    homes: dict[str, Web] = {}
    for web in region.webs:
        if not web.fixed:
            continue
        earlier = homes.get(web.home)
        if earlier is not None and web.members:
            for index in (*earlier.members, *earlier.uses):
                _add(region, index, web.members[0], 0)
        homes[web.home] = web


def _new(region: Region, web: Web) -> int:
    region.webs.append(web)
    return len(region.webs) - 1


def _add(region: Region, before: int, after: int, cycles: int) -> None:
    if before != after:
        region.edges[before][after] = max(cycles, region.edges[before].get(after, 0))


def _after_value(region: Region, web: int, index: int, latency: dict[str, int]) -> None:
    members = region.webs[web].members
    if members:
        _add(region, members[-1], index, latency[region.code[members[-1]].kind])


def _after_uses(region: Region, web: int, index: int) -> None:
    """An update in place waits for the readers of the old value."""
    members = region.webs[web].members
    since = members[-1] if members else -1
    for use in region.webs[web].uses:
        if since < use < index:
            _add(region, use, index, 0)


def _plain_orders(region: Region, stuck: set[str], latency: dict[str, int]) -> None:
    """Read after write, write after read and write after write of units that keep their names."""
    writer: dict[str, int] = {}
    readers: dict[str, list[int]] = {}
    for index, instruction in enumerate(region.code):
        for unit in instruction.reads:
            if not is_scalar(unit) or unit in stuck:
                if unit in writer:
                    late = region.code[writer[unit]]
                    base = late.access is not None and unit == late.access.base
                    _add(region, writer[unit], index, 1 if base else latency[late.kind])
                readers.setdefault(unit, []).append(index)
        for unit in instruction.writes:
            if not is_scalar(unit) or unit in stuck:
                for reader in readers.pop(unit, []):
                    _add(region, reader, index, 0)
                if unit in writer:
                    _add(region, writer[unit], index, 1)
                writer[unit] = index


@dataclass(frozen=True)
class _Place:
    """What an access says of the bytes it touches.  ``base``: the register, and which of its values in the region."""

    access: Access
    base: tuple[str, int]
    moves: bool  # the instruction changes the base
    tainted: bool

    def is_disjoint(self, other: _Place) -> bool:
        """They cannot touch the same byte."""
        a, b = self.access, other.access
        if a.index or b.index:
            return False
        if self.base == other.base and not (self.moves or other.moves):
            return a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
        return (a.base == "sp") != (b.base == "sp") and not (self.tainted or other.tainted)


def _memory_orders(region: Region, tainted: frozenset[str]) -> None:
    """Loads pass loads; a store keeps its place among all accesses that may touch the same bytes.

    Orders that follow from others are left out: ``before[i]`` are accesses known to come before the store ``i``.
    """
    version: dict[str, int] = {}
    loads: list[tuple[int, _Place]] = []
    stores: list[tuple[int, _Place]] = []
    before: dict[int, set[int]] = {}
    for index, instruction in enumerate(region.code):
        access = instruction.access
        if access is not None:
            base = (access.base, version.get(access.base, 0))
            place = _Place(access, base, access.base in instruction.writes, access.base in tainted)
            known: set[int] = set()
            for earlier, other in reversed(stores):
                if earlier not in known and not other.is_disjoint(place):
                    _add(region, earlier, index, 1)
                    known |= before[earlier]
                    known.add(earlier)
            if access.is_store:
                for earlier, other in loads:
                    if earlier not in known and not other.is_disjoint(place):
                        _add(region, earlier, index, 0)
                        known.add(earlier)
                before[index] = known
            (stores if access.is_store else loads).append((index, place))
        for unit in instruction.writes:
            version[unit] = index + 1
