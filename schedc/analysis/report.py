"""What the static analyser found out about a function: cycles and counts of some of its calls."""

from __future__ import annotations

from dataclasses import dataclass

from schedc.analysis.machine_code import MIX_WORDS, CallCosts, per_sample


@dataclass(frozen=True)
class CodeReport:
    """Cycles and counts per sample of ``frames``-sample calls.

    ``calls``: costs of every call of the last ring period (``method`` says how many and why).
    """

    target: str
    frames: int
    calls: tuple[CallCosts, ...]
    method: str
    stack_bytes: int
    static_stack_bytes: int
    code_bytes: int

    @property
    def mean(self) -> float:
        return sum(call.cycles for call in self.calls) / len(self.calls) / self.frames

    @property
    def worst(self) -> float:
        return max(call.cycles for call in self.calls) / self.frames

    @property
    def best(self) -> float:
        return min(call.cycles for call in self.calls) / self.frames

    @property
    def typical(self) -> CallCosts:
        """The call with the median cycles, for breakdowns."""
        return sorted(self.calls, key=lambda call: call.cycles)[len(self.calls) // 2]


def report_data(report: CodeReport) -> dict[str, object]:
    """The report for programs; everything per sample."""
    call = report.typical
    total = call.costs
    return {
        "is_a_prediction": True,
        "target": report.target,
        "samples_per_call": report.frames,
        "method": report.method,
        "cycles_per_sample": {
            "mean": round(report.mean, 2),
            "best": round(report.best, 2),
            "worst": round(report.worst, 2),
        },
        "stack_bytes": report.stack_bytes,
        "static_stack_bytes": report.static_stack_bytes,
        "code_bytes": report.code_bytes,
        "instructions_per_sample": per_sample(total.mix, call.frames, MIX_WORDS),
        "stalls_per_sample": per_sample(total.stalls, call.frames),
        "kernels": [
            {
                "name": part.name,
                "function": part.function,
                "cycles_per_sample": round(part.costs.cycles / call.frames, 2),
                "stalls_per_sample": round(sum(part.costs.stalls.values()) / call.frames, 2),
                "bounds_per_sample": {word: round(value / call.frames, 2) for word, value in part.bounds.items()},
            }
            for part in call.parts
        ],
        "loops": [
            {
                "function": loop.function,
                "start": loop.start,
                "end": loop.end,
                "iterations": loop.iterations,
                "cycles_per_iteration": round(loop.costs.cycles / max(1, loop.iterations), 2),
                "loads_per_mac": round(loop.loads_per_mac, 4),
                "stack_accesses": loop.costs.stack_accesses,
                "scalar_arithmetic": loop.scalar_arithmetic,
            }
            for loop in call.loops
        ],
    }
