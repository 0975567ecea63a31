"""Which pipeline model times a target's code."""

from __future__ import annotations

from collections.abc import Callable

from schedc.analysis.dual_issue_neon import DualIssueNeon
from schedc.analysis.out_of_order import OutOfOrder
from schedc.analysis.single_issue import SingleIssue
from schedc.analysis.timing import Pipeline, PipelineTable
from schedc.errors import OptionError
from schedc.targets.base import Target, load_target
from schedc.targets.names import TARGET_NAMES

MODELS: dict[str, Callable[[PipelineTable], Pipeline]] = {
    "single_issue": SingleIssue,
    "dual_issue_neon": DualIssueNeon,
    "out_of_order": OutOfOrder,
}


def pipeline_for(target: Target, bus_blocked: bool | None = None) -> Pipeline:
    """The pipeline model of a target; OptionError if it has none."""
    table = target.pipeline
    if table is None or table.model not in MODELS:
        known = [name for name in TARGET_NAMES if load_target(name).pipeline is not None]
        remedy = f"use {', '.join(known)}" + (f", or state a pipeline in {target.file}" if target.file else "")
        raise OptionError("target", f"{target.name} has no pipeline model", remedy)
    if table.model == "single_issue":
        blocked = bool(table.options["bus_blocked"].value) if bus_blocked is None else bus_blocked
        return SingleIssue(table, blocked)
    return MODELS[table.model](table)
