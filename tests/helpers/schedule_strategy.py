"""Hypothesis strategies: what a schedule file may force on any kernel, and on the rings."""

from __future__ import annotations

from hypothesis import strategies as st

from schedc.ir.program import Program
from schedc.loops.form import AlignedCuts, forms
from schedc.passes.schedule_space import lane_widths
from schedc.schedule import KernelValue, RingPolicy, RingValue, ScheduleOverrides, WeightRoute
from schedc.targets.base import load_target

Values = dict[str, KernelValue]
NUMBERS: dict[str, st.SearchStrategy[KernelValue]] = {
    "tile_vectors": st.integers(1, 7),
    "output_block": st.integers(1, 9),
    "pointwise_block": st.integers(1, 9),
    "unroll_macs": st.sampled_from([1, 8, 60, 400]),
    "register_values": st.sampled_from([1, 4, 16, 40]),
    "interleave": st.booleans(),
}
RINGS: st.SearchStrategy[dict[str, RingValue]] = st.fixed_dictionaries(
    {"most_blocks": st.sampled_from([1, 2, 3, 9]), "policy": st.sampled_from(RingPolicy), "colour": st.booleans()}
)


def kernel_values(target: str) -> st.SearchStrategy[Values]:
    """Values that every kernel can have; the cost model chooses what is left out.  Aligned taps two times in three."""
    machine = load_target(target)
    if machine.vectors.lanes == 1:
        return st.fixed_dictionaries({}, optional=NUMBERS)
    routes = st.sampled_from([WeightRoute.BROADCAST, WeightRoute.LANE])
    vectors: dict[str, st.SearchStrategy[KernelValue]] = {
        "lanes": st.sampled_from(lane_widths(machine)),
        "weight_route": routes,
    }
    return st.fixed_dictionaries({"align_taps": st.sampled_from([True, True, False])}, optional={**NUMBERS, **vectors})


def everywhere(values: Values, rings: dict[str, RingValue] | None = None) -> ScheduleOverrides:
    """``values`` forced on all kernels."""
    return ScheduleOverrides((("*", tuple(values.items())),), tuple((rings or {}).items()))


def aligned_convolutions(program: Program) -> int:
    """How many convolutions cut taps out of aligned vectors."""
    found = [
        loop
        for kernel in program.kernels
        for _, loop in forms((program.graph[name].op for name in kernel.nodes), program.schedules[kernel.name])
    ]
    return sum(isinstance(loop, AlignedCuts) for loop in found)
