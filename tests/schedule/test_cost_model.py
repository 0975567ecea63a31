"""Features counted by hand on graphs small enough to count; bounds that add up or compete."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from helpers.captures import graph_of

from schedc.autoscheduler import rank
from schedc.cost import counts as counts_module
from schedc.cost.activations import activation_work
from schedc.cost.counts import Counts
from schedc.cost.features import KernelFeatures, kernel_features
from schedc.cost.model import Bounds, Prices, kernel_bounds
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import Activation, ActivationKind, Conv, Input, Output, Start
from schedc.ir.program import Kernel
from schedc.options import make_options
from schedc.schedule import Aligned, KernelSchedule, Parts, Plain, Shared, Taps, VectorAxis, WeightRoute
from schedc.targets.base import load_target

KERNEL = Kernel("k", ("conv", "act", "mix"))


def graph() -> Graph:
    """Two channels, three taps, a LeakyReLU, a 1x1 to one channel."""
    builder = GraphBuilder()
    builder.add("input", Input(2))
    builder.add("conv", Conv(2, 2, 3, 5), "input")
    builder.add("act", Activation(ActivationKind.LEAKY_RELU, 2), "conv")
    builder.add("mix", Conv(2, 1), "act")
    builder.add("output", Output(1), "mix")
    return builder.build()


PLAIN = Plain()


def schedule(vectors: int, route: WeightRoute = WeightRoute.BROADCAST, taps: Taps = PLAIN) -> KernelSchedule:
    return KernelSchedule(
        lanes=8,
        tile_vectors=vectors,
        output_block=2,
        pointwise_block=2,
        unroll_macs=100,
        register_values=16,
        weight_route=route,
        interleave=False,
        taps=taps,
    )


def test_counts_of_a_small_kernel() -> None:
    features = kernel_features(graph(), KERNEL, schedule(4))
    assert features.counts.macs == 4 * (2 * 2 * 3 + 2)
    assert features.counts.loads == 24  # conv: samples of 2 channels x 3 taps x 4 vectors
    assert features.counts.weights == 12 + 2 + 1 + 2 + 1  # conv and its biases; slope; 1x1 and its bias
    assert features.counts.stores == 4  # one channel leaves
    assert features.counts.arithmetic == 4 * 2 * 2  # a product and a maximum per value
    assert features.counts.moves == 3 * (2 + 1)  # start values of the other three vectors
    assert features.counts.chain == 6 + 2  # one block each
    assert features.depth == 6 + 2 + 2  # and the activation between them
    assert features.frames == 32


def test_streams_that_do_not_fit_the_registers_go_through_memory() -> None:
    narrow, wide = (
        kernel_features(graph(), KERNEL, replace(schedule(4), register_values=room)) for room in (16, 2 * 4 - 1)
    )
    # conv and act are stored, 8 vectors each, and read back.
    assert wide.counts.stores - narrow.counts.stores == 8 + 8
    assert wide.counts.loads - narrow.counts.loads == 8 + 8


@pytest.mark.parametrize(("vectors", "waiting"), [(1, 4 * 3), (2, 4 * 1), (3, 0)])
def test_activations_of_few_vectors_wait_on_in_order_machines(vectors: int, waiting: int) -> None:
    target, contract = load_target("a8"), make_options("a8").contract
    features = kernel_features(graph(), KERNEL, replace(schedule(vectors, WeightRoute.LANE), lanes=4))
    assert features.counts.dependent == 2 * 2  # two operations of two channels
    independent = replace(features, counts=replace(features.counts, dependent=0))
    with_it, without = (kernel_bounds(f, target, contract, 64).mac for f in (features, independent))
    assert with_it - without == waiting  # an operation issues for 2 cycles, its result takes 5


def test_lanes_of_weights_save_loads() -> None:
    plain = kernel_features(graph(), KERNEL, schedule(4)).counts.weights
    assert kernel_features(graph(), KERNEL, schedule(4, WeightRoute.LANE)).counts.weights < plain


def fir_features(lanes: int, vectors: int, together: int = 1, share: bool = True) -> KernelFeatures:
    """Of 35 taps from 2 channels to 1."""
    fir = graph_of(("x", Input(2), ""), ("fir", Conv(2, 1, 35, 1, 1, Start.NOTHING), "x"))
    route = WeightRoute.SCALAR if lanes == 1 else WeightRoute.BROADCAST
    chosen = replace(schedule(vectors, route, Shared(together) if share else Plain()), lanes=lanes)
    return kernel_features(fir, Kernel("k", ("fir",)), chosen)


def test_a_window_of_single_frames_loads_each_sample_once() -> None:
    assert (fir_features(1, 4).counts.loads, fir_features(1, 4).counts.weights) == (2 * (35 + 3), 2 * 35)
    assert fir_features(1, 4).counts.chain == 2 * 35


def test_vectors_in_skewed_order_load_samples_once_and_weights_each() -> None:
    plain, skewed, pairs = fir_features(8, 4, share=False), fir_features(8, 4), fir_features(8, 4, 2)
    # 3 of the 35 taps are less than a group of 8: there every vector loads its samples.
    assert plain.counts.loads == 2 * 4 * 35
    assert skewed.counts.loads == 2 * (32 + 3 * 8 + 3 * 4)
    assert pairs.counts.loads == 2 * (2 * (32 + 2 * 8) + 3 * 4)
    assert plain.counts.weights == 2 * 35
    assert skewed.counts.weights == 2 * (32 * 4 + 3)
    assert pairs.counts.weights == 2 * (32 * 2 + 3)
    assert (plain.counts.chain, skewed.counts.chain, pairs.counts.chain) == (2 * 35, 2 * (35 + 3 * 8), 2 * (35 + 2 * 8))


@pytest.mark.parametrize(("dilation", "loads", "splices"), [(1, 5, 8), (5, 6, 7), (8, 12, 0), (20, 11, 2), (99, 12, 0)])
def test_aligned_taps_load_a_vector_once(dilation: int, loads: int, splices: int) -> None:
    """Of three taps of a tile of 4 vectors of 8 frames."""
    layer = graph_of(("layer", Conv(1, 1, 3, dilation), "x"))
    features = kernel_features(layer, Kernel("k", ("layer",)), schedule(4, taps=Aligned()))
    assert (features.counts.loads, features.counts.splices, features.straddles) == (loads, splices, False)


def test_a_block_of_one_tile_waits_for_what_was_just_stored() -> None:
    target, contract = load_target("zen4"), make_options("zen4").contract
    near, far = (graph_of(("layer", Conv(3, 3, 6, dilation), "x")) for dilation in (3, 300))
    for block, fresh in ((16, True), (256, False)):
        best = [rank(layer, Kernel("k", ("layer",)), Prices(target, contract, block))[0] for layer in (near, far)]
        assert [entry.schedule.taps == Aligned() for entry in best] == [fresh, False]


@pytest.mark.parametrize("target", ["avx512", "zen4", "avx2", "a8", "aarch64", "m33"])
def test_a_long_filter_shares_its_taps_or_cuts_them_and_a_dilated_one_cannot(target: str) -> None:
    machine, contract = load_target(target), make_options(target).contract
    for dilation in (1, 2):
        fir = graph_of(("fir", Conv(1, 1, 2048, dilation), "x"))
        ranked = rank(fir, Kernel("k", ("fir",)), Prices(machine, contract, 64))
        best = ranked[0].schedule
        assert isinstance(best.taps, Shared | Parts) == (dilation == 1)


def test_counts_with_channels_across_the_lanes() -> None:
    """Two frames a tile; both widths fit a vector of 8, whose lanes a 1x1 convolution reads from registers."""
    across = replace(schedule(2), axis=VectorAxis.CHANNELS)
    features = kernel_features(graph(), KERNEL, across)
    assert features.counts.macs == 2 * (2 * 3 + 2)
    assert features.counts.loads == 6 + 1 + 2 + 1  # vectors of weights and biases
    assert features.counts.folded == 2 * 6  # samples of the convolution
    assert (
        features.counts.moves == 2 * 2 + 1 + 1 + 2
    )  # lanes of the 1x1's source; second start values; the scattered output
    assert features.counts.stores == 2  # the caller reads it, so it is planar
    assert features.counts.arithmetic == 2 * 2
    assert (features.counts.chain, features.depth, features.frames) == (6 + 2, 6 + 2 + 2, 2)
    four = kernel_features(graph(), KERNEL, replace(across, tile_vectors=4))
    assert four.counts.stores == 4 + 4  # of more frames the 1x1's samples are read from tile scratch
    assert four.counts.folded == 4 * (6 + 2)


def test_activation_work_counts_the_definition() -> None:
    assert activation_work(ActivationKind.LEAKY_RELU).arithmetic == 2
    assert activation_work(ActivationKind.TANH).divisions == 1
    assert activation_work(ActivationKind.TANH).arithmetic > activation_work(ActivationKind.FASTTANH).arithmetic


def test_in_order_machines_add_and_others_overlap() -> None:
    bounds = Bounds(mac=10, memory=6, issue=4, latency=3, overhead=1)
    assert bounds.cycles(in_order=True) == 17
    assert 11 < bounds.cycles(in_order=False) < 12
    assert bounds.deciding() == "mac"


@pytest.mark.parametrize("mac", ["fused", "unfused"])
def test_the_contract_decides_the_price_of_a_mac(mac: str) -> None:
    target = load_target("m33")
    features = kernel_features(graph(), KERNEL, schedule(1))
    fused, unfused = (kernel_bounds(features, target, Contract(mac=kind), 48).mac for kind in ("fused", "unfused"))
    assert fused - unfused == features.counts.macs


def test_the_ranking_is_sorted_and_repeatable() -> None:
    target, contract = load_target("m33"), Contract()
    first = rank(graph(), KERNEL, Prices(target, contract, 48))
    assert first == rank(graph(), KERNEL, Prices(target, contract, 48))
    assert [entry.cycles_per_sample for entry in first] == sorted(entry.cycles_per_sample for entry in first)


def test_a_kind_that_is_not_counted_cannot_be_named() -> None:
    counts = Counts(macs=2, stores=1) + Counts(macs=3, loads=4)
    assert (counts.macs, counts.loads, counts.stores, counts.memory) == (5, 4, 1, 5)
    with pytest.raises(AttributeError):
        counts.lodas = 1  # type: ignore[attr-defined]


def test_every_count_is_said_in_words_above_its_field() -> None:
    lines = Path(str(counts_module.__file__)).read_text().splitlines()
    declared = [index for index, line in enumerate(lines) if line.endswith(": float = 0")]
    undocumented = [lines[index].strip() for index in declared if not lines[index - 1].startswith("    # ")]
    assert len(declared) == len(fields(Counts)) and not undocumented
