"""What this machine's processor executes, from the system's words alone; some questions only LLVM can answer."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from pathlib import Path

from schedc.targets.base import Codegen
from schedc.targets.instruction_sets import INSTRUCTION_SETS

Facts = Mapping[str, str]

_CPUINFO_BYTES = 8192  # holds the first processor's lines; the others' cost the kernel time
_ZEN_4 = ("AuthenticAMD", "25")  # vendor and family; Zen 3 shares them and has no AVX-512
# LLVM's name of a feature -> Linux's, for all that the descriptions list.
_FLAGS = {
    **{name: name for name in ("ssse3", "popcnt", "avx", "avx2", "fma", "f16c", "bmi2", "movbe")},
    **{name: name for name in ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")},
    "sse3": "pni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "bmi": "bmi1",
    "lzcnt": "abm",
    "fp-armv8": "fp",
    "neon": "asimd",
}
_KIND = (
    *("vendor_id", "cpu family", "model", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)


def architecture(name: str | None = None) -> str:
    """A machine's name (default: this one's) as the triples of target descriptions begin."""
    machine = (name or platform.machine()).lower()
    hosts = (one for one in INSTRUCTION_SETS if one.host and machine in one.host.system_names)
    return next((one.name for one in hosts), machine)


@functools.cache
def processor_facts() -> Facts:
    """Linux's words for what processor and system can do together; empty elsewhere."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(_CPUINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in text.splitlines()):
        facts.setdefault(key.strip(), value.strip())
    return facts


def quick_executes(codegen: Codegen, facts: Facts) -> bool | None:
    """Whether a processor of the code's architecture, with these facts, executes it; None if only LLVM can tell."""
    host = codegen.instruction_set.host
    flags = facts.get(host.flag_line, "").split() if host else []
    wanted = {name[1:] for name in codegen.features.split(",") if name.startswith("+")}
    if not host or not flags or codegen.cpu != host.baseline or not wanted <= _FLAGS.keys():
        return None
    return {_FLAGS[name] for name in wanted} <= set(flags)


def quick_kind(facts: Facts) -> str:
    """What distinguishes a processor from others, in what it executes and in its model; "" if only LLVM can tell."""
    return " ".join(facts[key] for key in _KIND if key in facts)


def candidates(machine: str, facts: Facts) -> tuple[str, ...]:
    """The descriptions that a machine of this architecture may fit, the best first."""
    if machine == "x86_64":
        zen_4 = (facts.get("vendor_id"), facts.get("cpu family")) == _ZEN_4
        return ("zen4" if zen_4 else "avx512", "avx2")
    return ("aarch64",) if machine == "aarch64" else ()
