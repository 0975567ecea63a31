"""What captures compile to, as digests: ``python tests/object_digests.py [MODEL...] > before.txt``, and again after.

For changes that must not change a byte.  By default every capture in ``examples/``, for every target, on one core and
on two: SHA-256 of object, blob, header and what is predicted, each cut to 12 digits.  ``PYTHONPATH`` chooses the code,
so that one script can be run on two checkouts.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import schedc

ROOT = Path(__file__).parents[1]
TARGETS = ("m33", "a8", "aarch64", "a53", "a72", "avx2", "avx512", "zen4")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def line(model: Path, target: Any, cores: int) -> str:
    made = schedc.compile(str(model), target=target, cores=cores)
    predicted = {key: made.report[key] for key in ("estimate", "kernels")}
    parts = (made.code, made.weights, made.header.encode(), json.dumps(predicted, sort_keys=True).encode())
    return " ".join([f"{model.stem:14} {target:8} {cores}", *map(digest, parts)])


if __name__ == "__main__":
    os.environ["SCHEDC_CACHE"] = "off"
    warnings.simplefilter("ignore", schedc.SchedcWarning)
    models = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "examples" / "captures").glob("*.nam"))
    print("capture        target   cores object blob header predicted")
    for found in itertools.product(models, TARGETS, (1, 2)):
        print(line(*found), flush=True)
