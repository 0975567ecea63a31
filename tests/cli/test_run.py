"""``schedc run``: the samples of the processor, in the file's own format."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import schedc
from cli.conftest import Run
from schedc.commands.run import exactly, played_through
from schedc.host.processor import Processor
from schedc.sound.files import SoundInfo, SoundWriter, quantise

Wav = Callable[..., Path]
HOURS = 4
BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


def take(samples: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(5).uniform(-0.4, 0.4, (samples, channels)).astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wire_keeps_every_bit(run: Run, linear: Path, wav: Wav, tmp_path: Path, subtype: str) -> None:
    source, out = wav(take(70_000), subtype=subtype), tmp_path / "out.wav"
    outcome = run("run", linear, source, out)
    assert (outcome.code, outcome.err) == (0, "")
    first, last = outcome.out.splitlines()
    assert first.startswith(f"{out}: 1.46 s in ") and first.endswith("times real time (measured)")
    assert last == "peak -8.0 dBFS, loudness -12.7 dB (RMS), no sample clipped"
    assert soundfile.info(out).subtype == subtype
    before, after = (soundfile.read(path, dtype="float32")[0] for path in (source, out))
    assert np.array_equal(before, after)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.wav", "wire.nam"]


@pytest.mark.parametrize("cores", [1, 2])
def test_output_is_what_python_hears(run: Run, wavenet: Path, wav: Wav, tmp_path: Path, cores: int) -> None:
    source, out = wav(take(70_001)), tmp_path / "out.wav"
    assert run("run", wavenet, source, out, "--float", "--block", 50, "--cores", cores).code == 0
    samples, _ = soundfile.read(source, dtype="float32")
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], schedc.load(wavenet).process(samples))


def test_channels_of_a_mono_capture_do_not_meet(run: Run, wavenet: Path, wav: Wav, tmp_path: Path) -> None:
    source, out = wav(take(3000, 2), subtype="PCM_24"), tmp_path / "out.wav"
    outcome = run("run", wavenet, source, out, "--float")
    assert "2 channels, each through the capture by itself\n" in outcome.out
    samples, _ = soundfile.read(source, dtype="float32")
    played, _ = soundfile.read(out, dtype="float32")
    for channel in range(2):
        assert np.array_equal(played[:, channel], schedc.load(wavenet).process(samples[:, channel]))


def test_a_stereo_capture(run: Run, stereo_linear: Path, wav: Wav, tmp_path: Path) -> None:
    source, out = wav(take(300, 2)), tmp_path / "out.wav"
    assert run("run", stereo_linear, source, out).code == 0
    assert soundfile.info(out).channels == 2


def test_clipping_is_counted(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    linear.write_text(linear.read_text().replace("[1.0]", "[4.0]"))
    out = tmp_path / "out.wav"
    outcome = run("run", linear, wav([0.1, 0.5, -0.5, 0.2]), out)
    assert outcome.err == f"schedc: warning: {out}: 2 samples clipped (50.0 %); lower the input or use --float\n"
    assert soundfile.read(out, dtype="int16")[0].tolist()[1:3] == [32767, -32768]
    assert run("run", linear, wav([0.1, 0.5, -0.5, 0.2]), out, "--float").err == ""


def test_a_file_may_be_overwritten_by_force(run: Run, linear: Path, wav: Wav) -> None:
    source = wav(take(100))
    source.chmod(0o640)
    before = soundfile.read(source)[0]
    assert run("run", linear, source, source, "--force").code == 0
    assert np.array_equal(soundfile.read(source)[0], before)


def test_a_link_is_followed(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    real, link = tmp_path / "real.wav", tmp_path / "link.wav"
    link.symlink_to(real)
    assert run("run", linear, wav(take(100)), link).code == 0
    assert link.is_symlink() and real.is_file()


def test_an_output_that_is_not_finite_is_refused(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    linear.write_text(linear.read_text().replace("[1.0]", "[3e38]"))
    source, out = wav([0.0, 3.0], subtype="FLOAT"), tmp_path / "out.wav"
    outcome = run("run", linear, source, out)
    assert outcome.code == 2
    assert outcome.err == f"schedc: {out}: the model's output is not finite at sample 1\n"
    assert not out.exists() and not list(tmp_path.glob(".schedc*"))


def test_resampling_keeps_length_and_time(run: Run, linear: Path, wav: Wav, tmp_path: Path) -> None:
    pytest.importorskip("soxr")
    time_axis = np.arange(44_101) / 44_100
    source = wav(0.5 * np.sin(2 * np.pi * 440 * time_axis), rate=44_100, subtype="FLOAT")
    out = tmp_path / "out.wav"
    outcome = run("run", linear, source, out, "--resample")
    assert "played at the model's 48000 Hz, written at the file's 44100 Hz\n" in outcome.out
    before, after = (soundfile.read(path)[0] for path in (source, out))
    assert len(after) == len(before)
    assert np.max(np.abs(after - before)[1000:-1000]) < 1e-4


def test_quantise_rounds_and_counts() -> None:
    steps, clipped = quantise(np.array([[0.0, 0.5 / 32768, 1.5 / 32768, 1.0, -1.0, -1.1]], np.float32), 16)
    assert (steps >> 16).tolist() == [[0, 0, 2, 32767, -32768, -32768]]
    assert clipped == 2
    for bits in BITS.values():
        steps, _ = quantise(np.array([[1.0, -1.0]], np.float32), bits)
        assert (steps >> (32 - bits)).tolist() == [[2 ** (bits - 1) - 1, -(2 ** (bits - 1))]]


def test_long_files_get_a_header_that_can_tell(tmp_path: Path) -> None:
    info = SoundInfo(tmp_path / "in.wav", 48000, 2, 1_200_000_000, "PCM_16")
    with SoundWriter(tmp_path / "out.wav", info, 2, "PCM_16") as writer:
        writer.write(np.zeros((2, 10), np.float32))
    assert soundfile.info(tmp_path / "out.wav").format == "RF64"


def test_latency_is_taken_off(linear: Path) -> None:
    class Late(Processor):
        held = np.zeros((1, 5), np.float32)
        latency_samples = 5

        def process(self, x: object, out: object = None) -> np.ndarray:
            self.held = np.concatenate([self.held, np.asarray(x)], axis=1)
            now, self.held = self.held[:, :-5], self.held[:, -5:]
            return now

    late = Late.__new__(Late)
    chunks = [np.arange(3, dtype=np.float32)[None], np.arange(3, 20, dtype=np.float32)[None]]
    played = np.concatenate(list(exactly(played_through(chunks, [late], 1), 20, 1)), axis=1)
    assert played[0].tolist() == list(range(20))


def write_hours_of_silence(path: Path) -> None:
    """2.8 GB of float samples that take no room: behind the header the file is a hole."""
    soundfile.write(path, np.zeros(1, np.float32), 48000, "FLOAT")
    header = bytearray(path.read_bytes())[:-4]
    end, size = header.rindex(b"data") + 8, 4 * HOURS * 3600 * 48000
    header = header[:end]
    header[4:8], header[-4:] = struct.pack("<I", end - 8 + size), struct.pack("<I", size)
    path.write_bytes(header)
    os.truncate(path, end + size)
    assert soundfile.info(path).frames == HOURS * 3600 * 48000


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_leaves_nothing(wavenet: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "long.wav", tmp_path / "out.wav"
    write_hours_of_silence(source)
    command = [sys.executable, "-m", "schedc", "run", str(wavenet), str(source), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 600
    while not list(tmp_path.glob(".schedc*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=600)
    assert (process.returncode, printed, complaints) == (130, b"", b"")
    assert not out.exists() and not list(tmp_path.glob(".schedc*"))


def test_ctrl_c_while_the_output_is_being_opened_leaves_nothing(
    wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    info = SoundInfo(wav(take(10)), 48000, 1, 10, "PCM_16")
    monkeypatch.setattr(soundfile, "SoundFile", interrupted)
    with pytest.raises(KeyboardInterrupt), SoundWriter(tmp_path / "out.wav", info, 1, "PCM_16"):
        pass
    assert not list(tmp_path.glob(".schedc*"))
