"""The exhaustive sweeps, one after the other, while there is time: ``python tests/sweeps.py SECONDS [JOBS]``.

Those of ``SCHEDC_LONG=1``, which try the same each time; no random hunt is among them.  What the time was too short
for is said, and no failure; a test that fails is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is swept, and its tests as pytest is told; those first that take least for what they prove.
PIECES = (
    ("every cut of the captures, on threads and emulated", "tests/cores/test_every_cut.py -k anywhere or larger"),
    ("every recording on one, two and three cores", "tests/differential/test_recordings.py -k foreign"),
    ("taps that share samples, in tiles of every height", "tests/differential/test_every_size.py -k share"),
    ("LSTM silences of every shape", "tests/differential/test_quick_silence.py -k every_shape"),
    ("targets of somebody's own", "tests/targets/test_own_targets.py -k whatever"),
    ("damaged captures and sound files", "tests/test_hostile_files.py"),
    ("damaged objects", "tests/analysis/test_hostile_objects.py -k damaged"),
    ("altered and damaged reports", "tests/captures_as_data/test_pack.py -k altered"),
    ("damaged YAML", "tests/test_safe_yaml.py -k damaged"),
    ("every page at every width", "tests/cli/test_terminal.py"),
    ("the activation functions of every float32", "tests/differential/test_functions.py -k all_numbers"),
)
_PATIENCE = 30  # seconds in which pytest ends when it is asked to


def sweep(tests: str, jobs: str, seconds: float) -> int | None:
    """pytest's exit code, or None if it did not end in ``seconds``; the first failure ends it."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", jobs, "-p", "no:cacheprovider", *_words(tests)]
    running = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "SCHEDC_LONG": "1", "SCHEDC_FUZZ": "0"}, start_new_session=True
    )
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if running.poll() is None:
                os.killpg(running.pid, number)
                try:
                    running.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    continue


def _words(tests: str) -> list[str]:
    path, _, chosen = tests.partition(" -k ")
    return [path, "-k", chosen] if chosen else [path]


def main(seconds: float, jobs: str = "2") -> int:
    end = time.monotonic() + seconds
    failed = False
    said = []
    for name, tests in PIECES:
        left = end - time.monotonic()
        code = sweep(tests, jobs, left) if left > 0 else None
        outcome = "not finished: no time" if code is None else "passed" if code == 0 else f"FAILED ({tests})"
        said.append(f"sweep: {name}: {outcome}")
        failed |= code not in (0, None)
    print(*said, sep="\n", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:]))
