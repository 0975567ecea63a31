"""``schedc pack`` and ``schedc cache`` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from weakref import WeakValueDictionary

import pytest
from helpers.captures import EXAMPLES
from helpers.siblings import write_sibling

import schedc
from schedc.cli.main import main
from schedc.host import code as code_here

BY_NAME = {path.stem: path for path in EXAMPLES}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    schedc.compile(BY_NAME["a2_lite"], target="m33", name="amp").write(folder)
    return folder


def test_pack_writes_the_blob_of_a_fresh_compilation(
    compiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_sibling(BY_NAME["a2_lite"], tmp_path / "other.nam", seed=1)
    out = tmp_path / "new folder" / "other.bin"
    assert main(["pack", str(other), "--for", str(compiled / "amp.json"), "-o", str(out)]) == 0
    assert out.read_bytes() == schedc.compile(other, target="m33").weights
    assert capsys.readouterr().out == f"{out}  {out.stat().st_size:,} bytes\n"


def test_pack_of_another_architecture_fails_in_one_line(
    compiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.bin"
    assert main(["pack", str(BY_NAME["convnet"]), "--for", str(compiled / "amp.json"), "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"schedc: {BY_NAME['convnet']}: another architecture: it has block0.conv = conv(")
    assert error.count("\n") == 1
    assert not out.exists()


def test_pack_refuses_what_is_no_size(compiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["pack", str(BY_NAME["a2"]), "--for", str(compiled / "amp.json"), "-o", str(tmp_path / "x.bin")]
    assert main([*arguments, "--slim", "2"]) == 2
    assert capsys.readouterr().err == "schedc: --slim: 2.0 is no size; give a size from 0 (smallest) to 1 (full)\n"


def test_pack_says_when_the_rates_differ(compiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(BY_NAME["a2_lite"].read_text(encoding="utf-8"))
    document["sample_rate"] = 44100
    slow = tmp_path / "slow.nam"
    slow.write_text(json.dumps(document), encoding="utf-8")
    assert main(["pack", str(slow), "--for", str(compiled / "amp.json"), "-o", str(tmp_path / "slow.bin")]) == 0
    assert capsys.readouterr().err == (
        f"schedc: warning: {slow} is a capture at 44100 Hz, the code was compiled for one at 48000 Hz: "
        "play it at its own rate\n"
    )


def test_the_command_never_loads_llvm(compiled: Path, tmp_path: Path) -> None:
    arguments = ["pack", str(BY_NAME["a2_lite"]), "--for", str(compiled / "amp.json"), "-o", str(tmp_path / "x.bin")]
    code = (
        "import sys\nfrom schedc.cli.main import main\n"
        f"assert main({arguments!r}) == 0\n"
        "assert not [m for m in sys.modules if m.startswith('llvmlite')]"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_cache_info_and_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path))
    monkeypatch.setattr(code_here, "_programs", WeakValueDictionary())  # else code loaded before need not be stored
    schedc.load(BY_NAME["a2_lite"])
    assert main(["cache", "info"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"folder     {tmp_path}\nentries    1 entry, ") and "\nat most    268,435,456 bytes" in said
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "deleted 1 entry\n"
    monkeypatch.setenv("SCHEDC_CACHE", "off")
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == "off (SCHEDC_CACHE=off)\n"
