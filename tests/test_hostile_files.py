"""Damaged captures and sound files: a model or samples, or one short line; nothing else comes out, and no time is lost.

``SCHEDC_LONG=1`` damages each kind of file 4,000 times, and says how long the slowest took.
"""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.captures import EXAMPLES
from helpers.effort import LONG
from helpers.mutations import altered, damaged
from helpers.namb import namb, sealed
from helpers.sound_files import SIZES, noise, write

from schedc.errors import UserError
from schedc.frontend.capture import capture_of
from schedc.frontend.nam_file import read_nam_file
from schedc.sound.files import read_chunks, read_info

BY_NAME = {path.stem: path for path in EXAMPLES}
COUNT = 4000 if LONG else 60
SECONDS = 20  # of a processor; some milliseconds are enough
LONGEST = 1000  # characters of a message


def read_capture(path: Path) -> None:
    file = read_nam_file(path)
    assert all(warning.isprintable() and len(warning) < LONGEST for warning in file.warnings)
    capture_of(file)


def read_sound(path: Path) -> None:
    info = read_info(path)
    assert all(warning.isprintable() for warning in info.warnings)
    for chunk in read_chunks(info, 4096):
        assert np.isfinite(chunk).all()


def resealed(data: bytes, rng: random.Random) -> bytes:
    """Damage behind a good checksum and a good size."""
    changed = damaged(data, rng)
    if len(changed) < 32 or rng.random() < 0.2:
        return changed
    return sealed(changed[:8] + len(changed).to_bytes(4, "little") + changed[12:])


def as_json(data: bytes, rng: random.Random) -> bytes:
    """Damage to what the text means, or to the text."""
    return json.dumps(altered(json.loads(data), rng)).encode() if rng.random() < 0.7 else damaged(data, rng)


STEMS = ("a1_nano", "a2_lite", "convnet", "lstm_1x16")
BINARY = [(stem, version) for stem in STEMS for version in (1, 2)]
Damage = Callable[[bytes, random.Random], bytes]


def kinds(folder: Path) -> dict[str, tuple[bytes, Damage, Callable[[Path], object]]]:
    """A sound file of each kind, how it is damaged, and who reads it."""
    found: dict[str, tuple[bytes, Damage, Callable[[Path], object]]] = {}
    for stem in STEMS:
        found[f"{stem}.nam"] = (BY_NAME[stem].read_bytes(), as_json, read_capture)
    for stem, version in BINARY:
        document = json.loads(BY_NAME[stem].read_text(encoding="utf-8"))
        found[f"{stem}.{version}.namb"] = (namb(document, version), resealed, read_capture)
    for form in (*SIZES, "FLAC"):
        found[form] = (write(folder / "sound", noise(300, 2), form).read_bytes(), damaged, read_sound)
    return found


NAMES = [*(f"{stem}.nam" for stem in STEMS), *(f"{stem}.{version}.namb" for stem, version in BINARY), *SIZES, "FLAC"]


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_survived_or_told(name: str, tmp_path: Path) -> None:
    data, damage, read = kinds(tmp_path)[name]
    rng, path = random.Random(zlib.crc32(name.encode())), tmp_path / "damaged"
    slowest, told = 0.0, 0
    for _ in range(COUNT):
        path.write_bytes(damage(data, rng))
        begin = time.thread_time()
        try:
            read(path)
        except UserError as refusal:
            told += 1
            assert str(refusal).isprintable() and len(str(refusal)) < LONGEST
        slowest = max(slowest, time.thread_time() - begin)
    print(f"{name}: {COUNT} files, {told} refused, the slowest took {slowest:.2f} s")
    assert slowest < SECONDS
