"""Random graphs: the machine code of every target gives the interpreter's bits.

Every op, start, group and width; weights and inputs of every kind of float; blocks that change from
call to call; one to four cores, as one call and stage by stage; schedules of the search and forced ones.
"""

from __future__ import annotations

import pytest
from helpers import edges
from helpers.captures import capture_of, compile_for, interpret_core, packed
from helpers.effort import examples_per_test
from helpers.graph_strategy import Example, examples, signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits, cut_blocks
from helpers.schedule_strategy import Values, aligned_convolutions, everywhere, kernel_values
from hypothesis import event, given
from hypothesis import strategies as st

from schedc.ir.contract import MATHS
from schedc.passes.core import core_graph
from schedc.passes.fuse_layers import fuse_layers
from schedc.targets.base import load_target


def check(
    example: Example,
    target: str,
    block: int,
    cores: int,
    prewarm: bool,
    contract: tuple[str, str],
    special: bool,
    infinite: bool,
    forced: Values,
) -> None:
    mac, math = contract
    capture = capture_of(example.graph, example.weights)
    kernels = len(fuse_layers(core_graph(example.graph)))
    cores = min(cores, kernels)
    event(f"{cores} cores")
    split = _split(example, cores)
    schedule = everywhere(forced)
    compilation = compile_for(
        example.graph, target, cores=cores, block=block, mac=mac, split=split, math=math, schedule=schedule
    )
    event("aligned taps" if aligned_convolutions(compilation.program) else "no aligned taps")
    blob = packed(compilation, capture, prewarm)
    n = min(3 * block + min(example.lookback, 150), max(350, block + 20))
    blocks = cut_blocks(n, block, example.seed)
    (source,) = example.graph.inputs
    x = signal(source.channels, n, example.seed, special, infinite)
    wanted = interpret_core(capture, x, compilation.options.contract, prewarm)
    assert_same_bits(Loaded(compilation, blob).process(x, blocks), wanted, f"{target} {mac} {math}")
    if cores > 1:
        assert_same_bits(LoadedStages(compilation, blob).process(x, blocks), wanted, f"{target} stages")


def _split(example: Example, cores: int) -> tuple[int, ...]:
    """Half of the time the balanced cut, else some legal one."""
    kernels = len(fuse_layers(core_graph(example.graph)))
    if example.seed % 2 or cores == 1:
        return ()
    first = 1 + example.seed % (kernels - cores + 1)
    return tuple(range(first, first + cores - 1))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("recurrent", [False, True], ids=["convolutions", "recurrent"])
def test_machine_code_has_the_interpreters_bits(target: str, recurrent: bool) -> None:
    contracts = st.tuples(st.sampled_from(load_target(target).mac), st.sampled_from(MATHS))

    @examples_per_test(36)
    @given(
        examples(recurrent, target=target),
        st.sampled_from(edges.blocks(target)),
        st.integers(1, 4),
        st.booleans(),
        contracts,
        st.booleans(),
        schedules(target),
    )
    def run(
        example: Example,
        block: int,
        cores: int,
        prewarm: bool,
        contract: tuple[str, str],
        special: bool,
        forced: Values,
    ) -> None:
        check(example, target, block, cores, prewarm, contract, special, infinite=False, forced=forced)

    run()


@pytest.mark.parametrize("target", TARGETS)
def test_infinities_and_nans_spread_alike(target: str) -> None:
    @examples_per_test(12)
    @given(
        examples(recurrent=True, target=target),
        st.sampled_from(edges.blocks(target)),
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from(MATHS),
        schedules(target),
    )
    def run(example: Example, block: int, cores: int, prewarm: bool, math: str, forced: Values) -> None:
        contract = load_target(target).mac[0], math
        check(example, target, block, cores, prewarm, contract, special=True, infinite=True, forced=forced)

    run()


def schedules(target: str) -> st.SearchStrategy[Values]:
    """Half of the time nothing is forced."""
    return st.one_of(st.just({}), kernel_values(target))
