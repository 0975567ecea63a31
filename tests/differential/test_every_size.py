"""Every size that a rule of the code compares with, on every target: the machine code gives the interpreter's bits.

What random graphs may miss is counted through here: all sizes of one kind side by side in one graph, as the search
compiles them and with what a file may force.  The sizes come from the code's own numbers (:mod:`helpers.edges`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from helpers import edges
from helpers.captures import capture_of, compile_for, interpret_core, packed
from helpers.effort import LONG, in_turn
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, assert_same_bits, cut_blocks
from helpers.schedule_strategy import Values, everywhere

from schedc.ir.graph import Graph, GraphBuilder, is_recurrent
from schedc.ir.ops import Activation, ActivationKind, Combine, Conv, Elementwise, Input, LstmCell, Op, Output
from schedc.loops.tap_sharing import MOST_WINDOW_TAPS
from schedc.targets.base import load_target

ROOT = Path(__file__).parents[2]
Branch = tuple[Op, ...]
Survey = tuple[Sequence[Branch], int, Values]  # side by side, largest block, what is forced


def side_by_side(branches: Sequence[Branch]) -> Graph:
    """Branches of ops in a row, each from the one input to one channel, all added up."""
    builder = GraphBuilder()
    builder.add("x", Input(branches[0][0].operand_channels[0]))
    total = ""
    for number, ops in enumerate(branches):
        stream = "x"
        for op in (*ops, Conv(ops[-1].out_channels, 1)):
            stream = builder.add(f"branch{number}.{len(builder.nodes)}", op, stream)
        total = builder.add(f"sum{number}", Combine(Elementwise.ADD, 1), total, stream) if total else stream
    builder.add("out", Output(1), total)
    return builder.build()


def compare(target: str, branches: Sequence[Branch], block: int, forced: Values) -> None:
    """All branches in one graph; if that differs, one by one, so that the error says which."""
    try:
        compare_graph(target, side_by_side(branches), block, forced)
    except AssertionError as error:
        for ops in branches if len(branches) > 1 else ():
            compare(target, [ops], block, forced)
        raise AssertionError(f"{branches} in blocks of {block}, forced {forced}") from error


def compare_graph(target: str, graph: Graph, block: int, forced: Values) -> None:
    capture = capture_of(graph)
    compilation = compile_for(graph, target, block=block, schedule=everywhere(forced))
    # The interpreter walks an LSTM sample by sample: more than one whole block is enough.
    samples = block + 40 if is_recurrent(graph) and not LONG else 2 * block + 70
    x = signal(graph.in_channels, samples, 5)
    wanted = interpret_core(capture, x, compilation.options.contract)
    found = Loaded(compilation, packed(compilation, capture)).process(x, cut_blocks(x.shape[1], block, 1))
    assert_same_bits(found, wanted, target)


def taps(target: str) -> Iterator[Survey]:
    for inputs, block in in_turn(((1, load_target(target).block), (2, 17), (1, 1)), TARGETS.index(target)):
        yield [(Conv(inputs, 1, count),) for count in edges.taps(target)], block, {}


def taps_that_share_samples(target: str) -> Iterator[Survey]:
    """Tiles of every height that the search may take, and one more (without SCHEDC_LONG: four of them); a window's
    rounds, and as many taps as frames.
    """
    machine = load_target(target)
    most = machine.limits.accumulators + 1
    for vectors in range(1, most + 1) if LONG else sorted({1, 2, most // 2, most}):
        frames = vectors * machine.vectors.lanes
        rounds = vectors * -(-MOST_WINDOW_TAPS // vectors)
        counts = edges.near((frames, MOST_WINDOW_TAPS, rounds, 2 * rounds, frames + machine.vectors.lanes), 600)
        forced: Values = {"tile_vectors": vectors, "share_taps": True, "output_block": 1, "unroll_macs": 4096}
        yield [(Conv(1, 1, count),) for count in counts if count >= max(2, frames)], 48, forced


def taps_in_parts(target: str) -> Iterator[Survey]:
    machine = load_target(target)
    for parts in edges.near(edges.compared("taps"), 17):
        frames = machine.vectors.lanes
        counts = [parts * max(frames, 2) + more for more in (0, 1, parts - 1, parts)]
        forced: Values = {"tap_parts": parts, "tile_vectors": 1, "lanes": frames, "unroll_macs": 4096}
        if parts > 1:
            yield [(Conv(1, 1, count),) for count in counts], 2, {**forced, "register_values": 64}


def channels(target: str) -> Iterator[Survey]:
    sizes = edges.channels(target)
    for block in in_turn((load_target(target).block, 5, 1), TARGETS.index(target)):
        yield [(Conv(1, size, 2), Conv(size, 3, 3, 2)) for size in sizes], block, {}
    yield [(Conv(3, size), Activation(ActivationKind.PRELU, size)) for size in sizes], 33, {}


def groups(target: str) -> Iterator[Survey]:
    for count in in_turn((2, 3, 5), TARGETS.index(target)):
        rows = [size for size in edges.channels(target) if size * count <= 40]
        yield [(Conv(1, count), Conv(count, size * count, 3, 1, count)) for size in rows], 17, {}
        yield [(Conv(1, size * count), Conv(size * count, count, 2, 3, count)) for size in rows], 16, {}


def units(target: str) -> Iterator[Survey]:
    one: list[Branch] = [(LstmCell(1, size),) for size in edges.units(target)]
    two: list[Branch] = [(LstmCell(1, size), LstmCell(size, size)) for size in edges.units(target) if size < 18]
    surveys: list[Survey] = [(one, load_target(target).block, {}), (one, 1, {}), (two, 2, {})]
    yield from in_turn(surveys, TARGETS.index(target))


def histories(target: str) -> Iterator[Survey]:
    block = load_target(target).block
    for frames in in_turn((block, 16), TARGETS.index(target)):
        yield [(Conv(1, 1, 2, past),) for past in edges.histories(target, frames)], frames, {}


def dilations(target: str) -> Iterator[Survey]:
    """Taps that overlap the tile's own frames, and just do not."""
    lanes = load_target(target).vectors.lanes
    for block in in_turn((max(lanes, 4), 2 * lanes + 1), TARGETS.index(target)):
        near = edges.near([1, *edges.multiples([lanes], 3), block], 99)
        yield [(Conv(1, 2, 3, past),) for past in near], block, {} if lanes == 1 else {"align_taps": True}


def blocks(target: str) -> Iterator[Survey]:
    branch = (Conv(1, 4, 3, 2), Activation(ActivationKind.TANH, 4), Conv(4, 2, 6))
    sizes, number = edges.blocks(target), TARGETS.index(target)
    for block in sizes if LONG else sizes[number % 2 :: 2]:
        yield [branch], block, {}


def loops(target: str) -> Iterator[Survey]:
    """Limits of what is written out, at and beside the work of these loops."""
    branch = (Conv(1, 6), Conv(6, 6, 5, 2), Conv(6, 4))
    limits, number = edges.near([6 * 6 * 5, 6 * 6, 6 * 4, 3 * 6 * 5], 4096), TARGETS.index(target)
    for macs in limits if LONG else limits[number % 2 :: 2]:
        yield [branch], 16, {"unroll_macs": macs, "tile_vectors": 1, "output_block": 3}


SURVEYS: tuple[Callable[[str], Iterator[Survey]], ...] = (
    *(taps, taps_that_share_samples, taps_in_parts, channels, groups, units, histories, dilations, blocks, loops),
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: survey.__name__)
def test_every(survey: Callable[[str], Iterator[Survey]], target: str) -> None:
    done = 0
    for branches, block, forced in survey(target):
        compare(target, branches, block, forced)
        done += len(branches)
    assert done


def numbers(path: Path) -> Iterator[str]:
    """Names of a module's own whole numbers, alone or in tuples and tables."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        leaves = [leaf.value for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant)]
        if any(isinstance(leaf, int) and not isinstance(leaf, bool) for leaf in leaves):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def deciding_modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for pattern in edges.DECIDING:
        folder = ROOT if pattern.startswith(("passes/", "backends/")) else ROOT / "schedc"
        paths = sorted(folder.glob(pattern))
        assert paths, f"no module is called {pattern}"
        for path in paths:
            found[".".join(("schedc", *path.relative_to(folder).with_suffix("").parts))] = path
    return found


def test_each_number_that_rules_compare_with_is_drawn() -> None:
    modules = deciding_modules()
    known = {*edges.RULES, *edges.NO_SIZES}
    found = {f"{module}.{name}" for module, path in modules.items() for name in numbers(path)}
    assert not found - known, "say in helpers/edges.py which sizes are compared with these"
    assert not known - found, "these are gone"


def test_rules_compare_with_numbers_that_have_a_name() -> None:
    """A number inside an expression would be drawn by nobody."""
    for module, path in deciding_modules().items():
        for node in (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.expr)):
            sides: list[ast.expr] = []
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("min", "max"):
                sides = node.args
            bare = [side.value for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, int)]
            assert all(value <= 2 for value in bare) or ast.unparse(node) in edges.NO_RULES, f"{module}:{node.lineno}"
