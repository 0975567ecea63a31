"""Small libraries of captures: files of a format and a rate, and what ``schedc batch`` made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.namb import namb
from schedc.cli.main import main

Batch = Callable[..., tuple[int, str, str]]  # library and options -> exit code, output, complaints
ENDINGS = (".nam", ".NAM", ".Nam", ".namb", ".NAMB", ".nAmB")


def write(path: Path, gain: float, rate: float | None = 48000, taps: int = 1) -> Path:
    """y[t] = gain * x[t], in the format of the ending; with more taps it is another architecture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made: dict[str, Any] = {"version": "0.5.4", "architecture": "Linear"}
    made["config"] = {"receptive_field": taps, "bias": False}
    made["weights"] = [gain, *[0.0] * (taps - 1)]
    if rate is not None:
        made["sample_rate"] = rate
    path.write_bytes(namb(made) if path.suffix.lower() == ".namb" else json.dumps(made).encode())
    return path


def run_batch(capsys: pytest.CaptureFixture[str], out: Path, library: object, *more: object) -> tuple[int, str, str]:
    """``schedc batch`` in this process."""
    code = main([str(argument) for argument in ("batch", library, "-t", "m33", "-o", out, "-j", "0", *more)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def results(out: Path, ending: str = ".bin") -> dict[str, bytes]:
    """Name of a capture -> content of its file; names are unique over all architectures."""
    paths = list(out.rglob(f"*{ending}"))
    found = {str(path.relative_to(out)).partition("/")[2].removesuffix(ending): path for path in paths}
    assert len(found) == len(paths)
    return {name: path.read_bytes() for name, path in found.items()}


def ledger(out: Path) -> list[dict[str, Any]]:
    """The lines of captures."""
    lines = [json.loads(line) for line in (out / "batch.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if not line["name"].endswith("/")]
