"""The C99 header that goes with an object."""

from __future__ import annotations

from dataclasses import dataclass

from schedc.backends.c_checker import checker_function, checker_macros
from schedc.backends.llvm.module import StateLayout
from schedc.backends.llvm.stages import INIT_NOT_A_BLOB, INIT_OK, INIT_WRONG_ARCHITECTURE
from schedc.ir.contract import Contract
from schedc.ir.program import Program

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


def c_header(program: Program, facts: HeaderFacts) -> str:
    """The header's text: macros for every size, the functions, how the stages work together."""
    macro, name = facts.name.upper(), facts.name
    arenas = [stage.arena for stage in program.stages if stage.arena]
    stages = len(arenas)
    channels_in = sum(node.channels for node in program.graph.inputs)
    channels_out = sum(node.op.operand_channels[0] for node in program.graph.outputs)
    lines = [
        f"/* {name}: made by schedc {facts.version} for target {facts.target}. Contract: {facts.contract}.",
        " * The object has no undefined symbols, allocates nothing, takes no locks and makes no calls outside",
        " * itself. It holds no capture: any weight blob packed for this architecture and schedule will do. */",
        f"#ifndef {macro}_H",
        f"#define {macro}_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
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
        f"#define {macro}_OK {INIT_OK}",
        f"#define {macro}_NOT_A_BLOB {INIT_NOT_A_BLOB} /* no weight blob of this format version */",
        f"#define {macro}_WRONG_ARCHITECTURE {INIT_WRONG_ARCHITECTURE} /* packed for other code */",
        *checker_macros(macro),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Fill the state with the response to silence. state: STATE_BYTES of memory, any content. */",
        f"int {name}_init(void *state, const void *weights);",
        "",
        "/* n samples, 1 <= n <= MAX_BLOCK. in: IN_CHANNELS rows of n floats, one after the other; out likewise",
        " * with OUT_CHANNELS. out may be in. One call at a time per state; weights are only read, and any number of",
        " * states may share them: a further instance costs STATE_BYTES. */",
        f"void {name}_process(void *state, const void *weights, const float *in, float *out, int n);",
    ]
    if stages > 1:
        lines += _stage_lines(name, macro, program)
    lines += _SWAP
    lines += checker_function(name, facts.layout_digest, facts.weights_bytes)
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif"]
    return "\n".join(lines) + "\n"


def _rate_line(macro: str, sample_rate: float | None) -> str:
    if sample_rate is None:
        return f"/* No {macro}_SAMPLE_RATE: each capture has its own, rate_hz in batch.jsonl. */"
    return f"#define {macro}_SAMPLE_RATE {sample_rate:.10g} /* Hz */"


_SWAP = """
/* Another capture while playing, without locks or waiting on the audio side. A state belongs to the weights it was
 * initialised with, so what is swapped is a pointer to a pair of both:
 *   control thread   check the new blob, init a second state with it, store the pair's address to `next` (release);
 *   audio thread     before each block load `next` (acquire), process with that pair, then store the same address
 *                    to `playing` (release);
 *   control thread   the old pair may be freed or used again once `playing` (acquire) is the new one.
 * Every block is then the work of one capture alone; the new one starts from silence. To fade over N samples,
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
    for number in range(last + 1):
        source = "const float *in" if number == 0 else "const void *handoff_in"
        target = "float *out" if number == last else "void *handoff_out"
        if last == 1:
            source, target = source.replace("handoff_in", "handoff"), target.replace("handoff_out", "handoff")
        lines.append(f"int {name}_stage{number}_init(void *state, const void *weights);")
        lines.append(f"void {name}_stage{number}(void *state, const void *weights, {source}, {target}, int n);")
    return lines
