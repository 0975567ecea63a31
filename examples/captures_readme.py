"""The table in examples/captures/README.md, written from what the capture files say of themselves."""

import json
from pathlib import Path
from typing import Any

HEADER = """# Example captures

Small captures of a synthetic amplifier (`examples/synthetic_amp.py`: two asymmetric tanh stages run
at 192 kHz, tone filters, sag, a small cabinet), trained and exported with the public trainer by
`examples/train_captures.py`. They belong to this project and may be used like its code. `di.wav` is
a guitar take to play through them (`examples/make_di.py`): 48 kHz, mono, 16 bit, 4 s.

The error is the error-to-signal ratio (squared error over squared signal) against the amplifier, over
nine seconds of guitar that training never saw; 0.01 is a residual 20 dB below the signal. The best
linear filter of 1024 taps, fitted to those nine seconds themselves, leaves 0.18. Training is kept
short (one thread, minutes each), so these are honest small captures, not the best possible ones.

| file | architecture | shape | weights | steps | time | validation ESR |
|---|---|---|---|---|---|---|
"""

FOOTER = """
Each file's `metadata.training` holds the same numbers with batch, window, learning rate and seed.
To make them again (all, or by name; `a2_full` needs `a2_lite.nam` and writes `a2.nam`):

```sh
python -m venv .venv-train
.venv-train/bin/pip install -r examples/requirements-train.txt
.venv-train/bin/python examples/make_di.py
.venv-train/bin/python examples/train_captures.py --out examples/captures [NAME ...]
```

This table is written by that script.
"""


def shape(architecture: str, config: dict[str, Any]) -> str:
    if architecture == "WaveNet":
        arrays = config["layers"]
        return "; ".join(f"{array['channels']} channels, {len(array['dilations'])} layers" for array in arrays)
    if architecture == "LSTM":
        return f"{config['num_layers']} layer, {config['hidden_size']} hidden"
    norm = ", batch norm" if config["batchnorm"] else ""
    return f"{config['channels']} channels, {len(config['dilations'])} blocks{norm}"


def row(file: str, model: dict[str, Any], training: dict[str, Any]) -> str:
    cells = [
        file,
        model["architecture"],
        shape(model["architecture"], model["config"]),
        str(len(model["weights"])),
        str(training["steps"]),
        f"{training['seconds'] / 60.0:.1f} min",
        f"{training['validation_esr']:.4f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def rows(path: Path) -> str:
    model = json.loads(path.read_text())
    training = model["metadata"]["training"]
    if model["architecture"] != "SlimmableContainer":
        return row(f"`{path.name}`", model, training)
    submodels = zip(("lite", "full"), model["config"]["submodels"], strict=True)
    return "".join(row(f"`{path.name}`, {name}", entry["model"], training[name]) for name, entry in submodels)


def write_readme(captures: Path) -> None:
    table = "".join(rows(path) for path in sorted(captures.glob("*.nam")))
    (captures / "README.md").write_text(HEADER + table + FOOTER)
