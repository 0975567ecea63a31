"""More captures of an architecture: the same file with other weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def write_sibling(path: Path, target: Path, seed: int) -> Path:
    """A capture like ``path`` whose every weight is changed a little (some per cent); returns ``target``."""
    document = json.loads(path.read_text(encoding="utf-8"))
    _change(document, np.random.default_rng(seed))
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


def _change(part: Any, rng: np.random.Generator) -> None:
    """Every list called ``weights``, at any depth; a head scale, which a WaveNet states twice, in both places."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "weights" and isinstance(value, list):
                values = np.array(value)
                part[key] = (values * rng.normal(1, 0.05, values.shape)).astype(np.float32).tolist()
            else:
                _change(value, rng)
        if isinstance(part.get("config"), dict) and "head_scale" in part["config"]:
            part["config"]["head_scale"] = part["weights"][-1]
    elif isinstance(part, list):
        for item in part:
            _change(item, rng)
