"""Loading finished objects through LLVM, for systems where we do not map code ourselves."""

from __future__ import annotations

from collections.abc import Sequence

from schedc.backends.llvm.target_machine import execution_engine
from schedc.targets.base import Target


class McjitCode:
    """Objects in executable memory; they stay there as long as this lives."""

    def __init__(self, objects: Sequence[bytes], target: Target) -> None:
        self._engine = execution_engine(target, objects=objects)

    def address(self, symbol: str) -> int:
        """Where a function is; 0 if there is none of that name."""
        address: int = self._engine.get_function_address(symbol)
        return address
