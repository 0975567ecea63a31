"""The part of the C header around the processing functions: calls of any length, and calls that are checked."""

from __future__ import annotations

from dataclasses import dataclass

from schedc.ir.elements import FLOAT32

ANY_STACK_BYTES = 1024  # what calls of any length may take for the rows of several channels, if a frame fits


@dataclass(frozen=True)
class Function:
    """A processing function ``symbol(state, weights, source, target, n)``; sizes in C, of a call of ``n`` frames."""

    symbol: str
    source: str  # declarations, such as "const float *in"
    source_bytes: str
    target: str
    target_bytes: str
    in_place: bool = False  # may be called with target == source

    @property
    def declaration(self) -> str:
        return f"void {self.symbol}(void *state, const void *weights, {self.source}, {self.target}, int n)"

    def call(self) -> str:
        return f"{self.symbol}(state, weights, {_name(self.source)}, {_name(self.target)}, n)"


def _name(declaration: str) -> str:
    return declaration.rpartition("*")[2]


def process_any(name: str, inputs: int, outputs: int, block: int) -> list[str]:
    """``NAME_process_any`` and what it takes, as lines of C."""
    macro = name.upper()
    head = (
        f"static inline void {name}_process_any(void *state, const void *weights, const float *in, float *out, int n)"
    )
    check = _CHECK_ANY.format(name=name, macro=macro).splitlines()
    if inputs == outputs == 1:
        return [
            "",
            "/* As process, for any n; nothing is done below 1. */",
            f"#define {macro}_ANY_STACK_BYTES 0 /* no samples are copied */",
            head,
            "{",
            *check,
            "    for (int m; n > 0; n -= m, in += m, out += m) {",
            f"        m = n < {macro}_MAX_BLOCK ? n : {macro}_MAX_BLOCK;",
            f"        {name}_process(state, weights, in, out, m);",
            "    }",
            "}",
        ]
    rows = max(inputs, outputs)
    frames = max(1, min(block, ANY_STACK_BYTES // (FLOAT32.bytes * rows)))
    return [
        "",
        "/* As process, for any n; nothing is done below 1. The rows of shorter calls lie elsewhere than those of",
        f" * long ones: the samples go, {frames} frames at a time, through ANY_STACK_BYTES on the stack. */",
        f"#define {macro}_ANY_STACK_BYTES {FLOAT32.bytes * rows * frames}",
        head,
        "{",
        f"    float rows[{rows * frames}];",
        "    size_t row, begin, c, i, m;",
        *check,
        "    row = n > 0 ? (size_t)n : 0;",
        "    for (begin = 0; begin < row; begin += m) {",
        f"        m = row - begin < {frames} ? row - begin : {frames};",
        f"        for (c = 0; c < {macro}_IN_CHANNELS; c++)",
        "            for (i = 0; i < m; i++)",
        "                rows[c * m + i] = in[c * row + begin + i];",
        f"        {name}_process(state, weights, rows, rows, (int)m);",
        f"        for (c = 0; c < {macro}_OUT_CHANNELS; c++)",
        "            for (i = 0; i < m; i++)",
        "                out[c * row + begin + i] = rows[c * m + i];",
        "    }",
        "}",
    ]


# The calls of process that it makes are right by themselves, whatever the whole is.
_CHECK_ANY = """\
#ifdef SCHEDC_CHECK_CALLS
    if (n > 0) {{
        const char *fault = {name}_call_fault(
            state, weights, in, 4 * {macro}_IN_CHANNELS * (size_t)n, out, 4 * {macro}_OUT_CHANNELS * (size_t)n, 1, 1);
        if (fault) {{
            SCHEDC_CALL_FAULT("{name}_process_any", fault);
            n = 0;
        }}
    }}
#endif"""

CHECK_INCLUDES = """\
#if defined(SCHEDC_CHECK_CALLS) && !defined(SCHEDC_CALL_FAULT)
#include <stdio.h>
#include <stdlib.h>
#define SCHEDC_CALL_FAULT(function, fault) (fprintf(stderr, "%s: %s\\n", function, fault), abort())
#endif""".splitlines()

_CHECKS = """
/* Debugging: where SCHEDC_CHECK_CALLS is defined before this header is included, {names} check
 * their arguments. A wrong call (a null pointer; an address that is not a multiple of 4; n not in 1 .. MAX_BLOCK;
 * input and output that overlap, but for out == in of process and process_any) does nothing but
 * SCHEDC_CALL_FAULT(function, fault), two strings: by default it prints them and aborts; define another. */
#ifdef SCHEDC_CHECK_CALLS
static inline const char *{name}_call_fault(
    const void *state, const void *weights, const void *in, size_t in_bytes, const void *out, size_t out_bytes, int n,
    int in_place)
{{
    uintptr_t from = (uintptr_t)in, to = (uintptr_t)out;
    if (!state || !weights || !in || !out)
        return "a null pointer";
    if (((uintptr_t)state | (uintptr_t)weights | from | to) % 4 != 0)
        return "an address that is not a multiple of 4";
    if (n < 1 || n > {macro}_MAX_BLOCK)
        return "n is not in 1 .. {macro}_MAX_BLOCK";
    if (from < to + out_bytes && to < from + in_bytes && !(in_place && from == to))
        return "in and out overlap";
    return 0;
}}
""".rstrip("\n")

_CHECKED = """\
static inline void {symbol}_checked(void *state, const void *weights, {source}, {target}, int n)
{{
    const char *fault = {name}_call_fault(
        state, weights, {from_}, {source_bytes}, {to}, {target_bytes}, n, {in_place});
    if (fault) {{
        SCHEDC_CALL_FAULT("{symbol}", fault);
    }} else {{
        {call};
    }}
}}
#define {symbol} {symbol}_checked"""


def checked_calls(name: str, functions: list[Function]) -> list[str]:
    """The checks, and functions of the same names that make them, as lines of C."""
    names = "process, process_any" + (" and the stages" if len(functions) > 1 else "")
    lines = _CHECKS.format(name=name, macro=name.upper(), names=names).splitlines()
    for function in functions:
        text = _CHECKED.format(
            name=name,
            symbol=function.symbol,
            source=function.source,
            target=function.target,
            from_=_name(function.source),
            to=_name(function.target),
            source_bytes=function.source_bytes,
            target_bytes=function.target_bytes,
            in_place=int(function.in_place),
            call=function.call(),
        )
        lines += text.splitlines()
    return [*lines, "#endif"]
