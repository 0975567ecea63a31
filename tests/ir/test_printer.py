"""The text form: one golden file per pass, on a WaveNet one can read."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from helpers.captures import graph_of
from helpers.goldens import assert_golden

from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.ir.ops import Conv, LstmCell, Slice
from schedc.ir.printer import print_graph, print_program
from schedc.ir.program import Program
from schedc.options import make_options
from schedc.passes.eliminate_dead_terminals import EliminateDeadTerminals
from schedc.passes.run import dump_to

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
    number = PASSES.index(name)
    before = programs()[PASSES[number - 1]] if number else None
    assert_golden(f"passes/{number:02}-{name}.txt", print_program(programs()[name], before))


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
    text = (tmp_path / "07-plan-arena.txt").read_text()
    assert text == print_program(programs()["plan-arena"], programs()["partition-cores"])
    kernels = [f"kernel-{kernel.name}.dot" for kernel in programs()["plan-arena"].kernels]
    passes = [f"{number:02}-{name}.{ending}" for number, name in enumerate(PASSES) for ending in ("dot", "txt")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*passes, *kernels])


def test_every_pass_changes_only_what_it_says() -> None:
    """Up to planning each pass keeps the interpreter's inputs and outputs."""
    for (_, before), (_, after) in pairwise(programs().items()):
        assert [n.op for n in before.graph.inputs] == [n.op for n in after.graph.inputs]
        assert [n.op for n in before.graph.outputs] == [n.op for n in after.graph.outputs]
