"""Which description fits this machine, found without LLVM where that is possible."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO_BYTES = 8192  # holds the first processor's lines; the others' cost the kernel time


def quick_host_target() -> str | None:
    """avx512, avx2 or aarch64; None if only LLVM can tell."""
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        return "aarch64"
    if machine not in ("x86_64", "amd64"):
        return None
    return _by_flags(_cpu_flags())


def _cpu_flags() -> frozenset[str]:
    """Linux's words for what processor and system can do together."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(_CPUINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _by_flags(flags: frozenset[str]) -> str | None:
    if {"avx512f", "avx512vl"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else None
