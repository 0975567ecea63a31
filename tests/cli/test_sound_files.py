"""Sound files: what is read, what is written, levels and rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.sound_files import SUBTYPES, noise, read, samples_of, write

import schedc.sound.formats as formats
from cli.conftest import Run
from schedc.errors import UserError
from schedc.sound.files import SoundInfo, SoundWriter

# -- forms


@pytest.mark.parametrize("suffix", formats.FORMATS)
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_samples_are_carried_over(run: Run, linear: Path, suffix: str, subtype: str, tmp_path: Path) -> None:
    """Whatever the input's: kept by every form that holds them, by the others rounded to the most that they hold."""
    path, out = write(tmp_path / "in.wav", noise(301, 2), "WAV", subtype), tmp_path / f"out{suffix.upper()}"
    outcome = run("run", linear, path, out)
    assert (outcome.code, outcome.err) == (0, "")
    before, after, found = samples_of(path), samples_of(out), soundfile.info(out)
    assert (found.format, found.frames, found.samplerate) == (formats.FORMATS[suffix], 301, 48000)
    if suffix != ".flac" or subtype in ("PCM_U8", "PCM_16", "PCM_24"):
        np.testing.assert_array_equal(after, before)
        eight = {"PCM_U8", "PCM_S8", "PCM_16"}  # not every form has each of them
        assert found.subtype == subtype or {found.subtype, subtype} <= eight
    else:
        assert found.subtype == "PCM_24"
        assert "written as 24 bit PCM, the most that FLAC files hold\n" in outcome.out
        assert np.max(np.abs(after - before)) <= 2.0**-24


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        *(("FLAC", one) for one in ("PCM_S8", "PCM_16", "PCM_24")),
        *(("AIFF", one) for one in ("PCM_16", "FLOAT", "ULAW")),
        *(("CAF", one) for one in ("PCM_24", "ALAC_16", "ALAC_32")),
        *(("AU", "PCM_16"), ("W64", "PCM_24"), ("RF64", "FLOAT"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")),
        *(("WAV", one) for one in ("ALAW", "IMA_ADPCM")),
        *(("NIST", "PCM_16"), ("VOC", "PCM_16"), ("PAF", "PCM_24"), ("MAT5", "FLOAT")),
    ],
)
@pytest.mark.parametrize("name", ["in", "in.txt", "in.raw", "in.mp3"])
def test_what_soundfile_reads_is_read(form: str, subtype: str, name: str, tmp_path: Path) -> None:
    """By its content, whatever it is called."""
    path = tmp_path / f"{form}"
    write(path, noise(5000), form, subtype)
    whole = samples_of(path)
    path = path.rename(tmp_path / name)
    info, found = read(path)
    assert (info.format, info.subtype, info.frames) == (form, subtype, len(whole))
    if form != "MP3":  # whose decoder depends on the pieces in the last bit
        np.testing.assert_array_equal(found, whole)


SHOWN = "use .wav, .flac, .aiff, .caf, .w64, .rf64 or .au"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.mp3", f"MP3 does not keep the samples; {SHOWN}, and convert that"),
        ("out.OGG", f"Ogg does not keep the samples; {SHOWN}, and convert that"),
        ("out.opus", f"Ogg does not keep the samples; {SHOWN}, and convert that"),
        ("out.m4a", f"AAC does not keep the samples; {SHOWN}, and convert that"),
        ("out", f"has no suffix; {SHOWN}"),
        ("wav", f"has no suffix; {SHOWN}"),
        (".wav", f"has no suffix; {SHOWN}"),
        ("out.wav.txt", f"'.txt' is no suffix of files that are written; {SHOWN}"),
        ("out.raw", f"'.raw' is no suffix of files that are written; {SHOWN}"),
    ],
)
def test_other_suffixes_are_refused(run: Run, linear: Path, name: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(10), "WAV")
    outcome = run("run", linear, path, tmp_path / name)
    assert (outcome.code, outcome.err) == (2, f"schedc: {tmp_path / name}: {words}\n")
    assert not (tmp_path / name).exists()


def test_float_is_refused_where_it_cannot_be(run: Run, linear: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(10), "WAV")
    outcome = run("run", linear, path, tmp_path / "out.flac", "--float")
    words = "schedc: --float: FLAC files hold no float samples; leave it out, or write .wav\n"
    assert (outcome.code, outcome.err) == (2, words)


def test_long_files_fit_into_their_form(tmp_path: Path) -> None:
    info = SoundInfo(tmp_path / "in.wav", 48000, 2, 1_200_000_000, "PCM_16")
    with pytest.raises(UserError, match=r"out\.aiff: AIFF files hold less than 4 GB; use \.wav, \.caf or \.w64"):
        SoundWriter(tmp_path / "out.aiff", info, 2, "PCM_16")


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_no_clock_gets_into_a_file(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libsndfile states the second in which the peak of float samples was found."""
    subtype = "PCM_24" if suffix == ".flac" else "FLOAT"
    path, info = tmp_path / f"out{suffix}", SoundInfo(tmp_path / "in", 48000, 1, 100, subtype)
    with SoundWriter(path, info, 1, subtype) as writer:
        writer.write(noise(100).T)
    content = path.read_bytes()
    if (at := content.find(b"PEAK")) > 0:
        assert content[at + 12 : at + 16] == bytes(4)
    wanted = np.round(noise(100) * 2**23) / 2**23 if suffix == ".flac" else noise(100)
    np.testing.assert_array_equal(samples_of(path), wanted)


# -- levels


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([0.0, 0.0], "silent, no sample clipped"),
        ([1.0, -1.0], "peak 0.0 dBFS, loudness 0.0 dB (RMS), 1 sample clipped (50.0 %)"),
        ([0.5, 0.0, 0.0, 0.0], "peak -6.0 dBFS, loudness -12.0 dB (RMS), no sample clipped"),
        ([2.0, 0.1, 0.1, 0.1], "peak 6.0 dBFS, loudness 0.0 dB (RMS), 1 sample clipped (25.0 %)"),
    ],
)
def test_the_closing_line(run: Run, linear: Path, samples: list[float], words: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.array(samples), 48000, subtype="PCM_16")
    linear.write_text(linear.read_text().replace("[1.0]", "[2.0]"))
    soundfile.write(tmp_path / "in.wav", np.array(samples) / 2, 48000, subtype="PCM_16")
    assert run("run", linear, tmp_path / "in.wav", tmp_path / "out.wav").out.splitlines()[-1] == words


# -- rates


@pytest.mark.parametrize("rate", [1, 100, 479, 4_800_001, 2**31 - 1])
def test_rates_too_far_apart_are_refused(run: Run, linear: Path, rate: int, tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(10), "WAV", rate=rate)
    outcome = run("run", linear, path, tmp_path / "out.wav", "--resample")
    words = f"is at {rate} Hz, the model runs at 48000 Hz: too far apart to be converted"
    remedy = "give a file whose rate is at most 100 times higher or lower"
    assert (outcome.code, outcome.err) == (2, f"schedc: {path}: {words}; {remedy}\n")


@pytest.mark.parametrize("rate", [480, 4_800_000])
def test_the_widest_rates_that_are_converted(run: Run, linear: Path, rate: int, tmp_path: Path) -> None:
    pytest.importorskip("soxr")
    path = write(tmp_path / "in.wav", noise(5000), "WAV", rate=rate)
    outcome = run("run", linear, path, tmp_path / "out.wav", "--resample")
    assert (outcome.code, outcome.err, soundfile.info(tmp_path / "out.wav").frames) == (0, "", 5000)
