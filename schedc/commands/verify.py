"""``schedc verify``: PASS or FAIL with the facts behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schedc.backends.this_machine import can_run_here
from schedc.cache.compile_cache import compile_cached
from schedc.commands.console import count, say, tell, warn
from schedc.commands.progress import working
from schedc.compiler import Compilation
from schedc.errors import OptionError
from schedc.files.identifiers import c_identifier
from schedc.frontend.capture import Capture
from schedc.frontend.chains import chain_name, read_source
from schedc.host.start_state import CHECKED_SILENCE, is_left_to_machine_code
from schedc.ir.contract import Contract
from schedc.ir.graph import is_recurrent
from schedc.ir.ops import macs
from schedc.ir.weights import FloatArray
from schedc.options import Choices
from schedc.reference import reference_interpreter
from schedc.targets.base import Target
from schedc.verification import Run, Verification, verify_compilation


def verify(models: Sequence[Path], choices: Choices, samples: int | None) -> int:
    """Print the verdict; returns the exit code, 0 or 1.  UserError as for ``compile``."""
    options = choices.options
    check_runnable(options.target)
    capture = read_source(models, choices.reading)
    with working("compiling"):
        compilation = compile_cached(capture.graph, options, c_identifier(chain_name(models)))
    warn(capture.warnings)
    with working("comparing"):
        result = verify_compilation(compilation, capture, samples or default_samples(compilation))
        accuracy = accuracy_text(capture, result, options.contract)
    where = "emulated" if result.emulated else "on this machine"
    cores = count(options.cores, "core")
    tell(f"{compilation.name}: {capture.architecture} for {options.target.full_name}, {cores}, {where}")
    tell(str(options.contract), "contract")
    for run in result.runs:
        tell(_run_text(run, result), "FAIL" if run.fault else "pass")
    if is_left_to_machine_code(capture, options.contract):
        amount = f"{count(capture.prewarm_samples, 'sample')} before, run by machine code here"
        tell(f"{amount}; the interpreter checked the first and last {CHECKED_SILENCE}", "silence")
    if result.instructions_per_sample is not None:
        tell(f"{result.instructions_per_sample:,.0f} instructions/sample in blocks of {options.frames}", "executed")
    if result.stack_bytes is not None:
        tell(f"{count(result.stack_bytes, 'byte')} at most", "stack")
    tell(f"{accuracy} (not part of the verdict)", "accuracy")
    say("PASS" if result.passed else "FAIL")
    return 0 if result.passed else 1


def check_runnable(target: Target) -> None:
    """OptionError for a target that neither this machine nor the emulator runs."""
    if not can_run_here(target) and not target.emulator:
        raise OptionError(
            "target", f"this machine cannot run {target.name} code and no emulator can", "verify on such a machine"
        )


def default_samples(compilation: Compilation) -> int:
    """How much signal is worth its time: the LSTM interpreter is slow, and so is emulation."""
    graph = compilation.program.graph
    if is_recurrent(graph):
        return 2000
    if can_run_here(compilation.options.target):
        return 20000
    work = sum(macs(node.op) for node in graph)
    return min(20000, max(4000, 50_000_000 // (work + 1)))


def _run_text(run: Run, result: Verification) -> str:
    if run.fault:
        return f"{run.what}: {run.fault}"
    sizes = "1 sample" if result.largest_call == 1 else f"1 to {count(result.largest_call, 'sample')}"
    amount = f"{count(result.signal.shape[1], 'sample')} in {count(run.calls, 'call')} of {sizes}"
    return f"{run.what}: {amount}, every bit as the float32 interpreter's"


@dataclass(frozen=True)
class Accuracy:
    """``error_db``: RMS of float32 minus float64 over the RMS of float64; None if either is silent
    or not finite.  ``error_peak``: the largest difference."""

    error_db: float | None
    error_peak: float

    def __str__(self) -> str:
        if self.error_db is None:
            return f"float32 differs from float64 by at most {self.error_peak:.2g}"
        return (
            f"float32 is {self.error_db:.1f} dB from float64 (RMS of the difference over RMS), "
            f"at most {self.error_peak:.2g}"
        )


def accuracy_text(capture: Capture, result: Verification, contract: Contract) -> str:
    """How far float32 is from float64, or why that says nothing."""
    overflowing = int(np.count_nonzero(~np.isfinite(result.wanted)))
    if overflowing:
        return f"not measured: {overflowing:,} of {result.wanted.size:,} values overflow on the loud part of the signal"
    return str(measure_accuracy(capture, result.signal, result.wanted, contract))


def measure_accuracy(capture: Capture, x: FloatArray, y: FloatArray, contract: Contract | None = None) -> Accuracy:
    """How far the float32 answer ``y`` to ``x`` is from the model in double precision."""
    interpreter = reference_interpreter(capture, "float64", contract)
    interpreter.prewarm(capture.prewarm_samples)
    exact = interpreter.process(x)
    with np.errstate(all="ignore"):
        error = y - exact
        ratio = float(np.sqrt(np.mean(error**2) / np.mean(exact**2)))
        decibels = 20 * float(np.log10(ratio)) if np.isfinite(ratio) and ratio > 0 else None
        return Accuracy(decibels, float(np.max(np.abs(error))))
