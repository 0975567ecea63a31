"""Golden files: small, readable, compared as text; one command refreshes them."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "golden"
REFRESH = "SCHEDC_REFRESH_GOLDENS"


def assert_golden(name: str, found: str) -> None:
    """``found`` is what ``tests/golden/NAME`` holds; SCHEDC_REFRESH_GOLDENS=1 writes it instead."""
    path = FOLDER / name
    if os.environ.get(REFRESH):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
        return
    wanted = path.read_text(encoding="utf-8") if path.exists() else ""
    if found == wanted:
        return
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), f"golden/{name}", "found", lineterm="")
    pytest.fail(
        "\n".join(
            [*lines, "", f"if this is right: {REFRESH}=1 python -m pytest tests/ir tests/backends/test_tap_loops.py"]
        ),
        pytrace=False,
    )
