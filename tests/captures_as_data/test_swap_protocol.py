"""The C header's swap protocol between two threads: no block mixed, no allocation, no lock."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc

HERE = Path(__file__).parent
WRAPPED = ("malloc", "calloc", "realloc", "free", "pthread_mutex_lock")


def build_swapper(folder: Path) -> list[str]:
    """Compile the program; returns the command but for its times."""
    (capture,) = [path for path in EXAMPLES if path.stem == "a2_lite"]
    artifact = schedc.compile(capture, name="capture", block=48)
    artifact.write(folder)
    other = write_sibling(capture, folder / "other.nam", seed=1)
    (folder / "other.bin").write_bytes(schedc.pack(other, artifact))
    program = str(folder / "swap_threads")
    wrap = [f"-Wl,--wrap={name}" for name in WRAPPED]
    strict = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    files = [str(HERE / "swap_threads.c"), str(folder / "capture.o")]
    subprocess.run(["gcc", *strict, f"-I{folder}", *files, *wrap, "-o", program], check=True)
    return [program, str(folder / "capture_weights.bin"), str(folder / "other.bin")]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_swapping_threads_in_c(tmp_path: Path) -> None:
    done = subprocess.run([*build_swapper(tmp_path), "1", "10"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong blocks, 0 calls of allocator or mutex" in done.stdout
