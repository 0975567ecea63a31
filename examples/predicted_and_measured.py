"""Predicted against measured time of many schedules on this machine: python examples/predicted_and_measured.py

For each of six models: schedules that spread over the whole space, each compiled and timed turn and turn about
with the others (one core, blocks of 64 frames).  Prints rank correlations and how far the cost model's choice
is from the fastest; writes every pair to docs/predicted_and_measured.csv and, with matplotlib
(``pip install matplotlib``), the plot beside it.  Takes about five minutes; leave the machine alone.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.peak import NativeLoops
from schedc.frontend.capture import Reading, read_capture
from schedc.measure.schedules import ScheduleTime, candidates, measure_schedules
from schedc.options import make_options

CAPTURES = Path(__file__).resolve().parent / "captures"
RESULT = Path(__file__).resolve().parents[1] / "docs" / "predicted_and_measured.csv"
EACH = 40  # schedules of each model


def main() -> None:
    """Measure, print, write."""
    options = make_options("host", block=64)
    loops = NativeLoops(options.target)
    found: dict[str, list[ScheduleTime]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path, slim in models(Path(folder)):
            capture = read_capture(path, Reading(slim))
            wholes = candidates(capture, options)
            spread = np.unique(np.linspace(1, len(wholes) - 1, EACH - 1).astype(int))
            best = range(1, min(9, len(wholes)))  # what a wrong choice would have missed
            chosen = [wholes[0], *(wholes[i] for i in sorted({*spread.tolist(), *best}))]
            found[name] = measure_schedules(loops, capture, options, chosen)
            print(line(name, found[name]), flush=True)
    everything = [time for times in found.values() for time in times]
    print(f"all {len(everything)} schedules on {options.target.name}: rank correlation {spearman(everything):.3f}")
    write(found)
    plot(found)


def models(folder: Path) -> list[tuple[str, Path, float | None]]:
    """(name, capture, slim): four of the examples, and two architectures with weights of noise."""
    standard = [(16, 8, False), (8, 1, True)]
    return [
        ("A2-Lite", CAPTURES / "a2_lite.nam", None),
        ("A2-Full", CAPTURES / "a2.nam", 1.0),
        ("A1-nano", CAPTURES / "a1_nano.nam", None),
        ("ConvNet", CAPTURES / "convnet.nam", None),
        ("A1-standard", a1(folder / "standard.nam", standard, gated=False), None),
        ("A1 gated", a1(folder / "gated.nam", standard, gated=True), None),
    ]


def a1(path: Path, arrays: list[tuple[int, int, bool]], gated: bool) -> Path:
    """A WaveNet of the A1 kind; ``arrays``: channels, head size and head bias of each."""
    layers, count, before = [], 1, 1
    for channels, head, bias in arrays:
        wide = 2 * channels if gated else channels
        one = wide * (3 * channels + 1 + 1) + channels * (channels + 1)  # taps, bias, mixin; 1x1
        count += before * channels + 10 * one + head * (channels + bias)
        layers.append(
            {
                "input_size": before,
                "condition_size": 1,
                "head_size": head,
                "channels": channels,
                "kernel_size": 3,
                "dilations": [1 << i for i in range(10)],
                "activation": "Tanh",
                "gated": gated,
                "head_bias": bias,
            }
        )
        before = channels
    weights = np.random.default_rng(1).normal(0.0, 0.1, count)
    config = {"layers": layers, "head": None, "head_scale": 0.02}
    document = {"version": "0.5.4", "architecture": "WaveNet", "config": config, "weights": weights.tolist()}
    path.write_text(json.dumps({**document, "sample_rate": 48000}), encoding="utf-8")
    return path


def line(name: str, times: list[ScheduleTime]) -> str:
    """What the first schedule, the cost model's choice, came to."""
    own, best = times[0].measured_ns, min(time.measured_ns for time in times)
    return (
        f"{name:12} {len(times):3} schedules  rank correlation {spearman(times):.3f}  "
        f"chosen {own:7.1f} ns/sample, best {best:7.1f} ({100 * (own / best - 1):.1f} % more)"
    )


def spearman(times: list[ScheduleTime]) -> float:
    """Rank correlation of predicted and measured; predictions that are equal share their mean rank."""
    pairs = [ranks([time.predicted_ns for time in times]), ranks([time.measured_ns for time in times])]
    return float(np.corrcoef(pairs)[0, 1])


def ranks(values: list[float]) -> npt.NDArray[np.float64]:
    """[n]: place of each value in the order, the mean of their places for equal values."""
    _, inverse, counts = np.unique(np.round(values, 9), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: npt.NDArray[np.float64] = last - (counts - 1) / 2
    return mean[inverse]


def write(found: dict[str, list[ScheduleTime]]) -> None:
    with RESULT.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["model", "schedule", "predicted ns/sample", "measured ns/sample"])
        for name, times in found.items():
            rows = [[name, time.label, f"{time.predicted_ns:.2f}", f"{time.measured_ns:.2f}"] for time in times]
            table.writerows(rows)


def plot(found: dict[str, list[ScheduleTime]]) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: pip install matplotlib", file=sys.stderr)
        return
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.subplots()
    for (name, times), marker in zip(found.items(), "osD^vP", strict=False):
        x, y = [t.predicted_ns for t in times], [t.measured_ns for t in times]
        (dots,) = axes.loglog(x, y, marker, markersize=4, alpha=0.6, label=name)
        axes.loglog(x[:1], y[:1], marker, markersize=9, color=dots.get_color(), markeredgecolor="black")
    ends = [min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])]
    axes.plot(ends, ends, "k-", linewidth=0.5)
    axes.set(xlabel="predicted, ns per sample", ylabel="measured, ns per sample", aspect="equal")
    axes.legend(title="large, rimmed: chosen")
    figure.savefig(RESULT.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
