"""What is given for a capture and is none is called what it is, with the way out."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import schedc
from schedc.cli.main import main
from schedc.errors import ModelFileError
from schedc.frontend.nam_file import read_nam_document

NAM = json.dumps(
    {
        "version": "0.5.4",
        "architecture": "Linear",
        "config": {"receptive_field": 1, "bias": False},
        "weights": [1.0],
        "sample_rate": 48000,
    }
).encode()
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12345\n"
AS_NAM = "only .nam and .namb captures are read; get it as one, or train it anew"
UNPACK = "unpack it and give the .nam inside"
EXPORT = "export it as a .nam with the trainer"
PLAY = "give the capture first: schedc run CAPTURE.nam IN.wav OUT.wav"
AGAIN = "export or download the capture again"
NO_WEIGHTS = "has no weights, like the config.json of the old export in two files"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, NAM)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("amp.nam")
        entry.size = len(NAM)
        archive.addfile(entry, io.BytesIO(NAM))
    return file.getvalue()


def arrays(save: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    save(file, np.zeros(5))
    return file.getvalue()


def sound(form: str, subtype: str, **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(4800), 48000, subtype=subtype, format=form, **options)
    return file.getvalue()


def tensors() -> bytes:
    head = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(4)


AIDA = {
    "in_shape": [None, None, 1],
    "in_skip": 1,
    "layers": [
        {"type": "lstm", "activation": "", "shape": [None, None, 1], "weights": [[[0.1] * 4], [[0.1] * 4], [0.1] * 4]},
        {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [[[1.0]], [0.0]]},
    ],
    "metadata": {"samplerate": "48000"},
}
PROTEUS = {
    "model_data": {"model": "SimpleRNN", "input_size": 1, "skip": 1, "unit_type": "LSTM", "hidden_size": 1},
    "state_dict": {"rec.weight_ih_l0": [[0.1]] * 4, "rec.weight_hh_l0": [[0.1]] * 4, "lin.weight": [[1.0]]},
}
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", f"is empty; {AGAIN}"),
    "blank": (b" \n\t\n", f"is empty; {AGAIN}"),
    "zeros": (bytes(5000), f"holds nothing but zeros; {AGAIN}"),
    "lfs": (LFS, "is a Git LFS pointer, not the file itself; run: git lfs pull"),
    "html": (b"<!DOCTYPE html>\n<html>", "is a web page; download the file itself"),
    "html with a mark": (b"\xef\xbb\xbf\r\n <HTML lang=en>", "is a web page; download the file itself"),
    "html of an error": (b"<head><title>404</title>", "is a web page; download the file itself"),
    "xml": (b'<?xml version="1.0"?><a/>', f"is XML; {AS_NAM}"),
    "checkpoint": (zipped("archive/data.pkl", "archive/data/0"), f"is a PyTorch checkpoint; {EXPORT}"),
    "keras": (zipped("config.json", "model.weights.h5"), f"is a Keras model; {AS_NAM}"),
    "npz": (arrays(np.savez), f"is an archive of NumPy arrays; {EXPORT}"),
    "zip": (zipped("amps/amp.nam", "read me.txt"), f"is a zip file; {UNPACK}"),
    "zip of nothing": (zipped(), f"is a zip file; {UNPACK}"),
    "gzip": (gzip.compress(NAM), f"is compressed (gzip); {UNPACK}"),
    "bzip2": (bz2.compress(NAM), f"is compressed (bzip2); {UNPACK}"),
    "xz": (lzma.compress(NAM), f"is compressed (xz); {UNPACK}"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", f"is compressed (Zstandard); {UNPACK}"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", f"is a 7-Zip file; {UNPACK}"),
    "rar": (b"Rar!\x1a\x07\x01\x00", f"is a RAR file; {UNPACK}"),
    "tar": (tarred(), f"is a tar file; {UNPACK}"),
    "weights.npy": (arrays(np.save), f"is a NumPy array, half of the old export in two files; {EXPORT}"),
    "h5": (b"\x89HDF\r\n\x1a\n\x00", f"is an HDF5 file, as of Keras; {AS_NAM}"),
    "tflite": (b"\x1c\x00\x00\x00TFL3\x14\x00", f"is a TensorFlow Lite model; {AS_NAM}"),
    "pickle": (pickle.dumps({"a": [1.0]}), f"is a Python pickle, as of PyTorch; {EXPORT}"),
    "old pickle": (pickle.dumps({"a": [1.0]}, protocol=2), f"is a Python pickle, as of PyTorch; {EXPORT}"),
    "safetensors": (tensors(), f"is a safetensors file; {EXPORT}"),
    "wav": (sound("WAV", "PCM_16"), f"is a WAV file, not a capture; {PLAY}"),
    "rifx": (sound("WAV", "PCM_16", endian="BIG"), f"is a WAV file, not a capture; {PLAY}"),
    "rf64": (sound("RF64", "PCM_16"), f"is a WAV file, not a capture; {PLAY}"),
    "w64": (sound("W64", "PCM_16"), f"is a WAV file, not a capture; {PLAY}"),
    "aiff": (sound("AIFF", "PCM_16"), f"is an AIFF file, not a capture; {PLAY}"),
    "aifc": (sound("AIFF", "FLOAT"), f"is an AIFF file, not a capture; {PLAY}"),
    "flac": (sound("FLAC", "PCM_16"), f"is a FLAC file, not a capture; {PLAY}"),
    "ogg": (sound("OGG", "VORBIS"), f"is an Ogg file, not a capture; {PLAY}"),
    "mp3": (sound("MP3", "MPEG_LAYER_III"), f"is an MP3 file, not a capture; {PLAY}"),
    "caf": (sound("CAF", "PCM_16"), f"is a CAF file, not a capture; {PLAY}"),
    "utf-16": (NAM.decode().encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "utf-16 without a mark": (NAM.decode().encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
    "utf-32": (NAM.decode().encode("utf-32"), "is UTF-32 text; save it as UTF-8"),
    "elf": (b"\x7fELF\x01\x01\x01\x00", "is machine code (ELF); give the path of a .nam capture"),
    "png": (b"\x89PNG\r\n\x1a\n", "is a picture; give the path of a .nam capture"),
    "pdf": (b"%PDF-1.7\n", "is a PDF document; give the path of a .nam capture"),
    "aida-x": (json.dumps(AIDA).encode(), f"is an AIDA-X (RTNeural) model; {AS_NAM}"),
    "proteus": (json.dumps(PROTEUS).encode(), f"is a Proteus (GuitarML) model; {AS_NAM}"),
    "smart amp": (b'{"dilations": [1], "variables": []}', f"is a SmartGuitarAmp (GuitarML) model; {AS_NAM}"),
    "keras.json": (b'{"class_name": "Sequential", "config": {}, "backend": "jax"}', f"is a Keras model; {AS_NAM}"),
    "training": (
        b'{"net": {"name": "WaveNet"}, "optimizer": {}}',
        "is a configuration for training; train it, and",
    ),
    "old config.json": (b'{"version": "0.1.0", "architecture": "WaveNet", "config": {}}', f"{NO_WEIGHTS}; {EXPORT}"),
    "other": (b'{"name": "left-pad", "version2": "1.0"}', f"is JSON, but no capture; {AS_NAM}"),
}


@pytest.mark.parametrize("kind", FILES)
def test_it_is_called_what_it_is(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = FILES[kind]
    path = tmp_path / "amp.nam"
    path.write_bytes(content)
    assert main(["verify", str(path)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith(f"schedc: {path}: {words}")


def test_schedcs_own_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "amp.nam").write_bytes(NAM)
    schedc.compile(tmp_path / "amp.nam", target="m33").write(tmp_path)
    with pytest.raises(ModelFileError, match=r"is a report of schedc's; give the capture that it is about"):
        schedc.load(tmp_path / "amp.json")
    with pytest.raises(ModelFileError, match=r"is machine code \(ELF\)"):
        schedc.load(tmp_path / "amp.o")


@pytest.mark.parametrize("size", [0, 1, 4, 8, 12, 300])
@pytest.mark.parametrize("kind", FILES)
def test_the_beginning_of_one_is_refused_too(kind: str, size: int) -> None:
    with pytest.raises(ModelFileError) as refusal:
        read_nam_document(FILES[kind][0][:size], "a.nam")
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 300


def test_a_capture_may_hold_further_keys() -> None:
    whole = {**json.loads(NAM), **AIDA, **PROTEUS, "class_name": "x", "schedc": 1, "packing": 2}
    assert read_nam_document(json.dumps(whole), "a.nam").document.architecture == "Linear"
