"""The default prediction that partitioning and reports use: :mod:`schedc.cost.model`."""

from __future__ import annotations

from schedc.analysis.stage_costs import KernelCycles
from schedc.cost.model import predict_kernel
from schedc.ir.contract import Contract
from schedc.ir.program import Kernel, Program
from schedc.targets.base import Target


def estimator(target: Target, contract: Contract) -> KernelCycles:
    """Predicts the kernels of a scheduled program, in cycles per sample."""

    def estimate(program: Program, kernel: Kernel) -> float:
        return predict_kernel(program, kernel, target, contract)

    return estimate
