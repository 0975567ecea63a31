"""The Graphviz form: an overview that fits a screen and says what each pass decided, and a view of each kernel."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from helpers.captures import graph_of
from helpers.goldens import assert_golden
from helpers.toolchains import need

from schedc.frontend.capture import read_capture
from schedc.ir.dot import print_kernel_view, print_overview
from schedc.ir.ops import Conv
from schedc.ir.program import Kernel, Level, Program
from schedc.options import make_options
from schedc.passes.run import PassDumps
from schedc.planning import plan_graph

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "examples" / "captures"
READABLE = ROOT / "tests" / "golden" / "gated_film.nam"
SCREEN = (1920, 1080)  # points of a usual one, at a point a pixel
AFTER_FUSION = ("04-fuse-layers", "05-select-kernels", "06-partition-cores", "07-plan-arena")


class Programs:
    """An observer that keeps them."""

    def __init__(self) -> None:
        self.seen: dict[str, Program] = {}

    def __call__(self, index: int, name: str, program: Program) -> None:
        self.seen[f"{index:02}-{name}"] = program


@cache
def dumped(capture: Path, target: str, cores: int) -> tuple[dict[str, str], dict[str, Program]]:
    """The dumps of a compilation, and the programs they are of."""
    dumps, programs = PassDumps(), Programs()
    plan_graph(read_capture(capture).graph, make_options(target, cores), [dumps, programs])
    return {name: content.decode() for name, content in dumps.files.items()}, programs.seen


@pytest.mark.parametrize("name", [*AFTER_FUSION, "01-canonicalize"])
def test_golden(name: str) -> None:
    assert_golden(f"passes/{name}.dot", dumped(READABLE, "m33", 2)[0][f"{name}.dot"])


def test_golden_of_a_kernel() -> None:
    assert_golden("passes/kernel-array0.layer1.dot", dumped(READABLE, "m33", 2)[0]["kernel-array0.layer1.dot"])


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("capture", ["a2_lite", "lstm_1x16", "convnet"])
def test_each_pass_shows_what_it_decided(capture: str, cores: int) -> None:
    files, programs = dumped(CAPTURES / f"{capture}.nam", "m33", cores)
    for ending in (".dot", ".txt"):
        for one, two in pairwise(AFTER_FUSION):
            assert files[one + ending] != files[two + ending]
    planned = programs[AFTER_FUSION[-1]]
    fused, scheduled, cut, placed = (files[f"{name}.dot"] for name in AFTER_FUSION)
    for kernel in planned.kernels:
        schedule = planned.schedules[kernel.name]
        tile = f"{schedule.tile_vectors}x{schedule.lanes}x{schedule.output_block}"
        assert tile not in node_of(fused, kernel.name) and tile in node_of(scheduled, kernel.name)
    assert "rings mixed" not in fused and "rings mixed" in scheduled
    assert cut.count("subgraph cluster_") == (cores if cores > 1 else 0)
    assert cut.count("handoff of") == cores - 1
    arenas = [stage.arena for stage in planned.stages if stage.arena]
    for arena in arenas:
        assert f"state {arena.state_bytes:,} bytes" not in cut and f"state {arena.state_bytes:,} bytes" in placed
        for place in (p for p in arena.rows.values() if p.base == "state"):
            assert f" at {place.offset:#x}, {place.bytes:,} bytes" in placed
    for arena in arenas[:-1]:
        assert f"{arena.handoff_bytes:,} bytes a block" in placed


def node_of(text: str, kernel: str) -> str:
    """The line of a node."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(f'"{kernel}" [')]
    return line


@pytest.mark.parametrize("capture", ["a2", "lstm_1x16", "convnet", "a1_nano"])
def test_the_overview_folds_kernels_and_leaves_none_out(capture: str) -> None:
    files, programs = dumped(CAPTURES / f"{capture}.nam", "m33", 2)
    for name, program in programs.items():
        text = files[f"{name}.dot"]
        assert text.count("{") == text.count("}")
        nodes = re.findall(r'^ +"([^"]+)" \[', text, re.MULTILINE)
        assert len(nodes) == len(set(nodes))
        if program.level >= Level.FUSED:
            terminals = [node.name for node in (*program.graph.inputs, *program.graph.outputs)]
            handoffs = [f"handoff {number}" for number in range(len(program.stages) - 1)]
            assert set(nodes) == {*(kernel.name for kernel in program.kernels), *terminals, *handoffs}
        assert len(nodes) <= 30
        edges = re.findall(r'^ +"([^"]+)" -> "([^"]+)"', text, re.MULTILINE)
        reached = {target for _, target in edges}
        assert not any(crosses(program, *edge) for edge in edges)
        sources = {node.name for node in program.graph.inputs}
        assert set(nodes) <= reached | sources


def crosses(program: Program, source: str, target: str) -> bool:
    """Whether an edge goes from one stage to another, but by way of the handoff."""
    stages = {kernel.name: number for number, stage in enumerate(program.stages) for kernel in stage.kernels}
    stages |= dict.fromkeys((node.name for node in program.graph.inputs), 0)
    return source in stages and target in stages and stages[source] != stages[target]


@pytest.mark.parametrize("capture", ["a2", "lstm_1x16"])
def test_the_views_of_kernels_have_every_node_and_edge(capture: str) -> None:
    files, programs = dumped(CAPTURES / f"{capture}.nam", "m33", 2)
    program = programs[AFTER_FUSION[-1]]
    for kernel in program.kernels:
        text = files[f"kernel-{kernel.name}.dot"]
        edges = set(re.findall(r'"([^"]+)" -> "([^"]+)"', text))
        inside = set(kernel.nodes)
        wanted = {
            (operand, node.name)
            for node in program.graph
            for operand in node.operands
            if node.name in inside or operand in inside
        }
        assert edges == wanted
        assert all(f'"{name}" [label=' in text for name in inside)


def test_what_a_pass_changed_is_coloured_and_listed() -> None:
    files, _ = dumped(READABLE, "m33", 2)
    assert "changed %array0.layer0.mixin" in files["01-canonicalize.txt"]
    assert "gone %array0.layer0.sum, " in files["01-canonicalize.txt"]
    assert "#ffe9b3" in node_of(files["01-canonicalize.dot"], "array0.layer0")
    assert "#ffe9b3" not in files["02-fold-constants.dot"]


def test_names_are_quoted() -> None:
    program = Program(graph_of(('q"uo\\te', Conv(1, 1), "x")), 1, Level.FUSED, (Kernel('q"uo\\te', ('q"uo\\te',)),))
    assert r'"q\"uo\\te" [label="q\"uo\\te [1]   conv   1 mac"];' in print_overview(program)
    assert r'label="kernel q\"uo\\te\l"' in print_kernel_view(program, program.kernels[0])


def test_graphviz_draws_them_and_a2_fits_a_screen(tmp_path: Path) -> None:
    need("dot")
    for capture, target, cores in (("a2", "m33", 2), ("a2", "zen4", 1), ("lstm_1x16", "a8", 1)):
        files, _ = dumped(CAPTURES / f"{capture}.nam", target, cores)
        drawn = [
            name for name in files if name.endswith(".dot") and (name[0] == "0" or name.endswith(("0.dot", "m.dot")))
        ]
        for name in drawn:
            (tmp_path / name).write_text(files[name], encoding="utf-8")
        done = subprocess.run(["dot", "-Tsvg", "-O", *drawn], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        for name in (name for name in drawn if name[0] == "0"):
            text = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
            size = re.search(r'<svg width="(\d+)pt" height="(\d+)pt"', text)
            assert size and int(size[1]) <= SCREEN[0] and int(size[2]) <= SCREEN[1], (capture, name, size)
