"""The C headers compile without a warning, in C99 and C++, and say what the object needs."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from helpers.captures import EXAMPLES

from schedc.api import compile_chosen
from schedc.artifact import Artifact
from schedc.options import choose

CAPTURE = {path.stem: path for path in EXAMPLES}["a1_nano"]
C99 = ("gcc", "-std=c99", "-x", "c")
CPP = ("g++", "-std=c++11", "-x", "c++")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic")
USE = """
#include "amp.h"
#include "amp.h"
static unsigned char state[AMP_STATE_BYTES];
int main(void) {
  static float in[AMP_IN_CHANNELS * AMP_MAX_BLOCK], out[AMP_OUT_CHANNELS * AMP_MAX_BLOCK];
  int (*init)(void *, const void *) = amp_init;
  if (init(state, amp_weights) != AMP_OK) return 1;
  amp_process(state, amp_weights, in, out, AMP_MAX_BLOCK);
  return AMP_LATENCY_SAMPLES;
}
"""


@pytest.fixture(scope="module", params=[1, 2, 3], ids="{} cores".format)
def artifact(request: pytest.FixtureRequest) -> Artifact:
    return compile_chosen(CAPTURE, choose("m33", {"cores": request.param}), "amp")  # says nothing of too many cores


@pytest.mark.parametrize("compiler", [C99, CPP], ids=["C99", "C++11"])
def test_header_and_weights_compile(artifact: Artifact, compiler: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"needs {compiler[0]}")
    artifact.write(tmp_path)
    linkage = 'extern "C"' if compiler is CPP else "extern"
    declaration = f"{linkage} const unsigned char amp_weights[{len(artifact.weights)}];\n"
    (tmp_path / "use.c").write_text(USE.replace("int main", declaration + "int main"))
    compile_one(compiler, tmp_path, "use.c")
    if compiler is C99:
        compile_one(compiler, tmp_path, "amp_weights.c")


def compile_one(compiler: tuple[str, ...], folder: Path, name: str) -> None:
    command = [*compiler, *WARNINGS, "-c", str(folder / name), "-I", str(folder), "-o", str(folder / "out.o")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_sizes_are_the_reports(artifact: Artifact) -> None:
    macros = dict(re.findall(r"^#define (AMP_\w+) (\d+)", artifact.header, re.MULTILINE))
    sizes = artifact.report["bytes"]
    assert isinstance(sizes, dict)
    assert int(macros["AMP_STATE_BYTES"]) == sizes["state"]
    assert int(macros["AMP_WEIGHTS_BYTES"]) == sizes["weights"] == len(artifact.weights)
    assert int(macros["AMP_MAX_BLOCK"]) == artifact.report["max_block_frames"]
    stages = int(macros["AMP_STAGES"])
    assert stages == artifact.report["cores"]
    if stages > 1:
        states = [int(macros[f"AMP_STAGE{k}_STATE_BYTES"]) for k in range(stages)]
        handoffs = [int(macros[f"AMP_HANDOFF{k}_BYTES"]) for k in range(stages - 1)]
        assert states == sizes["stage_states"] and handoffs == sizes["handoffs"]
        assert int(macros["AMP_HANDOFF_BYTES"]) == max(handoffs)
        assert sum(states) + sum(handoffs) == sizes["state"]


def test_every_declared_function_is_in_the_object(artifact: Artifact) -> None:
    table = ELFFile(io.BytesIO(artifact.code)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    exported = {s.name for s in table.iter_symbols() if s["st_info"]["bind"] == "STB_GLOBAL"}
    declared = set(re.findall(r"^(?:int|void) (amp_\w+)\(", artifact.header, re.MULTILINE))
    assert exported == {name for name in declared if "static inline" not in artifact.header.split(name)[0][-40:]}
