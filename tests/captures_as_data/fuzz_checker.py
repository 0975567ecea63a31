"""libFuzzer on the C header's checker of weight blobs, seeded with real blobs of the example captures.

    python fuzz_checker.py FOLDER SECONDS

Needs clang with its runtime libraries.  FOLDER gets the compiled capture, the fuzzer, its corpus, which later runs go
on with, and any input that fails, as crash-*.  Prints what libFuzzer does, then how often each result was met; the exit
code is libFuzzer's, or 69 if there is no such clang.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.captures import EXAMPLES
from helpers.toolchains import without_randomisation

import schedc

SOURCE = Path(__file__).with_name("fuzz_checker.c")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-g", "-O1")
SANITIZERS = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
CHECKED = next(path for path in EXAMPLES if path.stem == "lstm_1x16")  # the smallest blob: the most executions
NO_CLANG = 69  # EX_UNAVAILABLE


def find_clang() -> str | None:
    """A clang that has libFuzzer."""
    for name in ("clang", "clang-14"):
        if shutil.which(name):
            command = [name, "-print-runtime-dir"]
            folder = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            if list(Path(folder).glob("libclang_rt.fuzzer*")):
                return name
    return None


def fuzz_command(clang: str, folder: Path, seconds: int) -> list[str]:
    """Compile the capture, build the fuzzer and write the seeds; returns the command that runs it."""
    artifact = schedc.compile(CHECKED, target="m33", name="capture")
    artifact.write(folder)
    seeds = {CHECKED.stem: artifact.weights, "zeros": schedc.pack(CHECKED, artifact, prewarm=False)}
    seeds["partition"] = artifact.weights + b"\xff" * 999
    # So that every result is met, however little a busy machine gets done in the time.
    seeds["damaged"], seeds["no_blob"] = artifact.weights[:-1] + b"\x7f", bytes(64)
    for path in EXAMPLES:
        seeds.setdefault(path.stem, schedc.compile(path, target="m33", name="capture").weights)
    for name in ("corpus", "seeds"):
        (folder / name).mkdir(exist_ok=True)
    for name, blob in seeds.items():
        (folder / "seeds" / name).write_bytes(blob)
    program, sources = str(folder / "fuzz"), [str(SOURCE), str(folder / "capture_weights.c")]
    subprocess.run([clang, *STRICT, *SANITIZERS, f"-I{folder}", *sources, "-o", program], check=True)
    limits = [f"-max_total_time={seconds}", f"-max_len={2 * len(artifact.weights)}", "-timeout=60"]
    kept = [f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    return [*without_randomisation(), program, *limits, *kept, str(folder / "corpus"), str(folder / "seeds")]


def main(folder: Path, seconds: int) -> int:
    clang = find_clang()
    if clang is None:
        print("no clang with libFuzzer; `make toolchains` installs it", file=sys.stderr)
        return NO_CLANG
    return subprocess.run(fuzz_command(clang, folder, seconds)).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
