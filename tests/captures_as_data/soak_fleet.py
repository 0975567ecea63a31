"""200 captures of two architectures: two compilations, and every blob that of a fresh compilation.

    python soak_fleet.py FOLDER [CAPTURES]

Writes the captures and what ``schedc batch`` makes of them below FOLDER.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc
from schedc.cli import main as schedc_main


def main(folder: Path, captures: int) -> int:
    library, out = folder / "library", folder / "out"
    library.mkdir(parents=True)
    paths = []
    for number in range(captures):
        stem = ("a2", "a2_lite")[number % 2]
        source = next(path for path in EXAMPLES if path.stem == stem)
        paths.append(write_sibling(source, library / f"{stem}_{number:03}.nam", seed=number))
    if schedc_main(["batch", str(library), "--target", "avx2", "-o", str(out)]):
        return 1
    begin, wrong = time.perf_counter(), 0
    for path in paths:
        (blob,) = out.rglob(f"{path.stem}.bin")
        wrong += blob.read_bytes() != schedc.compile(path, target="avx2").weights
    seconds = time.perf_counter() - begin
    print(f"{wrong} of {len(paths)} blobs differ from a fresh compilation ({seconds:.0f} s for those)")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200))
