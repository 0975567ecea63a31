"""The names of schedc's own targets: of the descriptions in this folder."""

from __future__ import annotations

from importlib import resources
from typing import Literal, cast

# For type checkers, which look into no folder.  Tests hold it to the folder and say how to write it anew.
TargetName = Literal["a53", "a72", "a8", "aarch64", "avx2", "avx512", "m33", "zen4"]

DESCRIPTION_ENDING = ".yaml"


def _listed() -> tuple[str, ...]:
    files = (file.name for file in resources.files("schedc.targets").iterdir())
    return tuple(sorted(name.removesuffix(DESCRIPTION_ENDING) for name in files if name.endswith(DESCRIPTION_ENDING)))


TARGET_NAMES = cast(tuple[TargetName, ...], _listed())
