"""Features counted by hand on graphs small enough to count; bounds that add up or compete."""

from __future__ import annotations

import pytest

from schedc.autoscheduler import rank
from schedc.cost.features import activation_work, kernel_features
from schedc.cost.model import Bounds, kernel_bounds
from schedc.ir.contract import Contract
from schedc.ir.graph import Graph, GraphBuilder
from schedc.ir.ops import Activation, ActivationKind, Conv, Input, Output
from schedc.ir.program import Kernel
from schedc.schedule import KernelSchedule, WeightRoute
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


def schedule(vectors: int, route: WeightRoute = WeightRoute.BROADCAST, share: bool = False) -> KernelSchedule:
    return KernelSchedule(
        lanes=8,
        tile_vectors=vectors,
        output_block=2,
        pointwise_block=2,
        unroll_macs=100,
        register_values=16,
        weight_route=route,
        interleave=False,
        share_taps=share,
    )


def test_counts_of_a_small_kernel() -> None:
    features = kernel_features(graph(), KERNEL, schedule(4))
    assert features.macs == 4 * (2 * 2 * 3 + 2)
    assert features.loads == 24  # conv: samples of 2 channels x 3 taps x 4 vectors
    assert features.weights == 12 + 2 + 1 + 2 + 1  # conv and its biases; slope; 1x1 and its bias
    assert features.stores == 4  # one channel leaves
    assert features.arithmetic == 4 * 2 * 2  # a product and a maximum per value
    assert features.moves == 3 * (2 + 1)  # start values of the other three vectors
    assert features.chain == 6 + 2  # one block each
    assert features.depth == 6 + 2 + 2  # and the activation between them
    assert features.frames == 32


def test_lanes_of_weights_and_shared_samples_save_loads() -> None:
    plain = kernel_features(graph(), KERNEL, schedule(4))
    assert kernel_features(graph(), KERNEL, schedule(4, WeightRoute.LANE)).weights < plain.weights
    shared = kernel_features(graph(), KERNEL, schedule(4, share=True))
    assert plain.loads - shared.loads == 2 * 3 * 4 - 2 * (3 + 4 - 1)


def test_activation_work_counts_the_definition() -> None:
    assert activation_work(ActivationKind.LEAKY_RELU)["arithmetic"] == 2
    assert activation_work(ActivationKind.TANH)["divisions"] == 1
    assert activation_work(ActivationKind.TANH)["arithmetic"] > activation_work(ActivationKind.FASTTANH)["arithmetic"]


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
    assert fused - unfused == features.macs


def test_the_ranking_is_sorted_and_repeatable() -> None:
    target, contract = load_target("m33"), Contract()
    first = rank(graph(), KERNEL, target, contract, 48)
    assert first == rank(graph(), KERNEL, target, contract, 48)
    assert [entry.cycles_per_sample for entry in first] == sorted(entry.cycles_per_sample for entry in first)
