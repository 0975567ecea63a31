"""The text and Graphviz forms: one golden file per pass, on a WaveNet one can read."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from helpers.captures import graph_of
from helpers.goldens import assert_golden

from schedc.compiler import compile_graph
from schedc.ir.ops import Conv, LstmCell, Slice
from schedc.ir.printer import print_dot, print_graph, print_program
from schedc.ir.program import Program
from schedc.options import make_options
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals
from schedc.pipeline import dump_to
from schedc.planning import read_capture

MODEL = Path(__file__).parents[1] / "golden" / "gated_film.nam"
PASSES = (
    "input",
    "canonicalize",
    "fold-constants",
    "eliminate-dead-terminals",
    "fuse-layers",
    "select-kernels",
    "partition-cores",
    "plan-arena",
)


@cache
def programs() -> dict[str, Program]:
    """The program after each pass, by the pass's name."""
    seen: dict[str, Program] = {}

    def observe(index: int, name: str, program: Program) -> None:
        seen[name] = program

    compile_graph(read_capture(MODEL).graph, make_options("m33", cores=2, block=48), observers=[observe])
    return seen


def test_the_passes_are_the_known_ones() -> None:
    assert tuple(programs()) == PASSES


@pytest.mark.parametrize("name", PASSES)
def test_golden(name: str) -> None:
    assert_golden(f"passes/{PASSES.index(name):02}-{name}.txt", print_program(programs()[name]))


def test_recipes_and_slices_are_printed() -> None:
    wide = graph_of(("c", Conv(1, 4), "x"), ("s", Slice(4, 1, 3), "c"))
    assert "%s : [2] = slice 1:3(%c)\n" in print_graph(wide)
    narrow = EliminateDeadTerminals()(Program(wide, block=1)).graph
    assert print_graph(narrow).endswith("recipe KeepRows(node='c', begin=1, end=3)\n")


def test_one_line_says_what_a_node_is() -> None:
    graph = graph_of(("c", Conv(1, 4, 3, 7), "x"), ("s", Slice(4, 1, 3), "c"), ("l", LstmCell(2, 3), "s"))
    assert print_graph(graph) == (
        "%x : [1] = input()\n"
        "%c : [4] = conv k3 d7 from bias(%x)  ; 12 mac\n"
        "%s : [2] = slice 1:3(%c)\n"
        "%l : [3] = lstm(%s)  ; 60 mac\n"
        "%out : [0] = output(%l)\n"
    )


def test_dumps_are_the_printed_programs(tmp_path: Path) -> None:
    write = dump_to(tmp_path)
    for index, (name, program) in enumerate(programs().items()):
        write(index, name, program)
    assert (tmp_path / "07-plan-arena.txt").read_text() == print_program(programs()["plan-arena"])
    assert len(list(tmp_path.glob("*.dot"))) == len(PASSES)


def test_dot_has_every_node_edge_and_kernel() -> None:
    program = programs()["fuse-layers"]
    text = print_dot(program.graph, program.kernels)
    assert text.startswith("digraph program {") and text.endswith("}\n")
    assert text.count("{") == text.count("}")
    edges = set(re.findall(r'"([^"]+)" -> "([^"]+)"', text))
    wanted = {(operand, node.name) for node in program.graph for operand in node.operands}
    assert edges == wanted
    assert len(re.findall(r"subgraph cluster_\d+", text)) == len(program.kernels)
    for node in program.graph:
        assert f'"{node.name}" [label=' in text


def test_dot_quotes_names() -> None:
    graph = graph_of(('q"uote', Conv(1, 1), "x"))
    assert r'"q\"uote" [label="q\"uote\nconv from bias"];' in print_dot(graph)


def test_every_pass_changes_only_what_it_says() -> None:
    """Up to planning each pass keeps the interpreter's inputs and outputs."""
    for (_, before), (_, after) in pairwise(programs().items()):
        assert [n.op for n in before.graph.inputs] == [n.op for n in after.graph.inputs]
        assert [n.op for n in before.graph.outputs] == [n.op for n in after.graph.outputs]
