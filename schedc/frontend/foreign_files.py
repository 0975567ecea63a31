"""Files that are given for captures and are something else: what they are, and the way out.

Told by their content, never by their name.  Nothing of them is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from schedc.errors import ModelFileError, one_line

_SEARCHED = 2**16  # bytes at the beginning, and at the end, of an archive
_AGAIN = "export or download the capture again"
_UNPACK = "unpack it and give the .nam inside"
_AS_NAM = "only .nam and .namb captures are read; get it as one, or train it anew"
_PLAY = "give the capture first: schedc run CAPTURE.nam IN.wav OUT.wav"
_EXPORT = "export it as a .nam with the trainer"


@dataclass(frozen=True)
class _Kind:
    what: str
    remedy: str


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(beginnings)


def _sound(form: bytes, kind: bytes) -> Callable[[bytes], bool]:
    return lambda data: data[:4] == form and data[8:12] == kind


def _archive_of(*parts: bytes) -> Callable[[bytes], bool]:
    """A zip file whose members' names have one of these in them."""

    def found(data: bytes) -> bool:
        ends = data[:_SEARCHED] + data[-_SEARCHED:]
        return data.startswith(b"PK\x03\x04") and any(part in ends for part in parts)

    return found


def _safetensors(data: bytes) -> bool:
    return len(data) > 9 and int.from_bytes(data[:8], "little") <= len(data) - 8 and data[8:9] == b"{"


def _pickle(data: bytes) -> bool:
    return data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _markup(pattern: bytes) -> Callable[[bytes], bool]:
    beginning = re.compile(rb"(?:\xef\xbb\xbf)?\s*" + pattern, re.IGNORECASE)
    return lambda data: beginning.match(data, 0, _SEARCHED) is not None


# The first that fits.
_BY_BYTES: tuple[tuple[Callable[[bytes], bool], _Kind], ...] = (
    (lambda data: not data.strip(), _Kind("is empty", _AGAIN)),
    (lambda data: not data.strip(b"\0"), _Kind("holds nothing but zeros", _AGAIN)),
    (_starts(b"version https://git-lfs"), _Kind("is a Git LFS pointer, not the file itself", "run: git lfs pull")),
    (_markup(rb"<(!doctype\s+html|html|head|body)\b"), _Kind("is a web page", "download the file itself")),
    (_markup(rb"<[?!a-z]"), _Kind("is XML", _AS_NAM)),
    (_archive_of(b"/data.pkl"), _Kind("is a PyTorch checkpoint", _EXPORT)),
    (_archive_of(b"model.weights.h5"), _Kind("is a Keras model", _AS_NAM)),
    (_archive_of(b".npy"), _Kind("is an archive of NumPy arrays", _EXPORT)),
    (_starts(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"), _Kind("is a zip file", _UNPACK)),
    (_starts(b"\x1f\x8b"), _Kind("is compressed (gzip)", _UNPACK)),
    (_starts(b"BZh"), _Kind("is compressed (bzip2)", _UNPACK)),
    (_starts(b"\xfd7zXZ\0"), _Kind("is compressed (xz)", _UNPACK)),
    (_starts(b"\x28\xb5\x2f\xfd"), _Kind("is compressed (Zstandard)", _UNPACK)),
    (_starts(b"7z\xbc\xaf\x27\x1c"), _Kind("is a 7-Zip file", _UNPACK)),
    (_starts(b"Rar!"), _Kind("is a RAR file", _UNPACK)),
    (lambda data: data[257:262] == b"ustar", _Kind("is a tar file", _UNPACK)),
    (_starts(b"\x93NUMPY"), _Kind("is a NumPy array, half of the old export in two files", _EXPORT)),
    (_starts(b"\x89HDF\r\n\x1a\n"), _Kind("is an HDF5 file, as of Keras", _AS_NAM)),
    (lambda data: data[4:8] == b"TFL3", _Kind("is a TensorFlow Lite model", _AS_NAM)),
    (_pickle, _Kind("is a Python pickle, as of PyTorch", _EXPORT)),
    (_safetensors, _Kind("is a safetensors file", _EXPORT)),
    (_sound(b"RIFF", b"WAVE"), _Kind("is a WAV file, not a capture", _PLAY)),
    (_starts(b"RIFX", b"RF64", b"riff\x2e\x91"), _Kind("is a WAV file, not a capture", _PLAY)),
    (_sound(b"FORM", b"AIFF"), _Kind("is an AIFF file, not a capture", _PLAY)),
    (_sound(b"FORM", b"AIFC"), _Kind("is an AIFF file, not a capture", _PLAY)),
    (_starts(b"fLaC"), _Kind("is a FLAC file, not a capture", _PLAY)),
    (_starts(b"OggS"), _Kind("is an Ogg file, not a capture", _PLAY)),
    (_starts(b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"), _Kind("is an MP3 file, not a capture", _PLAY)),
    (_starts(b"caff\0\1"), _Kind("is a CAF file, not a capture", _PLAY)),
    (_starts(b"\xff\xfe\0\0", b"\0\0\xfe\xff"), _Kind("is UTF-32 text", "save it as UTF-8")),
    (_starts(b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{"), _Kind("is UTF-16 text", "save it as UTF-8")),
    (_starts(b"\x7fELF"), _Kind("is machine code (ELF)", "give the path of a .nam capture")),
    (_starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), _Kind("is a picture", "give the path of a .nam capture")),
    (_starts(b"%PDF"), _Kind("is a PDF document", "give the path of a .nam capture")),
)


def _has(*keys: str) -> Callable[[dict[str, object]], bool]:
    return lambda root: all(key in root for key in keys)


_PARTS = ("version", "architecture", "config", "weights")
# JSON, by the keys of the outermost object.
_BY_KEYS: tuple[tuple[Callable[[dict[str, object]], bool], _Kind], ...] = (
    (_has("architecture", "config", "weights"), _Kind("", "")),  # a capture, whatever else it holds
    (_has("model_data", "state_dict"), _Kind("is a Proteus (GuitarML) model", _AS_NAM)),
    (_has("in_shape", "layers"), _Kind("is an AIDA-X (RTNeural) model", _AS_NAM)),
    (_has("class_name", "config"), _Kind("is a Keras model", _AS_NAM)),
    (_has("schedc", "packing"), _Kind("is a report of schedc's", "give the capture that it is about")),
    (_has("dilations", "variables"), _Kind("is a SmartGuitarAmp (GuitarML) model", _AS_NAM)),
    (_has("state_dict"), _Kind("is a PyTorch checkpoint as JSON", _AS_NAM)),
    (_has("net", "optimizer"), _Kind("is a configuration for training", "train it, and give the .nam")),
    (
        lambda root: _has("version", "architecture", "config")(root) and "sample_rate" not in root,
        _Kind("has no weights, like the config.json of the old export in two files", _EXPORT),
    ),  # which stated no rate
    (lambda root: bool(root) and not any(key in root for key in _PARTS), _Kind("is JSON, but no capture", _AS_NAM)),
)


def refuse_foreign_bytes(data: bytes, name: str) -> None:
    """ModelFileError if a file's content is known for what it is; ``name`` stands for the file."""
    _refuse(next((kind for fits, kind in _BY_BYTES if fits(data)), None), name)


def refuse_foreign_json(root: object, name: str) -> None:
    """The same for a document that was parsed."""
    if isinstance(root, dict):
        _refuse(next((kind for fits, kind in _BY_KEYS if fits(root)), None), name)


def _refuse(kind: _Kind | None, name: str) -> None:
    if kind is not None and kind.what:
        raise ModelFileError(one_line(name), kind.what, kind.remedy)
