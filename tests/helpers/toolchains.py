"""Tools that a test needs besides Python: what `make toolchains` installs."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need(*tools: str) -> None:
    """Skip the test when a tool is missing, or fail it where the tools are required."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        lack(", ".join(missing))


def lack(tools: str) -> NoReturn:
    """The tools are missing: skip the test, or fail it where they are required."""
    reason = f"not installed: {tools} (make toolchains)"
    if os.environ.get("SCHEDC_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
