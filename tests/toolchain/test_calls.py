"""The header's own functions: process_any plays any number of samples, and a debug macro finds wrong calls."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import capture_of, graph_of, interpret_core
from helpers.graph_strategy import signal
from helpers.machines import assert_same_bits
from helpers.programs import need_avx2, run
from helpers.toolchains import need

from schedc.api import make_artifact
from schedc.backends.c.calls import ANY_STACK_BYTES
from schedc.compiler import Compilation, compile_graph
from schedc.ir.graph import Graph
from schedc.ir.ops import Conv, Input, LstmCell
from schedc.ir.weights import FloatArray
from schedc.options import make_options

CALLS = Path(__file__).parent / "calls.c"
WARNINGS = ("-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-Wl,--fatal-warnings")
C99, CPP = ("gcc", "-std=c99", "-x", "c"), ("g++", "-std=c++11", "-x", "c++")
POINTERS = [ctypes.c_void_p] * 4
BLOCK = 16


def channels(inputs: int, outputs: int) -> Graph:
    return graph_of(
        ("x", Input(inputs), ""),
        ("c", Conv(inputs, 5, 3, 2), "x"),
        ("l", LstmCell(5, 3), "c"),
        ("d", Conv(3, outputs, 2), "l"),
    )


class Library:
    """calls.c around a graph's code, as a shared library; weights, and memory for a state."""

    def __init__(self, graph: Graph, folder: Path, cores: int = 1, compiler: Sequence[str] = C99) -> None:
        need(compiler[0])
        need_avx2()
        self.graph, capture = graph, capture_of(graph)
        self.compilation: Compilation = compile_graph(graph, make_options("avx2", cores, BLOCK), "capture")
        artifact = make_artifact(self.compilation, capture)
        artifact.write(folder)
        options = (f"-I{folder}", "-fPIC", "-shared", "-fstack-usage")
        files = (CALLS, "-x", "none", folder / "capture.o", "-o", folder / "calls.so")
        run(compiler[0], *WARNINGS, *options, *compiler[1:], *files)
        self.code = ctypes.CDLL(str(folder / "calls.so"))
        self.weights = memory(artifact.weights)
        self.state = memory(bytes(self.compilation.state_bytes))
        assert self.code.start(self.state.ctypes, self.weights.ctypes) == 0

    def wanted(self, x: FloatArray) -> FloatArray:
        return interpret_core(capture_of(self.graph), x, self.compilation.options.contract)

    def play_any(self, x: FloatArray, in_place: bool) -> FloatArray:
        inputs, outputs = len(x), self.graph.out_channels
        n = x.shape[1]
        source = np.full(max(inputs, outputs) * n + 1, np.nan, np.float32)
        source[: inputs * n] = x.reshape(-1)
        target = source if in_place else np.full_like(source, np.nan)
        self.code.play_any(self.state.ctypes, self.weights.ctypes, source.ctypes, target.ctypes, n)
        assert np.isnan(target[max(inputs, outputs) * n if in_place else outputs * n :]).all()
        return target[: outputs * n].reshape(outputs, n)

    def fault(self, function: str, *arguments: object) -> str:
        find = getattr(self.code, function)
        find.restype = ctypes.c_char_p
        find.argtypes = [ctypes.c_int] * (function == "fault_of_stage") + [*POINTERS, ctypes.c_int]
        return str(find(*arguments).decode())


def memory(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A copy at a multiple of 64."""
    raw = np.zeros(len(content) + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    raw[begin : begin + len(content)] = np.frombuffer(content, np.uint8)
    return raw[begin : begin + len(content)]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 2), (1, 3), (3, 1), (1, 300)])
def test_calls_of_any_length_give_the_same_bits(tmp_path: Path, inputs: int, outputs: int, in_place: bool) -> None:
    library = Library(channels(inputs, outputs), tmp_path, compiler=CPP if in_place else C99)
    lengths = [0, 1, BLOCK - 1, 100, BLOCK, 0, BLOCK + 1, 257, 2]
    x = signal(inputs, sum(lengths), 3)
    found, begin = [], 0
    for n in lengths:
        found.append(library.play_any(np.ascontiguousarray(x[:, begin : begin + n]), in_place))
        begin += n
    assert_same_bits(np.concatenate(found, axis=1), library.wanted(x))
    library.code.play_any(library.state.ctypes, library.weights.ctypes, None, None, -5)  # nothing
    stated = int(re.findall(r"ANY_STACK_BYTES (\d+)", (tmp_path / "capture.h").read_text())[0])
    used = max(map(int, re.findall(r"\t(\d+)\t", next(tmp_path.glob("*.su")).read_text())))
    assert stated <= used <= stated + 256
    frame = 4 * max(inputs, outputs)
    buffer = frame * max(1, min(BLOCK, ANY_STACK_BYTES // frame))
    assert stated == (0 if inputs == outputs == 1 else buffer)


@pytest.mark.parametrize("compiler", [C99, CPP], ids=["C99", "C++11"])
def test_checked_calls_find_what_is_wrong(tmp_path: Path, compiler: tuple[str, ...]) -> None:
    library = Library(channels(1, 1), tmp_path, cores=3, compiler=compiler)
    weights, handoffs = library.weights.ctypes.data, [memory(bytes(4096)) for _ in range(2)]
    rows = np.zeros(4 * BLOCK, np.float32)
    x, one, other, y = (rows.ctypes.data, *(handoff.ctypes.data for handoff in handoffs), rows[BLOCK:].ctypes.data)
    calls: list[tuple[str, list[int], list[int]]] = [("process", [], [library.state.ctypes.data, weights, x, y])]
    states = [memory(bytes(library.compilation.state_bytes)) for _ in range(3)]
    for stage, ends in enumerate(([x, one], [one, other], [other, y])):
        state = states[stage].ctypes.data
        assert library.code.start_stage(stage, ctypes.c_void_p(state), library.weights.ctypes) == 0
        calls.append(("stage", [stage], [state, weights, *ends]))
    for name, first, pointers in calls:

        def fault(pointers: list[int], n: int, name: str = name, first: list[int] = first) -> str:
            return library.fault(f"fault_of_{name}", *first, *pointers, n)

        assert fault(pointers, 1) == fault(pointers, BLOCK) == ""
        for at in range(4):
            others = pointers[:at], pointers[at + 1 :]
            assert fault([*others[0], 0, *others[1]], BLOCK) == "a null pointer"
            odd = [*others[0], pointers[at] + 2, *others[1]]
            assert fault(odd, BLOCK) == "an address that is not a multiple of 4"
        for n in (0, -1, BLOCK + 1, -(2**31), 2**31 - 1):
            assert fault(pointers, n) == "n is not in 1 .. CAPTURE_MAX_BLOCK"
        assert fault([*pointers[:3], pointers[2] + 4], BLOCK) == "in and out overlap"
        assert fault([*pointers[:3], pointers[2]], BLOCK) == ("" if name == "process" else "in and out overlap")


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 2), (1, 3), (3, 1)])
def test_checked_calls_of_any_length_are_checked_whole(tmp_path: Path, inputs: int, outputs: int) -> None:
    """Not their pieces alone, which may lie apart where the whole does not."""
    library, n, most = Library(channels(inputs, outputs), tmp_path), 5 * BLOCK + 3, max(inputs, outputs)
    before, rows = library.state.copy(), np.ones((2 * most + 1) * n, np.float32)
    x = rows.ctypes.data
    pointers = [library.state.ctypes.data, library.weights.ctypes.data, x, x + 4 * most * n]

    def fault(pointers: list[int], n: int) -> str:
        return library.fault("fault_of_process_any", *pointers, n)

    for at in range(4):
        others = pointers[:at], pointers[at + 1 :]
        assert fault([*others[0], 0, *others[1]], n) == "a null pointer"
        odd = [*others[0], pointers[at] + 2, *others[1]]
        assert fault(odd, n) == "an address that is not a multiple of 4"
        assert fault([*others[0], 0, *others[1]], 0) == fault(odd, -1) == ""  # nothing is done
    for ahead in (1, BLOCK, inputs * n - 1):
        assert fault([*pointers[:2], x, x + 4 * ahead], n) == "in and out overlap"
    for behind in (1, BLOCK, outputs * n - 1):
        assert fault([*pointers[:2], x + 4 * behind, x], n) == "in and out overlap"
    assert (library.state == before).all() and (rows == 1).all()
    for right in ([x, x], [x, x + 4 * inputs * n], [x + 4 * outputs * n, x]):
        assert fault([*pointers[:2], *right], n) == ""


def test_by_default_a_wrong_call_is_printed_and_ends_the_program(tmp_path: Path) -> None:
    Library(channels(1, 1), tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "capture.h"\n'
        "int main(void) { static float x[100]; static unsigned char s[CAPTURE_STATE_BYTES];\n"
        "    if (capture_init(s, capture_weights)) return 1;\n"
        "    capture_process(s, capture_weights, x, x, CAPTURE_MAX_BLOCK + EXTRA); return 0; }\n"
    )
    files = (tmp_path / "main.c", tmp_path / "capture_weights.c", tmp_path / "capture.o")
    for extra in (0, 1):
        options = (*WARNINGS, f"-I{tmp_path}", "-DSCHEDC_CHECK_CALLS", f"-DEXTRA={extra}")
        run("gcc", "-std=c99", *options, *files, "-o", tmp_path / f"main{extra}")
    assert run(tmp_path / "main0") == ""
    with pytest.raises(AssertionError, match=r"capture_process: n is not in 1 \.\. CAPTURE_MAX_BLOCK"):
        run(tmp_path / "main1")
