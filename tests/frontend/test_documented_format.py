"""docs/nam_format.md says what the reader does: its limits, its table of standard shapes, its smallest file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schedc
from schedc.frontend import limits
from schedc.frontend.history import history_floats, prewarm_samples
from schedc.frontend.model import WaveNetModel
from schedc.frontend.nam_file import read_nam_document
from schedc.frontend.weight_stream import tensors

TEXT = (Path(__file__).parents[2] / "docs" / "nam_format.md").read_text(encoding="utf-8")
SEVEN = [1, 3, 7, 17, 41, 101, 239]


def rows(heading: str) -> list[list[str]]:
    """The cells of every table below a heading."""
    part = TEXT.partition(f"# {heading}\n")[2].partition("\n#")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]


def a1(wide: int, first: list[int], second: list[int]) -> list[dict[str, Any]]:
    common = {"condition_size": 1, "kernel_size": 3, "activation": "Tanh"}
    return [
        {**common, "input_size": 1, "channels": wide, "dilations": first, "head_size": wide // 2, "head_bias": False},
        {**common, "input_size": wide, "channels": wide // 2, "dilations": second, "head_size": 1, "head_bias": True},
    ]


def a2(channels: int) -> list[dict[str, Any]]:
    sizes = {"input_size": 1, "condition_size": 1, "channels": channels, "activation": "LeakyReLU"}
    layers = {"kernel_sizes": [6] * 14 + [15] * 2 + [6] * 7, "dilations": [*SEVEN, *SEVEN, 1, 13, *SEVEN]}
    return [{**sizes, **layers, "head": {"out_channels": 1, "kernel_size": 16, "bias": True}}]


DOUBLING = [2**k for k in range(10)]
LATER = [128, 256, 512, *DOUBLING]
SHAPES = {
    "A1-standard": a1(16, DOUBLING, DOUBLING),
    "A1-lite": a1(12, DOUBLING[:7], LATER),
    "A1-feather": a1(8, DOUBLING[:7], LATER),
    "A1-nano": a1(4, DOUBLING[:7], LATER),
    "A2-Full": a2(8),
    "A2-Lite": a2(3),
}


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


@pytest.mark.parametrize("name", SHAPES)
def test_the_standard_shapes_are_as_large_as_stated(name: str) -> None:
    (stated,) = [numbers(row[1:]) for row in rows("Standard shapes") if row[0] == name and len(row) == 6]
    config = {"layers": SHAPES[name], "head_scale": 0}
    whole = {"version": "0.7.0", "architecture": "WaveNet", "config": config, "weights": [0] * stated[0]}
    document = read_nam_document(json.dumps(whole), name).document  # refuses any other number of weights
    assert isinstance(document.model, WaveNetModel)
    biases = sum(shape[0] for tensor, shape in tensors(document.model) if tensor.endswith(".bias"))
    activations = sum(array.channels * len(array.layers) for array in document.model.arrays)
    found = [stated[0] - biases, activations, history_floats(document.model), prewarm_samples(document)]
    assert stated[1:] == found


def test_the_limits_are_those_of_the_reader() -> None:
    stated = [cells[1] for cells in rows("Limits")[2:]]
    found = [
        (limits.MAX_FILE_BYTES, "64 MiB", 64 * 2**20),
        (limits.MAX_JSON_DEPTH, "100", 100),
        (limits.MAX_JSON_STRUCTURES, "2^18", 2**18),
        (limits.MAX_JSON_VALUES, "2^24", 2**24),
        (limits.MAX_DOCUMENT_DEPTH, "8", 8),
        (limits.MAX_LAYERS, "4,096", 4096),
        (limits.MAX_WEIGHTS, "2^24", 2**24),
        (limits.MAX_HISTORY_FLOATS, "2^26", 2**26),
        (limits.MAX_CHANNELS, "2^16", 2**16),
        (limits.MAX_SIZE, "2^31 - 1", 2**31 - 1),
    ]
    assert stated == [words for _, words, _ in found]
    assert [limit for limit, _, _ in found] == [value for _, _, value in found]


def test_the_smallest_file_computes_what_stands_beside_it(tmp_path: Path) -> None:
    (source,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    (tmp_path / "smallest.nam").write_text(source, encoding="utf-8")
    r, w, b, m, _, _, h, e, s = json.loads(source)["weights"]
    x = np.array([-1.0, -0.25, 0.0, 0.5, 1.0], np.float32)
    wanted = s * (h * np.maximum(w * r * x + b + m * x, 0) + e)
    y = schedc.interpret(tmp_path / "smallest.nam", x, precision="float64")
    assert np.array_equal(np.ravel(y), wanted)
