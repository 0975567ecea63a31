"""Same input, same bytes: in every process, for every capture of an architecture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.captures import EXAMPLES, packed
from helpers.effort import LONG
from helpers.graph_strategy import signal
from helpers.machines import assert_same_bits
from helpers.siblings import write_sibling

import schedc
from schedc.compiler import compile_graph
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.targets.names import TARGET_NAMES

CAPTURE = {path.stem: path for path in EXAMPLES}["a1_nano"]
LSTM = {path.stem: path for path in EXAMPLES}["lstm_1x16"]
MACHINES = ("m33", "a8", "aarch64", "avx2", "avx512")  # the others are presets of these
# Compiles everything anew and prints a digest of every file by name.
SCRIPT = """
import hashlib, json, sys
from pathlib import Path
import schedc
from schedc.passes.run import dump_to
result = {}
for cores, model in enumerate(sys.argv[2:], start=1):
    for target in TARGETS:
        folder = Path(sys.argv[1]) / f"{Path(model).stem}-{target}-{cores}"
        folder.mkdir()
        made = schedc.compile(model, target=target, cores=cores, observers=[dump_to(folder)], with_texts=True)
        made.write(folder)
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        result[str(path.relative_to(sys.argv[1]))] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(result))
"""


def start(folder: Path, seed: str) -> subprocess.Popen[str]:
    folder.mkdir()
    script = SCRIPT.replace("TARGETS", repr(TARGET_NAMES if LONG else MACHINES))
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", script, str(folder), str(LSTM), str(CAPTURE)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digests(process: subprocess.Popen[str]) -> dict[str, str]:
    out, error = process.communicate()
    assert process.returncode == 0, error
    found: dict[str, str] = json.loads(out)
    return found


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Objects, blobs, headers, reports, LLVM IR, assembly and the dumps of every pass."""
    one, two = map(digests, [start(tmp_path / "one", "1"), start(tmp_path / "two", "4242")])
    assert set(one) == set(two) and len(one) > 100
    assert [name for name in one if one[name] != two[name]] == []


@pytest.mark.parametrize("path", [CAPTURE, LSTM], ids=lambda path: path.stem)
def test_captures_of_one_architecture_share_graph_and_code(path: Path, tmp_path: Path) -> None:
    ours, theirs = read_capture(path), read_capture(write_sibling(path, tmp_path / "other.nam", seed=8))
    assert ours.graph == theirs.graph and ours.graph.digest() == theirs.graph.digest()
    for target in ("m33", "avx2", "aarch64"):
        one, two = (compile_graph(capture.graph, make_options(target)) for capture in (ours, theirs))
        assert one.code.elf == two.code.elf and one.layout.digest == two.layout.digest
        assert packed(one, ours, False) != packed(one, theirs, False) == packed(two, theirs, False)


@pytest.mark.parametrize("path", [CAPTURE, LSTM], ids=lambda path: path.stem)
def test_swapped_weights_are_a_fresh_load(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    other = write_sibling(path, tmp_path / "other.nam", seed=8)
    x = signal(1, 300, 0)
    with schedc.load(path) as swapped, schedc.load(other) as fresh:
        swapped.process(x)
        swapped.set_weights(other)
        assert_same_bits(swapped.process(x), fresh.process(x))


def test_another_architecture_is_refused_by_its_first_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "cache"))
    with schedc.load(CAPTURE) as processor:
        x = signal(1, 100, 0)
        before = processor.process(x)
        with pytest.raises(schedc.ArchitectureMismatch) as refused:
            processor.set_weights(LSTM)
        text = str(refused.value)
        assert text.startswith(f"{LSTM}: ") and "layer0.lstm" in text and "array0.rechannel" in text
        processor.reset()
        assert_same_bits(processor.process(x), before)
