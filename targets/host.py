"""Which description fits this machine, found without LLVM where that is possible."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

_CPUINFO_BYTES = 8192  # holds the first processor's lines; the others' cost the kernel time
_ZEN_4 = ("AuthenticAMD", "25")  # vendor and family; Zen 3 shares them and has no AVX-512


def quick_host_target() -> str | None:
    """zen4, avx512, avx2 or aarch64; None if only LLVM can tell."""
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        return "aarch64"
    if machine not in ("x86_64", "amd64"):
        return None
    return x86_target(_first_processor())


def _first_processor() -> dict[str, str]:
    """Linux's words for what processor and system can do together."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(_CPUINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in text.splitlines()):
        facts.setdefault(key.strip(), value.strip())
    return facts


def x86_target(facts: Mapping[str, str]) -> str | None:
    """The description for a processor that /proc/cpuinfo describes so."""
    flags = set(facts.get("flags", "").split())
    if {"avx512f", "avx512vl"} <= flags:
        return "zen4" if (facts.get("vendor_id"), facts.get("cpu family")) == _ZEN_4 else "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else None
