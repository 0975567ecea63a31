"""Which sound files are written, and with which samples: those that hold what a model gives, and the same bytes again.

Left out is what loses samples (MP3, Ogg; Ogg files differ each time, besides).
"""

from __future__ import annotations

from pathlib import Path

from schedc.errors import UserError, one_line

# Suffix -> how libsndfile calls the form.
FORMATS = {
    **dict.fromkeys((".wav", ".wave"), "WAV"),
    **dict.fromkeys((".aif", ".aiff", ".aifc"), "AIFF"),
    **dict.fromkeys((".au", ".snd"), "AU"),
    ".flac": "FLAC",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
}
_SHOWN = "use .wav, .flac, .aiff, .caf, .w64, .rf64 or .au"
_LOSSY = {
    **dict.fromkeys((".mp3", ".mp2", ".mpga"), "MP3"),
    **dict.fromkeys((".ogg", ".oga", ".opus"), "Ogg"),
    **dict.fromkeys((".m4a", ".mp4", ".aac"), "AAC"),
    ".wma": "WMA",
}
PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
SAMPLE_BYTES = {**{subtype: bits // 8 for subtype, bits in PCM_BITS.items()}, "FLOAT": 4, "DOUBLE": 8}
# What each form holds, from the fewest bits to the most.
_SIXTEEN_OR_MORE = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
HOLDS = {
    **dict.fromkeys(("WAV", "RF64", "W64"), ("PCM_U8", *_SIXTEEN_OR_MORE)),
    **dict.fromkeys(("CAF", "AU"), ("PCM_S8", *_SIXTEEN_OR_MORE)),
    "AIFF": _SIXTEEN_OR_MORE,  # libsndfile adds a sample to an odd number of 8 bit
    "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
}
# Samples that are coded otherwise, as wide as they are when they have been read.
_READ_AS = {"ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"}
_READ_AS |= {"DWVW_12": "PCM_16", "DWVW_16": "PCM_16", "DWVW_24": "PCM_24", "ULAW": "PCM_16", "ALAW": "PCM_16"}
_SIGNIFICANT_BITS = {**PCM_BITS, "FLOAT": 33, "DOUBLE": 64}  # FLOAT has more range than any PCM


def format_of(path: Path) -> str:
    """The form that a file's suffix asks for; UserError for one that is not written."""
    suffix = path.suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    name = one_line(str(path))
    if suffix in _LOSSY:
        raise UserError(name, f"{_LOSSY[suffix]} does not keep the samples", f"{_SHOWN}, and convert that")
    what = f"{one_line(path.suffix)!r} is no suffix of files that are written" if suffix else "has no suffix"
    raise UserError(name, what, _SHOWN)


def samples_for(form: str, subtype: str) -> str:
    """How samples of ``subtype`` are written in a file of ``form``: likewise, else the narrowest that keeps them, else
    the widest.
    """
    wanted = _READ_AS.get(subtype, subtype if subtype in _SIGNIFICANT_BITS else "FLOAT")
    held = HOLDS[form]
    if wanted in held:
        return wanted
    wide = [one for one in held if _SIGNIFICANT_BITS[one] >= _SIGNIFICANT_BITS[wanted]]
    return (wide or [max(held, key=lambda one: _SIGNIFICANT_BITS[one])])[0]


def keeps(written: str, subtype: str) -> bool:
    """Whether every sample that was read as ``subtype`` can be written as ``written``."""
    wanted = _READ_AS.get(subtype, subtype)
    return _SIGNIFICANT_BITS[written] >= _SIGNIFICANT_BITS.get(wanted, 33)
