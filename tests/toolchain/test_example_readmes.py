"""The examples as a newcomer meets them: their READMEs' commands, one after the other, and what the programs say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import write_capture
from helpers.toolchains import need

import schedc
from schedc.errors import SchedcWarning

EXAMPLES = Path(__file__).parents[2] / "examples"
STUBS = Path(__file__).with_name("stubs")
TOOLS = {
    "firmware_qemu": ("make", "arm-none-eabi-gcc", "qemu-system-arm"),
    "linux_host": ("gcc", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "pico2": (),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The examples beside each other, without what an earlier build left."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("build*"))
    return tmp_path / "examples"


def commands(readme: Path) -> list[str]:
    """The shell's lines; without a Pico SDK, schedc's only."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("schedc ")] if readme.parent.name == "pico2" else lines


@pytest.mark.parametrize("example", TOOLS)
def test_the_commands_of_the_readme(checkout: Path, example: str, tmp_path: Path) -> None:
    need("sh", *TOOLS[example])
    lines = commands(checkout / example / "README.md")
    assert len(lines) >= 3
    launcher = tmp_path / "bin" / "schedc"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m schedc "$@"\n')
    launcher.chmod(0o755)
    environment = {**os.environ, "PATH": f"{launcher.parent}{os.pathsep}{os.environ['PATH']}"}
    said = []
    for line in lines:
        done = subprocess.run(
            line, shell=True, cwd=checkout / example, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said.append(done.stdout + done.stderr)
    checksums = {word for text in said for word in re.findall(r"^checksum ([0-9a-f]{8})$", text, re.MULTILINE)}
    # One number per numeric contract, whatever the machine and the number of cores; both of these are fused.
    assert len(checksums) == (0 if example == "pico2" else 1)


@pytest.mark.parametrize("block", [48, 64, 7, 8192])
def test_the_time_that_pico2_has_for_a_block(tmp_path: Path, block: int) -> None:
    """As a program of this machine, against the stubs and a clock that ends it."""
    need("gcc")
    capture = write_capture(tmp_path / "capture.nam", "Linear", {"receptive_field": 1, "bias": False}, [1.0])
    with pytest.warns(SchedcWarning, match="48000 Hz is taken"):
        schedc.compile(capture, target="host", block=block, name="capture").write(tmp_path)
    (tmp_path / "board.c").write_text(
        "#include <stdbool.h>\n#include <stdint.h>\n#include <stdlib.h>\n"
        "bool stdio_init_all(void) { return true; }\n"
        "uint64_t time_us_64(void) { static uint64_t now; if (++now == 5) exit(0); return now; }\n"
        "void panic(const char *format, ...) { (void)format; abort(); }\n"
    )
    sources = [
        EXAMPLES / "pico2" / "main.c",
        tmp_path / "board.c",
        tmp_path / "capture_weights.S",
        tmp_path / "capture.o",
    ]
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{STUBS}", f"-I{tmp_path}"]
    subprocess.run(["gcc", *flags, *sources, "-o", tmp_path / "pico2"], check=True)
    said = subprocess.run([tmp_path / "pico2"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"1 of {1_000_000 * block // 48_000} us per block, last sample ")


def test_the_first_second_that_two_cores_tell_of_is_a_second() -> None:
    """Nothing is printed after the first block, as if it had been one."""
    source = (EXAMPLES / "pico2" / "main_two_cores.c").read_text(encoding="utf-8")
    assert "(block + 1) % (SAMPLE_RATE / CAPTURE_MAX_BLOCK) == 0" in source


def test_the_firmwares_number_of_blocks() -> None:
    """How many blocks a run has, as the README says: the sizes of test_signal.h."""
    header = (EXAMPLES / "common" / "test_signal.h").read_text(encoding="utf-8")
    found = re.search(r"#define SAMPLES (\d+)", header)
    assert found and "int size = 1 + (last * 5 + done) % max;" in header
    samples, done, size, blocks = int(found[1]), 0, 1, 0
    while done < samples:
        size = min(1 + (size * 5 + done) % 48, samples - done)
        done, blocks = done + size, blocks + 1
    assert f"of {blocks} blocks in all" in (EXAMPLES / "firmware_qemu" / "README.md").read_text(encoding="utf-8")
