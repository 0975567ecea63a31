"""The C99 header that goes with an object."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from schedc.backends.c.calls import CHECK_INCLUDES, Function, checked_calls, process_any
from schedc.backends.c.checker import checker_function, checker_macros
from schedc.backends.llvm.module import StateLayout
from schedc.ir.contract import Contract
from schedc.ir.ops import RecurrentCell
from schedc.ir.program import Program
from schedc.ir.receptive_field import receptive_field
from schedc.version import MADE_BY

ALIGNMENT = 64


@dataclass(frozen=True)
class HeaderFacts:
    """What the header states besides the program.  ``sample_rate``: Hz, None where captures may differ in it."""

    name: str
    target: str
    contract: Contract
    layout: StateLayout
    weights_bytes: int
    layout_digest: bytes
    sample_rate: float | None
    version: str
    float_mode: str  # what a caller must know of it, in sentences


def c_header(program: Program, facts: HeaderFacts) -> str:
    """The header's text: macros for every size, the functions, how the stages work together."""
    macro, name = facts.name.upper(), facts.name
    arenas = [stage.arena for stage in program.stages if stage.arena]
    stages = len(arenas)
    channels_in = program.graph.in_channels
    channels_out = program.graph.out_channels
    process = Function(
        f"{name}_process",
        "const float *in",
        f"4 * {macro}_IN_CHANNELS * (size_t)n",
        "float *out",
        f"4 * {macro}_OUT_CHANNELS * (size_t)n",
        in_place=True,
    )
    lines = [
        f"/* {name}: {MADE_BY} {facts.version} for target {facts.target}. Contract: {facts.contract}.",
        " * The object has no undefined symbols, allocates nothing, takes no locks and makes no calls outside",
        " * itself. It holds no capture: any weight blob packed for this architecture and schedule will do.",
        *_comment(f"Floating-point mode: {facts.float_mode}"),
        f"#ifndef {macro}_H",
        f"#define {macro}_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        *CHECK_INCLUDES,
        "",
        f"#define {macro}_STATE_BYTES {facts.layout.total_bytes}",
        f"#define {macro}_STATE_ALIGN {ALIGNMENT} /* recommended; 4 is enough to be correct */",
        f"#define {macro}_WEIGHTS_BYTES {facts.weights_bytes}",
        f"#define {macro}_WEIGHTS_ALIGN {ALIGNMENT} /* as for the state */",
        f"#define {macro}_MAX_BLOCK {program.block}",
        f"#define {macro}_IN_CHANNELS {channels_in}",
        f"#define {macro}_OUT_CHANNELS {channels_out}",
        _rate_line(macro, facts.sample_rate),
        f"#define {macro}_LATENCY_SAMPLES 0 /* of {name}_process */",
        f"#define {macro}_STAGES {stages}",
        "",
        f"/* What the init functions and {name}_check_weights return. */",
        *checker_macros(macro),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"/* The capture's blob, where {name}_weights.c or {name}_weights.S is linked; others come from elsewhere. */",
        f"extern const unsigned char {name}_weights[{macro}_WEIGHTS_BYTES];",
        "",
        "/* Fill the state with the blob's start: the response to silence, or zeros if packed with --no-prewarm.",
        " * state: STATE_BYTES of memory, any content. Returns OK, or why",
        " * nothing was written: MISALIGNED (state or weights), NOT_A_BLOB, WRONG_ARCHITECTURE, TRUNCATED (another",
        " * size is stated) or DAMAGED (of the header's last 32 bytes). That is what the blob's first 64 bytes tell;",
        f" * only {name}_check_weights looks at the weights themselves, and at how many bytes there really are. */",
        f"int {name}_init(void *state, const void *weights);",
        "",
        "/* n samples, 1 <= n <= MAX_BLOCK. in: IN_CHANNELS rows of n floats, one after the other; out likewise",
        " * with OUT_CHANNELS. out may be in. One call at a time per state; weights are only read, and any number of",
        " * states may share them: a further instance costs STATE_BYTES.",
        *_nonfinite(program, facts),
        f"{process.declaration};",
    ]
    if stages > 1:
        lines += _stage_lines(name, macro, program)
    lines += checked_calls(name, [process, *_stage_functions(name, macro, stages)])
    lines += process_any(name, channels_in, channels_out, program.block)
    lines += _SWAP
    lines += checker_function(name, facts.layout_digest, facts.weights_bytes)
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif"]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    """Lines that go on in a comment and end it."""
    return textwrap.wrap(f"{text} */", 112, initial_indent=" * ", subsequent_indent=" * ")


def _rate_line(macro: str, sample_rate: float | None) -> str:
    if sample_rate is None:
        return f"/* No {macro}_SAMPLE_RATE: each capture has its own, rate_hz in batch.jsonl. */"
    return f"#define {macro}_SAMPLE_RATE {sample_rate:.10g} /* Hz */"


def _nonfinite(program: Program, facts: HeaderFacts) -> list[str]:
    """What becomes of NaN and infinity, as the end of a comment."""
    if facts.contract.nonfinite == "zero":
        return _comment("NaN and infinity in `in` are taken as 0.")
    reach = receptive_field(program.graph)
    cell = next((node.op.title for node in program.graph if isinstance(node.op, RecurrentCell)), "")
    until = f"of {reach} samples at most" if reach else f"from there on: {cell} keeps it until {facts.name}_init"
    text = "NaN and infinity in `in` are calculated with like any number, and what they reach may be NaN: the output"
    return _comment(f"{text} {until}. Code compiled with `--nonfinite zero` takes them as 0.")


_SWAP = """
/* Another capture while playing, without locks or waiting on the audio side. A state belongs to the weights it was
 * initialised with, so what is swapped is a pointer to a pair of both:
 *   control thread   check the new blob, init a second state with it, store the pair's address to `next` (release);
 *   audio thread     before each block load `next` (acquire), process with that pair, then store the same address
 *                    to `playing` (release);
 *   control thread   the old pair may be freed or used again once `playing` (acquire) is the new one.
 * Every block is then the work of one capture alone; the new one starts from its blob's start. To fade over N samples,
 * process both pairs and mix cos(a) * old + sin(a) * new, a = pi / 2 * (i + 1) / (N + 1). With stages on several
 * cores the pair travels with its block: every stage switches at the same one. */""".splitlines()


def _stage_lines(name: str, macro: str, program: Program) -> list[str]:
    arenas = [stage.arena for stage in program.stages if stage.arena]
    handoff_bytes = [arena.handoff_bytes for arena in arenas]
    last = len(arenas) - 1
    lines = [
        "",
        f"/* The same model cut into {last + 1} stages, one per core; run one after the other they give the bits of",
        f" * {name}_process. Each owns its state. Stage k writes a handoff that stage k + 1 reads with the same n;",
        " * a handoff may be reused once stage k + 1 has returned. With a ring of handoffs the stages run at the",
        " * same time, one block apart: the output then lags by (STAGES - 1) blocks. Everything that crosses the",
        " * cut (residual, head sum so far, condition) is in the handoff, a buffer of the caller's; hand it over",
        f" * with release and acquire ordering. {name}_pipeline.h has all of that ready. A stage runs the kernels",
        " * from its FIRST_KERNEL to the next one's, where `schedc compile --split` cut: */",
    ]
    begin = 0
    for number, stage in enumerate(program.stages):
        names = f"{stage.kernels[0].name} to {stage.kernels[-1].name}"
        lines.append(f"#define {macro}_STAGE{number}_FIRST_KERNEL {begin} /* {names} */")
        begin += len(stage.kernels)
    lines.append(f"#define {macro}_KERNELS {begin}")
    for number, arena in enumerate(arenas):
        lines.append(f"#define {macro}_STAGE{number}_STATE_BYTES {arena.state_bytes}")
    lines += [f"#define {macro}_HANDOFF{k}_BYTES {handoff_bytes[k]} /* from stage {k} */" for k in range(last)]
    lines.append(f"#define {macro}_HANDOFF_BYTES {max(handoff_bytes)} /* the largest */")
    for number, function in enumerate(_stage_functions(name, macro, last + 1)):
        lines.append(f"int {name}_stage{number}_init(void *state, const void *weights); /* returns as {name}_init */")
        lines.append(f"{function.declaration};")
    return lines


def _stage_functions(name: str, macro: str, stages: int) -> list[Function]:
    """The stages' processing functions; none if there is one stage, which is the process function."""
    last = stages - 1
    source_name, target_name = ("handoff", "handoff") if last == 1 else ("handoff_in", "handoff_out")
    functions = []
    for k in range(stages if last else 0):
        source, source_bytes = f"const void *{source_name}", f"{macro}_HANDOFF{k - 1}_BYTES"
        target, target_bytes = f"void *{target_name}", f"{macro}_HANDOFF{k}_BYTES"
        if k == 0:
            source, source_bytes = "const float *in", f"4 * {macro}_IN_CHANNELS * (size_t)n"
        if k == last:
            target, target_bytes = "float *out", f"4 * {macro}_OUT_CHANNELS * (size_t)n"
        functions.append(Function(f"{name}_stage{k}", source, source_bytes, target, target_bytes))
    return functions
