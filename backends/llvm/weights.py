"""Weights on their way from memory to the multiply-accumulate."""

from __future__ import annotations

from llvmlite import ir

from schedc.backends.llvm.builder import Builder, Value


class WeightReader:
    """Weights behind a pointer as splats, by constant index; ``lanes``: so many are fetched by one load."""

    def __init__(self, builder: Builder, pointer: Value, lanes: int) -> None:
        self._b, self._pointer, self._lanes = builder, pointer, lanes
        self._vectors: dict[int, Value] = {}

    def get(self, index: int) -> Value:
        b, lanes = self._b, self._lanes
        if lanes == 1:
            return b.splat(b.load(b.item(self._pointer, index), b.scalar))
        vector, lane = divmod(index, lanes)
        if vector not in self._vectors:
            self._vectors[vector] = b.load(b.item(self._pointer, vector * lanes), ir.VectorType(b.scalar, lanes))
        return b.shuffle(self._vectors[vector], [lane] * b.lanes)
