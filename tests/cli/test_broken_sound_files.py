"""Sound files that are cut off, damaged or cannot be read: what there is is rendered, and what is missing is said."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.effort import examples_per_test
from helpers.sound_files import SIZES, SUBTYPES, noise, read, samples_of, state, write
from hypothesis import given
from hypothesis import strategies as st

import schedc.sound.formats as formats
from cli.conftest import Run
from schedc.errors import UserError
from schedc.sound.files import read_chunks, read_info
from schedc.sound.headers import stated_data

CUT_FORMS = ["WAV", "WAVEX", "RIFX", "RF64", "W64", "AIFF", "AU", "CAF"]


# -- cut off


@pytest.mark.parametrize("form", CUT_FORMS)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("missing", [0, 1, 999])
def test_a_file_that_is_cut_off_says_how_much(form: str, subtype: str, missing: int, tmp_path: Path) -> None:
    path = write(tmp_path / "in", noise(1000, 2), form, subtype)
    whole, frame_bytes = samples_of(path), 2 * formats.SAMPLE_BYTES[subtype]
    # In the middle of the last sample that is there, so that it does not count.
    end = path.read_bytes().index(soundfile_bytes(path, form, subtype)) + 1000 * frame_bytes
    keep = end - missing * frame_bytes - (1 if missing else 0)
    path.write_bytes(path.read_bytes()[:keep])
    lost = missing + 1 if missing else 0
    if lost == 1000:
        with pytest.raises(UserError, match="is cut off: 1,000 of 1,000 samples are missing; copy the file again"):
            read_info(path)
        return
    info, found = read(path)
    assert info.frames == 1000 - lost
    np.testing.assert_array_equal(found, whole[: 1000 - lost])
    words = f"{path}: is cut off: {lost:,} of 1,000 samples are missing"
    assert info.warnings == ([words] if lost else [])


def soundfile_bytes(path: Path, form: str, subtype: str) -> bytes:
    """The first frames of a file as they stand in it."""
    order = ">" if form in ("RIFX", "AIFF", "AU", "CAF") else "<"
    steps = soundfile.read(path, frames=8, dtype="int32", always_2d=True)[0].reshape(-1)
    if subtype == "FLOAT":
        values = soundfile.read(path, frames=8, dtype="float32", always_2d=True)[0]
        return bytes(values.astype(f"{order}f4"))
    size = formats.SAMPLE_BYTES[subtype]
    raw = steps.astype(">i4").view(np.uint8).reshape(-1, 4)[:, :size]
    return bytes(np.ascontiguousarray(raw[:, :: 1 if order == ">" else -1]))


def cut(path: Path, share: float) -> Path:
    """The beginning of a file, in its place."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_coded_caf_files_that_are_cut_off_are_refused(share: float, tmp_path: Path) -> None:
    """libsndfile would make up what is missing."""
    path = write(tmp_path / "in.caf", noise(50_000), "CAF", "ALAC_16")
    with path.open("rb") as file:
        stated = stated_data(file)
    assert stated is not None and stated.size is not None and not stated.missing
    cut(path, share)
    lost = stated.at + stated.size - path.stat().st_size
    with pytest.raises(UserError) as refusal:
        read_info(path)
    words = f"is cut off: {lost:,} of {stated.size:,} bytes of samples are missing; copy the file again"
    assert str(refusal.value) == f"{path}: {words}"


@pytest.mark.parametrize("subtype", ["MS_ADPCM", "IMA_ADPCM", "GSM610"])
def test_coded_samples_are_counted_in_bytes(subtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(40_000), "WAV", subtype)
    content = path.read_bytes()
    stated = int.from_bytes(content[(at := content.index(b"data") + 4) : at + 4], "little")
    path.write_bytes(content[: at + 4 + stated // 2])
    words = f"is cut off: {stated - stated // 2:,} of {stated:,} bytes of samples are missing"
    assert read_info(path).warnings == [f"{path}: {words}"]


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RIFX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0xFFFF_FFFF - 36, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_size_that_was_never_stated_is_not_missed(form: str, subtype: str, size: int, tmp_path: Path) -> None:
    """Who writes to a pipe cannot go back to the header.  The samples are those that libsndfile would read."""
    path = write(tmp_path / "in.wav", noise(250, 3), form, subtype)
    whole = samples_of(path)
    if subtype == "DOUBLE":
        whole = soundfile.read(path, dtype="float64")[0].astype(np.float32)
    state(path, form, size)
    info, found = read(path)
    assert (info.frames, info.warnings) == (250, [])
    np.testing.assert_array_equal(found, whole)


def test_a_file_without_samples_has_none_even_if_more_follows(tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(0), "WAV")
    path.write_bytes(path.read_bytes() + b"LIST\x04\x00\x00\x00INFO")
    with pytest.raises(UserError, match="holds no samples"):
        read_info(path)


def test_bytes_after_the_samples_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(100), "WAV")
    whole = samples_of(path)
    path.write_bytes(path.read_bytes() + b"\x01" * 50)
    info, found = read(path)
    assert info.warnings == []
    np.testing.assert_array_equal(found, whole)


def test_run_renders_what_is_there(run: Run, linear: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "in.wav", noise(1000), "WAV")
    whole = samples_of(path)
    path.write_bytes(path.read_bytes()[:-501])
    outcome = run("run", linear, path, tmp_path / "out.wav")
    assert outcome.code == 0
    assert outcome.err == f"schedc: warning: {path}: is cut off: 251 of 1,000 samples are missing\n"
    np.testing.assert_array_equal(samples_of(tmp_path / "out.wav"), whole[:749])


def test_a_compressed_file_that_is_cut_off_is_not_filled_up(run: Run, linear: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "in.mp3", noise(48_000), "MP3", "MPEG_LAYER_III")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    outcome = run("run", linear, path, tmp_path / "out.wav")
    frames = soundfile.info(tmp_path / "out.wav").frames
    assert frames < 30_000
    assert f"{path}: is cut off or damaged: {48_000 - frames:,} of 48,000 samples are missing\n" in outcome.err


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("FLAC", "PCM_S8")])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.999])
def test_all_of_a_flac_file_that_is_there_is_rendered(
    run: Run, linear: Path, form: str, subtype: str, channels: int, share: float, tmp_path: Path
) -> None:
    """Up to the last whole block of 4096 samples, in whatever pieces it is read."""
    path, out = write(tmp_path / "in.flac", noise(100_000, channels), form, subtype), tmp_path / "out.wav"
    whole = samples_of(path)
    cut(path, share)
    outcome, found = run("run", linear, path, out), samples_of(out)
    lost = len(whole) - len(found)
    words = f"{path}: is cut off or damaged: {lost:,} of 100,000 samples are missing"
    assert (outcome.code, outcome.err) == (0, f"schedc: warning: {words}\n")
    assert len(found) % 4096 == 0 and 0 <= share * len(whole) - len(found) < 3 * 4096
    np.testing.assert_array_equal(found, whole[: len(found)])
    assert len(read(path)[1]) == len(found)


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_a_flac_file_that_is_damaged_is_rendered_up_to_there(
    run: Run, linear: Path, share: float, tmp_path: Path
) -> None:
    """Nothing that comes after the damage moves to an earlier time."""
    path, out = write(tmp_path / "in.flac", noise(300_000), "FLAC"), tmp_path / "out.wav"
    whole, content = samples_of(path), bytearray(path.read_bytes())
    content[(at := int(len(content) * share)) : at + 20_000] = bytes(20_000)
    path.write_bytes(content)
    outcome, found = run("run", linear, path, out), samples_of(out)
    words = f"{path}: is cut off or damaged: {300_000 - len(found):,} of 300,000 samples are missing"
    assert (outcome.code, outcome.err) == (0, f"schedc: warning: {words}\n")
    assert 0 < len(found) < 300_000 * (share + 0.05)
    np.testing.assert_array_equal(found, whole[: len(found)])


def test_nothing_is_read_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What libsndfile would go on with belongs to some later time."""
    info = read_info(write(tmp_path / "in.wav", noise(1000), "WAV"))
    sizes, read_some = iter([50, 20]), soundfile.SoundFile.read

    def fail_in_the_second(sound: soundfile.SoundFile, out: np.ndarray) -> np.ndarray:
        size = next(sizes, len(out))
        part: np.ndarray = read_some(sound, out=out[:size])
        if size == 20:
            raise soundfile.LibsndfileError(1)
        return part

    monkeypatch.setattr(soundfile.SoundFile, "read", fail_in_the_second)
    assert [chunk.shape[1] for chunk in read_chunks(info, 50)] == [50, 20]


@pytest.mark.parametrize("size", [100, 4000])
def test_a_file_of_which_nothing_can_be_read(run: Run, linear: Path, size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "in.flac", noise(48_000), "FLAC")
    path.write_bytes(path.read_bytes()[:size])
    outcome = run("run", linear, path, tmp_path / "out.wav")
    words = "none of its 48,000 samples can be read; copy the file again"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"schedc: {path}: {words}\n")
    assert not (tmp_path / "out.wav").exists()


EARLY = "is cut off: it ends before its end is marked"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_ogg_file_that_is_cut_off(run: Run, linear: Path, subtype: str, channels: int, tmp_path: Path) -> None:
    """At any byte: it is rendered or refused, and never as if it were whole."""
    path = write(tmp_path / "in.ogg", noise(200_000, channels), "OGG", subtype)
    content = path.read_bytes()
    assert read_info(path).warnings == []
    rendered = 0
    for size in (len(content) - 1, *(len(content) * part // 16 for part in range(1, 16)), 100):
        path.write_bytes(content[:size])
        try:
            assert read_info(path).warnings == [f"{path}: {EARLY}"]
            rendered += 1
        except UserError as refusal:
            assert str(refusal) == f"{path}: {EARLY}; copy the file again"
    assert rendered
    path.write_bytes(content[:-1])
    outcome = run("run", linear, path, tmp_path / "out.wav")
    assert (outcome.code, outcome.err) == (0, f"schedc: warning: {path}: {EARLY}\n")
    path.write_bytes(content[: len(content) // 2] + bytes(200_000))  # as a download that was given up leaves it
    assert read_info(path).warnings == [f"{path}: {EARLY}"]


def test_whole_ogg_files_are_not_warned_of(tmp_path: Path) -> None:
    """Nor those that go on: in another stream, or with what is no page."""
    path = write(tmp_path / "in.ogg", noise(5000), "OGG", "VORBIS")
    other = write(tmp_path / "other.ogg", noise(5000), "OGG", "OPUS").read_bytes()
    content = path.read_bytes()
    for more in (b"", b"TAG" + bytes(125), bytes(70_000), bytes(65_535) + other, other):
        path.write_bytes(content + more)
        assert read_info(path).warnings == []
        path.write_bytes(content + more + other[:-1])
        assert read_info(path).warnings == [f"{path}: {EARLY}"]


def test_batch_says_what_was_missing_when_it_was_read(run: Run, linear: Path, tmp_path: Path) -> None:
    path, out = cut(write(tmp_path / "in.flac", noise(48_000), "FLAC"), 0.5), tmp_path / "out"
    outcome = run("batch", linear, "-t", "host", "-o", out, "-j", 0, "--render", path)
    (sound,) = out.rglob("*.wav")
    lost = 48_000 - soundfile.info(sound).frames
    words = f"{path}: is cut off or damaged: {lost:,} of 48,000 samples are missing"
    assert (outcome.code, outcome.err) == (0, f"schedc: warning: {words}\n")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that is regular and cannot be read")
def test_what_the_system_does_not_read(run: Run, linear: Path, tmp_path: Path) -> None:
    give = "give a WAV, FLAC, AIFF or other sound file with a header"
    line = f"schedc: /proc/self/mem: cannot be read (Input/output error); {give}\n"
    outcome = run("run", linear, "/proc/self/mem", tmp_path / "out.wav")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", line)
    outcome = run("batch", linear, "-t", "host", "-o", tmp_path / "out", "--render", "/proc/self/mem")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", line)


def test_what_the_system_stops_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "in.wav", noise(250), "WAV")
    state(path, "WAV", 0)
    info = read_info(path)

    def fail(*_: object) -> object:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("schedc.sound.files._decoded", fail)
    with pytest.raises(UserError, match=r"in\.wav: cannot be read \(Input/output error\); give a WAV"):
        list(read_chunks(info))


@pytest.mark.parametrize("form", ["WAV", "AIFF", "CAF"])
def test_doubles_may_be_too_large(run: Run, linear: Path, form: str, tmp_path: Path) -> None:
    path, out = tmp_path / "in", tmp_path / "out.wav"
    soundfile.write(path, np.array([0.5, 1e300, -1e39, 0.25]), 48000, subtype="DOUBLE", format=form)
    outcome = run("run", linear, path, out)
    words = "2 samples are NaN, infinite or too large for 32-bit floats, taken as 0"
    assert (outcome.code, outcome.err) == (0, f"schedc: warning: {path}: {words}\n")
    outcome = run("run", linear, path, out, "--nonfinite", "keep")
    words = "sample 1 is not a finite number in 32 bits; mend the file, or take such samples as 0: --nonfinite zero"
    assert (outcome.code, outcome.err) == (2, f"schedc: {path}: {words}\n")


# -- whatever the bytes are


@examples_per_test(150)
@given(data=st.data(), form=st.sampled_from([*SIZES, "FLAC"]), subtype=st.sampled_from(["PCM_16", "PCM_24"]))
def test_damaged_files_are_read_or_refused_in_a_line(
    data: st.DataObject, form: str, subtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "damaged", noise(100), form, subtype)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(content) - 1, 120)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        content = content or bytearray(b"0")
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        info = read_info(path)
        assert all(warning.isprintable() for warning in info.warnings)
        assert sum(chunk.shape[1] for chunk in read_chunks(info)) <= max(info.frames, 10_000)
    except UserError as refusal:
        assert str(refusal).isprintable() and len(str(refusal)) < 500
