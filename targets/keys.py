"""What a target description may say: every key once, with its unit, its range and its meaning.

:mod:`schedc.targets.checks` holds files to this table; ``schedc targets --schema`` and docs/targets.md are made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from schedc.targets.instruction_sets import Machine
from schedc.targets.names import TARGET_NAMES

MAX_BLOCK = 8192
ENDINGS = (".yaml", ".yml")  # of descriptions; a target's name has none

Kind = Literal["text", "word", "words", "flag", "whole number", "number", "fact", "timing"]
# When a key must be there: in order, out of order and mac are those of the description itself.
Needed = Literal["always", "never", "in order", "out of order", "mac fused", "mac unfused"]


@dataclass(frozen=True)
class Key:
    """What stands behind a key.

    ``kind``: "fact" is ``{value, source}``, "timing" ``{issue, latency, blocks, source}``, numbers both.
    ``words``: what a text, or each of a list, may be.  ``default``: what leaving it out means, None where it is needed
    or nothing is meant.
    """

    kind: Kind
    meaning: str
    unit: str = ""
    least: float = 0
    most: float = 0
    words: tuple[str, ...] = ()
    needed: Needed = "always"
    default: object = None
    whole: bool = False  # of a fact's value


Table: TypeAlias = Mapping[str, "Key | Table"]


def _cycles(meaning: str, needed: Needed = "always", least: float = 0.01) -> Key:
    return Key("fact", meaning, "cycles", least, 10_000, needed=needed)


def _choice(meaning: str, *words: str) -> Key:
    return Key("word", meaning, words=words)


_FACTS: Table = {
    "clock_hz": Key("fact", "clock of a core", "Hz", 1e3, 1e12),
    "cores": Key("fact", "cores; more stages than these are warned of", "cores", 1, 1024, needed="never", whole=True),
    "sram_bytes": Key(
        "fact", "RAM, where there are no caches; decides what fits", "bytes", 1024, 2**40, needed="never", whole=True
    ),
    "bytes_per_core": Key(
        "fact", "the most state that a stage may have", "bytes", 1024, 2**40, needed="never", whole=True
    ),
    "fused_mac_cycles": _cycles("a vector's multiply-accumulate with one rounding", "mac fused"),
    "unfused_mac_cycles": _cycles("the same with two roundings", "mac unfused"),
    "mac_latency_cycles": _cycles("until a multiply-accumulate's sum can be added to"),
    "operation_cycles": _cycles("another arithmetic operation on a vector"),
    "divide_cycles": _cycles("a division of a vector"),
    "select_cycles": _cycles("a comparison and the choice it decides", "in order"),
    "load_cycles": _cycles("a load of a vector"),
    "store_cycles": _cycles("a store of a vector"),
    "weight_load_cycles": _cycles("a load of a weight into all lanes", "out of order"),
    "copy_cycles_per_float": _cycles("copying a float when a ring starts over"),
    "splice_cycles": _cycles("cutting a vector out of two", "out of order"),
    "forward_stall_cycles": _cycles("a load that straddles a store in flight", "out of order", 0),
    "line_crossing_cost": Key(
        "fact",
        "what an access across a cache line costs more, of one that crosses none",
        "accesses",
        0,
        100,
        needed="out of order",
    ),
    "narrowest_vector_cost": Key(
        "fact", "the narrowest vector's operation, of the widest's", "share", 0.01, 1, needed="out of order"
    ),
    "issue_width": Key("fact", "instructions that begin in a cycle", "instructions", 0.1, 64),
    "reorder_window": Key("fact", "instructions looked ahead", "instructions", 1, 100_000, needed="out of order"),
    "block_cycles": _cycles("start and end of a block of outputs", least=0),
    "tile_cycles": _cycles("loop and addresses of a tile", least=0),
    "call_cycles": _cycles("a kernel's call, and its rings' upkeep, once a block", least=0),
    "handoff_cycles_per_float": _cycles("a float from one core to the next", least=0),
    "synchronisation_cycles": _cycles("the cores' agreement on a block", least=0),
}

PIPELINE_MODELS = ("single_issue", "dual_issue_neon", "out_of_order")
_EVERY_KIND = (
    *("int", "int_shifted", "int_multiply", "int_divide", "load", "store", "float_load", "float_store"),
    *("fma", "mul", "add", "divide", "convert", "float_move", "float_compare", "float_status", "float_logic"),
    *("transfer", "branch", "call", "return", "nop"),
)
# What a model of a pipeline looks up: rows of instructions, and numbers of its own.
PIPELINE_KINDS: Mapping[str, tuple[str, ...]] = {
    "single_issue": (*_EVERY_KIND, "it"),
    "dual_issue_neon": (
        *_EVERY_KIND,
        *("it", "vector_compare", "permute", "scalar_add", "scalar_mul", "scalar_fma"),
    ),
    "out_of_order": (*_EVERY_KIND, "vector_compare", "permute"),
}
PIPELINE_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "single_issue": ("taken_cycles", "taken_paired_cycles", "bus_blocked", "store_data_late"),
    "dual_issue_neon": ("queue", "taken_cycles", "accumulator_early", "store_early"),
    "out_of_order": (*("decode", "vector_pipes", "load_pipes", "store_pipes", "int_pipes", "window", "fma_chained"),),
}
_OPTIONS: Table = {
    "taken_cycles": Key("fact", "a taken branch", "cycles", 0, 100, needed="never"),
    "taken_paired_cycles": Key(
        "fact", "a taken branch that pairs with what is before it", "cycles", 0, 100, needed="never"
    ),
    "bus_blocked": Key("fact", "1: loads and stores of floats wait like arithmetic", "", 0, 1, needed="never"),
    "store_data_late": Key(
        "fact", "how much later a store needs its data than its address", "cycles", 0, 100, needed="never"
    ),
    "queue": Key("fact", "NEON instructions that may wait", "instructions", 1, 1000, needed="never"),
    "accumulator_early": Key("fact", "how much later an accumulator is needed", "cycles", 0, 100, needed="never"),
    "store_early": Key("fact", "how much earlier a store needs its data", "cycles", 0, 100, needed="never"),
    "decode": Key("fact", "instructions decoded in a cycle", "instructions", 1, 64, needed="never"),
    "vector_pipes": Key("fact", "pipes of vector operations", "pipes", 1, 64, needed="never"),
    "load_pipes": Key("fact", "pipes of loads", "pipes", 1, 64, needed="never"),
    "store_pipes": Key("fact", "pipes of stores", "pipes", 1, 64, needed="never"),
    "int_pipes": Key("fact", "pipes of integer operations", "pipes", 1, 64, needed="never"),
    "window": Key(
        "fact", "instructions between the first and the last in flight", "instructions", 1, 100_000, needed="never"
    ),
    "fma_chained": Key(
        "fact", "a multiply-accumulate after one whose sum it adds to", "cycles", 0, 100, needed="never"
    ),
}
_KIND = Key("timing", "instructions of this kind", "cycles", 0, 1000, needed="never")

DESCRIPTION: Table = {
    "based_on": Key("word", "a target whose keys stand where none are given", words=TARGET_NAMES, needed="never"),
    "full_name": Key("text", "what people call the machine"),
    "codegen": {
        "triple": Key("text", "LLVM's triple; its first part decides the architecture"),
        "cpu": Key("text", "LLVM's name of a processor: code may use what it has"),
        "tune": Key("text", "LLVM's name of the processor that code is ordered for; left out: `cpu`'s", default=""),
        "features": Key("text", 'what code may use besides or must not, as "+fma,-fp64"', default=""),
        "pointer_bits": Key("whole number", "of an address; the triple's", "bits", 32, 64),
        "machine_scheduler": Key("flag", "LLVM may reorder instructions"),
    },
    "in_order": Key("flag", "instructions begin in program order"),
    "vectors": {
        "lanes": Key("whole number", "of a vector: 1, 4, 8 or 16", "floats", 1, 16),
        "registers": Key("whole number", "for floats or vectors of them", "registers", 8, 128),
        "weights": _choice(
            "how a weight meets a vector; scalar where there are no vectors", "broadcast", "lane", "scalar"
        ),
    },
    "limits": {
        "accumulators": Key("whole number", "that a tile's sums may take", "registers", 4, 128),
        "unroll_macs": Key("whole number", "of a tap loop that is written out", "multiply-accumulates", 1, 4096),
        "rewind_blocks": Key("whole number", "that a ring may hold at most", "blocks", 1, 1024),
        "rings": _choice("what happens at a ring's end", "rewind", "mirror", "mixed"),
        "loads_per_mac": Key(
            "number", "that a tap loop aims at, at most", "loads", 0.01, 100, needed="never", default=float("inf")
        ),
    },
    "mac": Key("words", "multiply-accumulates that the hardware has, the default first", words=("fused", "unfused")),
    "subnormals": Key("words", "what the hardware does with them", words=("keep", "flush")),
    "block": Key("whole number", "the largest block where none is asked for", "frames", 1, MAX_BLOCK),
    "emulator": Key("word", "what runs its code for verify; nothing: none does", words=("", *Machine), default=""),
    "facts": _FACTS,
    "pipeline": {
        "model": Key("word", "the analyser's kind of pipeline", words=PIPELINE_MODELS, needed="never"),
        "kinds": dict.fromkeys((kind for kinds in PIPELINE_KINDS.values() for kind in kinds), _KIND),
        "options": _OPTIONS,
    },
}
