"""Tools that a test needs besides Python: what `make toolchains` installs."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
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


@functools.cache
def without_randomisation() -> tuple[str, ...]:
    """What to put before a sanitised program, where it is allowed.

    The sanitizers of GCC 12 and Clang 14 want parts of the address space that a kernel with
    ``vm.mmap_rnd_bits`` of 32 sometimes gives to others: the program then ends before ``main``.
    """
    command = ("setarch", os.uname().machine, "-R")
    if shutil.which(command[0]) is None:
        return ()
    return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else ()
