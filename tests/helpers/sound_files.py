"""Sound files: with headers that are wrong on purpose; read by soundfile and by schedc."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

from schedc.sound.files import SoundInfo, read_chunks, read_info

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]

# Form of libsndfile -> how its sizes are written, and what stands before the size of the samples.
SIZES = {
    "WAV": ("<I", b"data", 0),
    "WAVEX": ("<I", b"data", 0),
    "RIFX": (">I", b"data", 0),
    "RF64": ("<Q", b"ds64", 12),
    "W64": ("<Q", b"data", 12),
    "AIFF": (">I", b"SSND", 0),
    "CAF": (">q", b"data", 0),
    "AU": (">I", b".snd", 4),
}


def noise(frames: int, channels: int = 1) -> np.ndarray:
    """Float32 [frames, channels]; no sample is 0, as an 8 bit one."""
    return np.random.default_rng(5).uniform(0.1, 0.4, (frames, channels)).astype(np.float32)


def write(path: Path, samples: np.ndarray, form: str, subtype: str = "PCM_16", rate: int = 48000) -> Path:
    """As ``soundfile.write``; ``form`` may be RIFX, a WAV file with the large ends first."""
    options = {"format": "WAV", "endian": "BIG"} if form == "RIFX" else {"format": form}
    soundfile.write(path, samples, rate, subtype=subtype, **options)
    return path


def state(path: Path, form: str, size: int) -> None:
    """Write another size of the samples into a header (of some forms it counts more than those)."""
    code, name, more = SIZES[form]
    content = bytearray(path.read_bytes())
    struct.pack_into(code, content, content.index(name) + 4 + more, size)
    path.write_bytes(content)


def samples_of(path: Path) -> np.ndarray:
    """By soundfile: float32 [frames, channels]."""
    found: np.ndarray = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return found


def read(path: Path) -> tuple[SoundInfo, np.ndarray]:
    """By schedc, in small pieces: the header, and float32 [frames, channels]."""
    info = read_info(path)
    return info, np.concatenate(list(read_chunks(info, 100)), axis=1).T
