"""200 captures of two architectures: two compilations, and every blob and every sample that of a fresh compilation.

    python soak_fleet.py FOLDER [CAPTURES]

Writes the captures and what ``schedc batch`` makes of them below FOLDER: blobs, then blobs and a rendered take.  The
fresh ones are compiled without the code cache, each capture by itself.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.captures import EXAMPLES, packed
from helpers.siblings import write_sibling

from schedc.cli.main import main as schedc_main
from schedc.compiler import Compilation, compile_graph
from schedc.frontend.capture import read_capture
from schedc.host.code import load_compilation
from schedc.host.voice import Voice
from schedc.host.weights import Weights
from schedc.options import make_options

TAKE = EXAMPLES[0].with_name("di.wav")


def main(folder: Path, captures: int) -> int:
    library, out = folder / "library", folder / "out"
    library.mkdir(parents=True)
    paths = []
    for number in range(captures):
        stem = ("a2", "a2_lite")[number % 2]
        source = next(path for path in EXAMPLES if path.stem == stem)
        paths.append(write_sibling(source, library / f"{stem}_{number:03}.nam", seed=number))
    for more in ([str(folder / "packed")], [str(out), "--render", str(TAKE)]):
        if schedc_main(["batch", str(library), "--target", "avx2", "-o", *more]):
            return 1
    os.environ["SCHEDC_CACHE"] = "off"
    x = soundfile.read(TAKE, dtype="float32")[0]
    begin, blobs, takes = time.perf_counter(), 0, 0
    for path in paths:
        (blob,), (take,) = out.rglob(f"{path.stem}.bin"), out.rglob(f"{path.stem}.wav")
        capture = read_capture(path)
        fresh = compile_graph(capture.graph, make_options("avx2"))
        weights = packed(fresh, capture)
        blobs += blob.read_bytes() != weights
        takes += not np.array_equal(soundfile.read(take, dtype="float32")[0], played(fresh, weights, x))
    seconds = time.perf_counter() - begin
    print(
        f"{len(paths)} fresh compilations ({seconds:.0f} s): {blobs} blobs and {takes} takes of {len(x)} samples differ"
    )
    return int(blobs + takes > 0)


def played(compilation: Compilation, weights: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A take through freshly compiled code."""
    voice = Voice(load_compilation(compilation), Weights(weights, None))
    y, done = np.empty_like(x), 0
    while done < len(x):
        done += voice.process(x[None, done:], y[None, done:])
    return y


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200))
