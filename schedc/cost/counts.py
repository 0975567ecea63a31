"""What code does, counted by kind: each kind a field, so that no kind can be misspelt."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counts:
    """Operations of a tile, of whole vectors of ``lanes`` floats (of scalars without a vector unit).

    Counted node by node into one object; counts of several add up.
    """

    # Multiply-accumulates of convolutions and gates.
    macs: float = 0
    # Loads of whole vectors: samples, and weights where those are vectors.
    loads: float = 0
    # Loads of single floats into all lanes (lane by lane where a target multiplies by lanes): weights, start values,
    # constants.
    weights: float = 0
    # Stores of whole vectors, or of single floats where vectors are scattered.
    stores: float = 0
    # Other float and bit operations; a selection is two: a comparison and the choice.
    arithmetic: float = 0
    # Those of ``arithmetic`` that are a polynomial's multiply-accumulates.
    multiply_adds: float = 0
    # Selections in ``arithmetic``: half of the operations that they take there.
    selects: float = 0
    # Operations of activations that wait for each other, of one vector.
    dependent: float = 0
    # Divisions of vectors.
    divisions: float = 0
    # Copies: a start value for each further vector, a lane for a scalar's row, a lane into all lanes.
    moves: float = 0
    # Dependent multiply-accumulates, one block of outputs after the other.
    chain: float = 0
    # Blocks of outputs, each with a start and an end.
    blocks: float = 0
    # Vectors of samples that are cut out of two.
    splices: float = 0
    # Convolutions some load of which covers only a part of what the tile's frames were stored by.
    straddles: float = 0
    # Loads of samples that are operands of multiply-accumulates, where a vector is channels of one frame.
    folded: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(operator.add, _values(self), _values(other)))

    @property
    def memory(self) -> float:
        """Loads and stores that are instructions of their own."""
        return self.loads + self.weights + self.stores

    @property
    def instructions(self) -> float:
        return self.macs + self.arithmetic + self.divisions + self.moves + self.splices + self.memory


_values = operator.attrgetter(*(field.name for field in fields(Counts)))
