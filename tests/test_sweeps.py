"""The runner of the exhaustive sweeps: its pieces exist, a failure fails, and time that is up does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sweeps


@pytest.mark.parametrize(("name", "tests"), sweeps.PIECES)
def test_every_piece_is_there_and_in_the_list(name: str, tests: str) -> None:
    path, _, chosen = tests.partition(" -k ")
    text = (sweeps.ROOT / path).read_text(encoding="utf-8")
    assert all(re.search(word, text) for word in chosen.split(" or "))
    listed = (sweeps.ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert path.removeprefix("tests/") in listed, f"{name}: say in docs/testing.md what only the long form tries"


PASSES, FAILS, HANGS = "pass", "assert False", "import time; time.sleep(600)"


@pytest.mark.parametrize(
    ("body", "seconds", "code", "said"),
    [(PASSES, 300, 0, "passed"), (FAILS, 300, 1, "FAILED"), (HANGS, 3, 0, "no time"), (PASSES, 0, 0, "no time")],
)
def test_outcomes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    seconds: float,
    code: int,
    said: str,
) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n", encoding="utf-8")
    monkeypatch.setattr(sweeps, "ROOT", tmp_path)
    monkeypatch.setattr(sweeps, "PIECES", (("it", "test_it.py"),))
    assert sweeps.main(seconds, "1") == code
    assert said in capsys.readouterr().out
