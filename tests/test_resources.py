"""Compiling is quick and small: function calls and memory are counted, which other programs have no part in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from helpers.captures import EXAMPLES

MODELS = {path.stem: path for path in EXAMPLES}
# "a2_full" is the large size of the container.  A million calls take some 0.2 s.
SCRIPT = """
import cProfile, json, pathlib, sys
import schedc
calls = cProfile.Profile()
calls.enable()
for cores in (1, 2):
    schedc.compile(sys.argv[1], target="m33", cores=cores, slim=1.0 if sys.argv[1].endswith("a2.nam") else None)
calls.disable()
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
# Not getrusage: its peak survives exec, so it would be that of the test process this one was forked from.
print(json.dumps([sum(entry.callcount for entry in calls.getstats()), int(status["VmHWM"].split()[0]) / 1024]))
"""


@pytest.mark.parametrize("name, most", [("a2_lite", 8e6), ("a2", 16e6)])
def test_compiling_for_m33(name: str, most: float) -> None:
    """Calls of functions of two compilations, and megabytes of the whole process at its peak."""
    if name not in MODELS:
        pytest.skip(f"examples/captures has no {name}")
    environment = {**os.environ, "SCHEDC_CACHE": "off"}  # what an earlier test has compiled is compiled anew
    command = [sys.executable, "-c", SCRIPT, str(MODELS[name])]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    calls, megabytes = json.loads(result.stdout)
    print(f"{calls:,} calls, {megabytes:.0f} MB")
    assert megabytes < 500, f"{megabytes:.0f} MB at the peak"
    assert calls < most, f"{calls:,} calls"
