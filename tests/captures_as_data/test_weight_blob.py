"""Truncated, damaged, foreign and hostile blobs: always an error code, in Python and in C."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.captures import EXAMPLES
from helpers.effort import examples_per_test
from helpers.toolchains import lack, without_randomisation
from hypothesis import given
from hypothesis import strategies as st

import schedc
from schedc.artifact import Artifact
from schedc.backends.weights.blob_reader import BlobFault, check_blob, find_fault, read_header
from schedc.errors import ArchitectureMismatch, UserError

HERE = Path(__file__).parent
CAPTURE = {path.stem: path for path in EXAMPLES}["lstm_1x16"]


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return schedc.compile(CAPTURE, target="m33", name="capture")


def fault(blob: bytes, artifact: Artifact) -> BlobFault:
    header = read_header(artifact.weights)
    return find_fault(blob, header.digest, header.total_bytes)


def test_a_good_blob_has_no_fault_even_in_a_larger_partition(artifact: Artifact) -> None:
    assert fault(artifact.weights, artifact) is BlobFault.OK
    assert fault(artifact.weights + b"\xff" * 100, artifact) is BlobFault.OK


@examples_per_test(300)
@given(data=st.binary(max_size=300))
def test_any_bytes_have_a_fault(artifact: Artifact, data: bytes) -> None:
    assert fault(data, artifact) is not BlobFault.OK


@examples_per_test(300)
@given(size=st.integers(0, 10**6))
def test_every_truncation_is_found(artifact: Artifact, size: int) -> None:
    cut = artifact.weights[: size % len(artifact.weights)]
    assert fault(cut, artifact) is BlobFault.TRUNCATED


@examples_per_test(500)
@given(at=st.integers(0, 2**31), bit=st.integers(0, 7), in_header=st.booleans())
def test_every_flipped_bit_is_found(artifact: Artifact, at: int, bit: int, in_header: bool) -> None:
    blob = bytearray(artifact.weights)
    blob[at % (64 if in_header else len(blob))] ^= 1 << bit
    assert fault(bytes(blob), artifact) is not BlobFault.OK


def test_the_words_for_each_fault(artifact: Artifact) -> None:
    header = read_header(artifact.weights)
    cases = {
        b"": "is cut off",
        b"\0" * 64: "is no weight blob of format 1",
        artifact.weights[:-1] + b"\1": "is damaged (its checksum does not match)",
    }
    for blob, words in cases.items():
        with pytest.raises(UserError) as caught:
            check_blob(blob, header.digest, header.total_bytes, "x.bin")
        assert str(caught.value) == f"x.bin: {words}; pack the capture again"
    with pytest.raises(ArchitectureMismatch) as mismatch:
        check_blob(artifact.weights, bytes(16), header.total_bytes, "x.bin")
    assert str(mismatch.value) == "x.bin: was packed for other code; pack the capture for this code"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("language", ["c99", "c++11"])
def test_the_checker_in_c_finds_all_damage(artifact: Artifact, tmp_path: Path, language: str) -> None:
    artifact.write(tmp_path)
    strict = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-O1", "-g"]
    compiler = ["gcc", "-x", "c", "-std=c99"] if language == "c99" else ["g++", "-x", "c++", "-std=c++11"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path / "mutate"
    source = str(HERE / "mutate_checker.c")
    subprocess.run([*compiler, *strict, *sanitizers, f"-I{tmp_path}", source, "-o", str(program)], check=True)
    command = [*without_randomisation(), str(program), str(tmp_path / "capture_weights.bin"), "0.5"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, f"step {ran.returncode} of mutate_checker.c failed\n{ran.stderr}"
    counts = [int(line.split(": ")[1]) for line in ran.stdout.splitlines()]
    assert all(counts[:5]), "every fault was met"


def test_libfuzzer_finds_nothing(tmp_path: Path) -> None:
    """A short form of `make fuzz`."""
    command = [sys.executable, str(HERE / "fuzz_checker.py"), str(tmp_path), "3"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if ran.returncode == 69:  # no such clang
        lack("clang with libFuzzer")
    assert ran.returncode == 0, ran.stderr
    counts = dict(re.findall(r"^result (\d): (\d+)$", ran.stderr, re.MULTILINE))
    assert len(counts) == len(BlobFault) and "0" not in counts.values(), "every result was met"
