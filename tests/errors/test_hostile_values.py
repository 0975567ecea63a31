"""Options of hundreds of digits, of no number at all, or of the wrong kind: one line of bounded length, exit code 2."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cli.conftest import Run
from helpers.captures import EXAMPLES

import schedc
from schedc.errors import UserError
from schedc.fleet.workers import check_address
from schedc.options import OPTIONS, choose

NANO = {path.stem: path for path in EXAMPLES}["a1_nano"]
LONGEST = 800  # characters of a message: where, what and remedy
VALUES = {
    "400 digits": "9" * 400,
    "less than none": "-" + "9" * 400,
    "5000 digits": "9" * 5000,
    "beyond doubles": "1e400",
    "nan": "nan",
    "long": "x" * 5000,
    "empty": "",
    "control": "a\n\x1b[2Jb",
}
# Command -> arguments that are right, and the options to try.
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "compile": (
        ["NAM", "-t", "m33", "-o", "OUT"],
        ["--block", "--cores", "--slim", "--split", "--mac", "--math", "--schedule", "--object", "--name", "--target"],
    ),
    "run": (["NAM", "WAV", "OUT.wav"], ["--block", "--cores", "--slim", "--math"]),
    "verify": (["NAM", "-t", "m33"], ["--samples", "--split", "--schedule"]),
    "explain": (["NAM", "-t", "m33"], ["--cores", "--split", "--schedule"]),
    "bench": (["NAM", "--realtime"], ["--seconds", "--block", "--cores"]),
    "batch": (["DIR", "-t", "m33", "-o", "OUT"], ["--jobs", "--block", "--cores", "--scheduler", "--render"]),
    "pack": (["NAM", "--for", "REPORT", "-o", "OUT.bin"], ["--slim", "--for"]),
    "analyze": (["NAM", "-t", "m33", "--entry", "f"], ["--samples", "--calls", "--target"]),
    "targets": ([], [""]),
}
CASES = [
    pytest.param(command, option, value, id=f"{command} {option} {kind}")
    for command, (_, options) in COMMANDS.items()
    for option in options
    for kind, value in VALUES.items()
    if (option, kind) != ("--name", "nan")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "library").mkdir()
    schedc.compile(NANO, target="m33", name="amp").write(folder)
    soundfile.write(folder / "in.wav", np.zeros(10), 48000)
    return folder


@pytest.mark.parametrize(("command", "option", "value"), CASES)
def test_values_of_options(run: Run, place: Path, command: str, option: str, value: str) -> None:
    paths = {"NAM": NANO, "WAV": place / "in.wav", "DIR": place / "library", "REPORT": place / "amp.json"}
    paths |= {"OUT": place / "out", "OUT.wav": place / "out.wav", "OUT.bin": place / "out.bin"}
    arguments = [str(paths.get(word, word)) for word in COMMANDS[command][0]]
    before = sorted(place.rglob("*"))
    outcome = run(command, *arguments, *([option] if option else []), value)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome.err[:500]
    line = outcome.err[:-1]
    assert line.startswith("schedc: ") and line.isprintable() and len(line) < LONGEST
    assert sorted(place.rglob("*")) == before


GIVEN: dict[str, Any] = {
    "a number of 5000 digits": 10**5000,
    "one below zero": -(10**5000),
    "400 digits": 10**400,
    "a list of one": [10**5000],
    "text": "x" * 5000,
    "bytes": b"x",
    "an object": object(),
    "a dict": {"a": 10**5000},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", GIVEN)
def test_values_in_python(name: str, kind: str) -> None:
    with pytest.raises(UserError) as refusal:
        choose("m33", {name: GIVEN[kind]})
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < LONGEST


ODD_REPORTS: dict[str, list[object]] = {
    "contract": [[], {}, None, 3, "fused", {"mac": []}, {"mac": "fused", "more": 1}],
    "packing": [[], {}, None, 10**400, "x"],
    "slim": ["0", [], 10**400, True],
    "sample_rate_hz": [[], "48000", 10**400],
    "captures": [10**400],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD_REPORTS.items() for value in values])
def test_values_in_reports(key: str, value: object, place: Path, run: Run) -> None:
    """Refused in words, or of no account for packing."""
    report = json.loads((place / "amp.json").read_text(encoding="utf-8"))
    target = report["packing"] if key == "contract" else report
    target[key] = value
    path = place / "odd.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    outcome = run("pack", NANO, "--for", path, "-o", place / "odd.bin")
    assert outcome.code in (0, 2)
    if key in ("contract", "packing"):
        assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert len(outcome.err) < LONGEST
    (place / "odd.bin").unlink(missing_ok=True)


WORDS = ("0x10", "1_000", "0b1", "017", "1e3", "1:30", ".inf", "yes", "on", "true", "null", "~", "9" * 400, "=", "<<")


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize("key", ["tile_vectors", "share_taps", "axis"])
def test_values_in_schedules(text: str, key: str, place: Path, run: Run) -> None:
    """Words that versions of YAML read differently, or that are no number of a tile."""
    path = place / "odd.yaml"
    path.write_text(f'kernels: {{"*": {{{key}: {text}}}}}\n', encoding="utf-8")
    outcome = run("explain", NANO, "-t", "m33", "--schedule", path)
    if (key, text) == ("share_taps", "true"):
        assert outcome.code in (0, 2)
        return
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert len(outcome.err) < LONGEST


@pytest.mark.parametrize("key", ["sample_rate", "loudness", "receptive_field", "weights", "version"])
@pytest.mark.parametrize("text", ["9" * 400, "-" + "9" * 400, "9" * 5000, "1e400", "0." + "9" * 5000, "1e-400"])
def test_values_in_captures(key: str, text: str, tmp_path: Path, run: Run) -> None:
    values = {"sample_rate": "48000", "loudness": "-20", "receptive_field": "1", "weights": "1.0", "version": '"0.5.4"'}
    values[key] = text
    path = tmp_path / "odd.nam"
    path.write_text(
        f'{{"version": {values["version"]}, "architecture": "Linear", "weights": [{values["weights"]}],'
        f'"config": {{"receptive_field": {values["receptive_field"]}, "bias": false}},'
        f'"sample_rate": {values["sample_rate"]}, "metadata": {{"loudness": {values["loudness"]}}}}}',
        encoding="utf-8",
    )
    outcome = run("verify", path, "--samples", 10)
    small = text.startswith("0.") or text == "1e-400"
    if (small and key in ("weights", "loudness")) or (key, text[:2]) == ("sample_rate", "0."):
        assert outcome.code == 0
        return
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert len(outcome.err) < LONGEST


# -- addresses of schedulers


NO_ADDRESSES = (
    *("nonsense://x", "x", "", "tcp://", "tcp://host", "tcp://:1", "127.0.0.1:0", "127.0.0.1:65536", "inproc://x:1"),
    *("http://127.0.0.1:1", "tcp://[::1", "tcp://a b:1", "127.0.0.1:1/x", "tcp://127.0.0.1:１", f"tcp://h:{'9' * 400}"),
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(
        UserError, match=r"^--scheduler: '.*(\.\.\.)? is no address; write it like tcp://127\.0\.0\.1:8786$"
    ):
        check_address(address)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens, and that nobody else is given meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port where somebody takes calls and hangs up."""

    def serve() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_nobody_is_waited_for(run: Run, place: Path, nobody: int, stranger: int) -> None:
    pytest.importorskip("distributed")
    for port, reason in ((nobody, "Connection refused"), (stranger, "no Dask scheduler answers")):
        address = f"tcp://127.0.0.1:{port}"
        (place / "library" / "amp.nam").write_bytes(NANO.read_bytes())
        outcome = run("batch", place / "library", "-t", "m33", "-o", place / "out", "--scheduler", address)
        words = f"schedc: --scheduler: {address} cannot be reached ({reason})\n"
        assert (outcome.code, outcome.out, outcome.err) == (2, "", words)
        (place / "library" / "amp.nam").unlink()


def test_encrypted_lines_need_certificates() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match=r"tls needs certificates, and Dask's configuration \(distributed\.comm\.tls\)"):
        check_address("tls://127.0.0.1:8786")
