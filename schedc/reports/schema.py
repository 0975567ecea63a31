"""What stands in a report, key by key: ``artifact.report``, and the ``NAME.json`` beside an object.

Cycles and loads are predictions from the target's description, never measurements.  In the reports of ``schedc
batch``, whose code serves captures of any rate, what depends on the rate is null.
"""

from __future__ import annotations

from typing import Any, TypedDict

from schedc.ir.contract import Mac, Math, Nonfinite, Subnormals


class ContractReport(TypedDict):
    """The numeric contract: all that decides bits."""

    mac: Mac
    subnormals: Subnormals
    math: Math
    nonfinite: Nonfinite


class CaptureReport(TypedDict):
    """A capture's file: its name without folder, and the SHA-256 of its content."""

    file: str
    sha256: str


class BytesReport(TypedDict):
    """``code``: what the object takes in memory; ``object``: the file.  ``stage_states``, ``handoffs``: by stage."""

    code: int
    object: int
    weights: int
    state: int
    stage_states: list[int]
    handoffs: list[int]


class EstimateReport(TypedDict):
    """``load_of_slowest_core``: 1.0 is all of it."""

    is_a_prediction: bool
    cycles_per_sample: float
    cycles_per_sample_of_stages: list[float]
    load_of_slowest_core: float
    clock_hz: float


class CutReport(TypedDict):
    """``split``: the kernels that begin stages 1, 2, ..."""

    split: list[int]
    cycles_per_sample: float


class BalanceReport(TypedDict):
    """How the work is spread over the cores; ``runners_up``: the next best cuts."""

    split: list[int]
    core_speeds: list[float]
    speed_up: float
    pipeline_latency_ms: float
    runners_up: list[CutReport]


class KernelReport(TypedDict):
    """A kernel, as :class:`schedc.reports.report.KernelFacts` explains it."""

    name: str
    stage: int
    shape: int
    macs_per_sample: int
    activations_per_sample: int
    tile: str
    axis: str
    output_block: int
    taps: str
    bound: str
    runner_up: str
    weight_bytes: int
    estimated_cycles_per_sample: float


class Report(TypedDict):
    """``packing``: what :func:`schedc.pack` needs of it, and nobody else (docs/weight_blob.md)."""

    schedc: str
    name: str
    captures: list[CaptureReport]
    architecture: str
    graph_digest: str
    layout_digest: str
    target: str
    target_full_name: str
    object_format: str
    object_file: str
    visibility: str
    contract: ContractReport
    fp_mode: str
    sample_rate_hz: float
    max_block_frames: int
    cores: int
    schedule: str
    latency_samples: int
    pipeline_latency_samples: int
    bytes: BytesReport
    macs_per_sample: int
    estimate: EstimateReport
    balance: BalanceReport
    kernels: list[KernelReport]
    slim: float | None
    core_0_5_5_layer1x1_post_film: bool
    packing: dict[str, Any]
    warnings: list[str]
