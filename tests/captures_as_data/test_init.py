"""Init functions refuse what they are not given rightly, without touching the state, on every target."""

from __future__ import annotations

import pytest
from helpers.captures import capture_of, compile_for, graph_of, packed
from helpers.machines import TARGETS

from schedc.backends.weights.blob_reader import BlobFault, find_fault
from schedc.backends.weights.weight_blob import HEADER_BYTES
from schedc.compiler import Compilation
from schedc.ir.ops import Conv, LstmCell
from schedc.machines import Memory, machine_for

GRAPH = graph_of(("c", Conv(1, 3, 3, 4), "x"), ("l", LstmCell(3, 2), "c"), ("d", Conv(2, 1, 2), "l"))
CRC = range(28, 32)  # the bytes of the header that only the checker looks at


class Inits:
    """The init functions of a compilation on its machine; what each returns for other pointers and bytes."""

    def __init__(self, compilation: Compilation) -> None:
        self.machine: Memory = machine_for(compilation)
        self.blob = packed(compilation, capture_of(GRAPH))
        self.size = compilation.state_bytes
        stages = len(compilation.program.stages)
        numbers = range(stages) if stages > 1 else ()
        self.names = [f"{compilation.name}_init", *(f"{compilation.name}_stage{k}_init" for k in numbers)]
        self.state, self.weights = self.machine.alloc(self.size + 4), self.machine.alloc(len(self.blob) + 4)

    def results(self, blob: bytes, state: int | None = None, weights: int | None = None) -> set[int]:
        """Of all functions, with ``blob`` at the weights' place; a refusal leaves the state alone."""
        untouched = b"\x5a" * (self.size + 4)
        self.machine.write(self.state, untouched)
        self.machine.write(self.weights, blob)
        state, weights = self.state if state is None else state, self.weights if weights is None else weights
        found = {self.machine.call(name, state, weights) for name in self.names}
        changed = self.machine.read(self.state, self.size + 4) != untouched
        assert changed == (0 in found)
        return found


@pytest.fixture(scope="module", params=[(target, cores) for target in TARGETS for cores in (1, 2)], ids=str)
def inits(request: pytest.FixtureRequest) -> Inits:
    target, cores = request.param
    return Inits(compile_for(GRAPH, target, cores=cores, block=8))


def test_every_flipped_bit_of_the_header_but_the_crc_is_refused_as_the_checker_refuses_it(inits: Inits) -> None:
    digest, total = inits.blob[8:24], len(inits.blob)
    assert inits.results(inits.blob) == {BlobFault.OK}
    met = set()
    for bit in range(8 * HEADER_BYTES):
        changed = bytearray(inits.blob)
        changed[bit // 8] ^= 1 << bit % 8
        wanted = BlobFault.OK if bit // 8 in CRC else find_fault(bytes(changed), digest, total)
        assert inits.results(bytes(changed)) == {wanted}, f"bit {bit}"
        met.add(wanted)
    assert met == set(BlobFault) - {BlobFault.MISALIGNED}


def test_null_pointers_and_odd_addresses_are_refused(inits: Inits) -> None:
    for odd in (1, 2, 3):
        assert inits.results(inits.blob, state=inits.state + odd) == {BlobFault.MISALIGNED}
        assert inits.results(inits.blob, weights=inits.weights + odd) == {BlobFault.MISALIGNED}
    assert inits.results(inits.blob, state=0) == inits.results(inits.blob, weights=0) == {BlobFault.MISALIGNED}
    assert inits.results(inits.blob, state=inits.state + 4) == {BlobFault.OK}


def test_damage_behind_the_header_is_for_the_checker(inits: Inits) -> None:
    damaged = inits.blob[:-1] + b"\x55"
    assert find_fault(damaged, inits.blob[8:24], len(inits.blob)) is BlobFault.DAMAGED
    assert inits.results(damaged) == {BlobFault.OK}
