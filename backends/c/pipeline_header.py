"""``NAME_pipeline.h``: a capture's stages with the rings between them, for programs with several cores.

The rings themselves are ``schedc_rings.h``, the same for every capture.
"""

from __future__ import annotations

from importlib import resources

RUNTIME_NAME = "schedc_rings.h"


def runtime_header() -> str:
    """The text of ``schedc_rings.h``."""
    return resources.files("schedc.backends.c").joinpath(RUNTIME_NAME).read_text(encoding="utf-8")


def pipeline_header(name: str, stages: int) -> str:
    """The header's text for ``stages`` >= 2; it includes ``NAME.h`` and the runtime."""
    macro, last = name.upper(), stages - 1
    return "\n".join(
        [
            *_opening(name, macro, stages),
            "typedef struct {",
            "    const void *weights;",
            *(
                f"    SCHEDC_ALIGN({macro}_STATE_ALIGN) unsigned char state{k}[{macro}_STAGE{k}_STATE_BYTES];"
                for k in range(stages)
            ),
            *(
                f"    SCHEDC_ALIGN({macro}_STATE_ALIGN) unsigned char "
                f"slots{k}[SCHEDC_RING_BYTES({macro}_HANDOFF{k}_BYTES, {macro}_RING_SLOTS)];"
                for k in range(last)
            ),
            *(f"    schedc_ring ring{k}; /* from stage {k} to stage {k + 1} */" for k in range(last)),
            f"}} {name}_pipeline;",
            "",
            *_init(name, macro, stages),
            *_first(name),
            *(line for stage in range(1, last) for line in _middle(name, stage)),
            *_last(name, last),
            *_ready(name, last),
            *_step(name, last),
            *_partitioned(name, macro, last),
            f"#endif /* {macro}_PIPELINE_H */",
            "",
        ]
    )


def _opening(name: str, macro: str, stages: int) -> list[str]:
    return [
        f"/* The {stages} stages of {name} with the rings between them; C11 or C++11. One core calls",
        f" * {name}_pipeline_stage0 for every block of input, one each of the others its own stage; the stages may",
        " * run at any time and in any order. A stage that cannot run returns 0 and changes nothing but a counter.",
        f" * In step, one block each, the output is {macro}_STAGES - 1 blocks late, bit for bit {name}_process's.",
        " *",
        " * The block loop of an audio driver, at its simplest: on core 0, when a block of input is there, stage0;",
        " * on the last core the last stage, and silence where it returns 0. Who would rather wait than drop loops",
        f" * on {name}_pipeline_ready. For other memory or rings of your own use the functions of {name}.h. */",
        f"#ifndef {macro}_PIPELINE_H",
        f"#define {macro}_PIPELINE_H",
        "",
        f'#include "{name}.h"',
        f'#include "{RUNTIME_NAME}"',
        "",
        "/* Handoffs that fit between two stages, a power of two: 2 let both work at once, more bridge longer",
        " * stalls. They cost memory, not latency. */",
        f"#ifndef {macro}_RING_SLOTS",
        f"#define {macro}_RING_SLOTS 2",
        "#endif",
        f"#if {macro}_RING_SLOTS < 1 || ({macro}_RING_SLOTS & ({macro}_RING_SLOTS - 1))",
        f"#error {macro}_RING_SLOTS is not a power of two",
        "#endif",
        "",
    ]


def _init(name: str, macro: str, stages: int) -> list[str]:
    return [
        f"/* All stages silent, all rings empty. Before any core starts; returns as {name}_init does. */",
        f"static inline int {name}_pipeline_init({name}_pipeline *p, const void *weights)",
        "{",
        "    if (!p)",
        f"        return {macro}_MISALIGNED;",
        "    p->weights = weights;",
        *(
            f"    schedc_ring_init(&p->ring{k}, p->slots{k}, {macro}_HANDOFF{k}_BYTES, {macro}_RING_SLOTS);"
            for k in range(stages - 1)
        ),
        f"    int error = {name}_stage0_init(p->state0, weights);",
        *(f"    error = error ? error : {name}_stage{k}_init(p->state{k}, weights);" for k in range(1, stages)),
        "    return error;",
        "}",
        "",
    ]


def _first(name: str) -> list[str]:
    return [
        "/* n frames of input, as for process. Returns n, or 0 if the ring is full: an overrun, the input is lost. */",
        f"static inline int {name}_pipeline_stage0({name}_pipeline *p, const float *in, int n)",
        "{",
        "    void *handoff = schedc_ring_claim(&p->ring0);",
        "    if (!handoff)",
        "        return 0;",
        f"    {name}_stage0(p->state0, p->weights, in, handoff, n);",
        "    schedc_ring_publish(&p->ring0, n);",
        "    return n;",
        "}",
        "",
    ]


def _middle(name: str, stage: int) -> list[str]:
    return [
        "/* The frames passed on; 0 if there were none (an underrun) or the next ring is full (an overrun). */",
        f"static inline int {name}_pipeline_stage{stage}({name}_pipeline *p)",
        "{",
        "    int n = 0;",
        f"    const void *handoff_in = schedc_ring_front(&p->ring{stage - 1}, &n);",
        f"    void *handoff_out = handoff_in ? schedc_ring_claim(&p->ring{stage}) : 0;",
        "    if (!handoff_out)",
        "        return 0;",
        f"    {name}_stage{stage}(p->state{stage}, p->weights, handoff_in, handoff_out, n);",
        f"    schedc_ring_release(&p->ring{stage - 1});",
        f"    schedc_ring_publish(&p->ring{stage}, n);",
        "    return n;",
        "}",
        "",
    ]


def _last(name: str, last: int) -> list[str]:
    return [
        "/* The frames written to out; 0 if there were none: an underrun, out is as it was. */",
        f"static inline int {name}_pipeline_stage{last}({name}_pipeline *p, float *out)",
        "{",
        "    int n = 0;",
        f"    const void *handoff = schedc_ring_front(&p->ring{last - 1}, &n);",
        "    if (!handoff)",
        "        return 0;",
        f"    {name}_stage{last}(p->state{last}, p->weights, handoff, out, n);",
        f"    schedc_ring_release(&p->ring{last - 1});",
        "    return n;",
        "}",
        "",
    ]


def _ready(name: str, last: int) -> list[str]:
    lines = [
        "/* Whether a stage could run now. To be asked by the stage's own core; counts nothing. */",
        f"static inline int {name}_pipeline_ready({name}_pipeline *p, int stage)",
        "{",
        "    switch (stage) {",
        "    case 0:",
        "        return schedc_ring_has_room(&p->ring0);",
    ]
    for stage in range(1, last):
        room = f"schedc_ring_has_room(&p->ring{stage})"
        lines += [f"    case {stage}:", f"        return schedc_ring_has_block(&p->ring{stage - 1}) && {room};"]
    return [
        *lines,
        "    default:",
        f"        return schedc_ring_has_block(&p->ring{last - 1});",
        "    }",
        "}",
        "",
    ]


def _step(name: str, last: int) -> list[str]:
    middle = [
        line
        for stage in range(1, last)
        for line in (f"    case {stage}:", f"        return {name}_pipeline_stage{stage}(p);")
    ]
    return [
        "/* A stage by its number: in and n are for the first, out for the last. Returns its frames, or 0. */",
        f"static inline int {name}_pipeline_step({name}_pipeline *p, int stage, const float *in, float *out, int n)",
        "{",
        "    switch (stage) {",
        "    case 0:",
        f"        return {name}_pipeline_stage0(p, in, n);",
        *middle,
        "    default:",
        f"        return {name}_pipeline_stage{last}(p, out);",
        "    }",
        "}",
        "",
    ]


def _partitioned(name: str, macro: str, last: int) -> list[str]:
    return [
        f"/* The reference: all stages one after the other on one core, {name}_process's bits and no lag.",
        " * For rings that are empty between calls. */",
        f"static inline void {name}_process_partitioned({name}_pipeline *p, const float *in, float *out, int n)",
        "{",
        f"    for (int stage = 0; stage < {macro}_STAGES; stage++)",
        f"        (void){name}_pipeline_step(p, stage, in, out, n);",
        "}",
        "",
    ]
