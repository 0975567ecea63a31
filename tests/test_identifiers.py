"""What captures are called: legal in C, C++ and on every file system, and never another capture's symbols."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.captures import EXAMPLES
from helpers.effort import examples_per_test
from hypothesis import given
from hypothesis import strategies as st

import schedc
from schedc.errors import OptionError, SchedcWarning
from schedc.files.identifiers import c_identifier, checked_name, fault_of

NANO = {path.stem: path for path in EXAMPLES}["a1_nano"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a2_lite", "a2_lite"),
        ("JCM-800 (Crunch)!", "jcm_800_crunch"),
        ("日本語", "ribenyu"),
        ("🎸", "guitar"),
        ("👩‍🎤 lead", "woman_microphone_lead"),
        ("ÄÖ groß", "ao_gross"),
        ("Привет", "privet"),
        ("a\u0308", "a"),
        ("1x16", "capture_1x16"),
        ("int", "capture_int"),
        ("main", "capture_main"),
        ("co_await", "capture_co_await"),
        ("Math", "capture_math"),
        ("aux", "capture_aux"),
        ("sem", "capture_sem"),
        ("x", "capture_x"),
        ("schedc_rings", "capture_schedc_rings"),
        ("__init__", "init"),
        ("a - b", "a_b"),
        ("amp_stage0", "amp_stage0_capture"),
        ("amp_weights", "amp_weights_capture"),
        # what is lost is told apart by a digest
        ("", "capture_e3b0c442"),
        ("---", "capture_cb3f91d5"),
        ("___", "capture_bda25155"),
        ("amp \ue000", "amp_"),
        ("\udcff", "capture_"),
        ("x" * 300, f"{'x' * 51}_"),
    ],
)
def test_names_are_readable(text: str, name: str) -> None:
    made = c_identifier(text)
    assert made.startswith(name) if name.endswith("_") else made == name
    assert fault_of(made) == ""


def test_a_letter_in_two_pieces_is_the_letter() -> None:
    """Some systems write an accent apart from its letter in the names of files."""
    assert c_identifier("\ue000e\u0301") == c_identifier("\ue000\u00e9")


def test_what_is_lost_does_not_make_names_equal() -> None:
    lost = ["", "-", "--", "?", "\ue000", "\ue001", "\ue000\ue001", "\udcfe", "\udcff", "x" * 300, "x" * 301]
    assert len({c_identifier(text) for text in lost}) == len(lost)


@examples_per_test(500)
@given(st.text())
def test_any_name_becomes_a_legal_one(text: str) -> None:
    made = c_identifier(text)
    assert fault_of(made) == ""
    assert checked_name(made) == made == made.lower() == c_identifier(made)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("9x", "'9x' is not a C identifier"),
        ("", "'' is not a C identifier"),
        ("größe", "'größe' is not a C identifier"),
        ("a b", "'a b' is not a C identifier"),
        ("amp\n", r"'amp\n' is not a C identifier"),
        ("../amp", "'../amp' is not a C identifier"),
        ("_amp", "'_amp' begins with an underscore, which C keeps for itself"),
        ("a__b", "'a__b' would have two underscores in a row, which C++ keeps for itself"),
        ("amp_", "'amp_' would have two underscores in a row, which C++ keeps for itself"),
        ("a" * 101, f"'{'a' * 40}'... is longer than 100 characters"),
        ("int", "'int' is a word of C or C++"),
        ("if", "'if' is a word of C or C++"),
        ("main", "'main' is a word of C or C++"),
        ("class", "'class' is a word of C or C++"),
        ("Math", "'Math' is taken: math.h is a header of the system's"),
        ("NUL", "'NUL' is a device on Windows"),
        ("sem", "'sem' is taken: sem_init is a library's"),
        ("pthread_mutexattr", "'pthread_mutexattr' is taken: pthread_mutexattr_init is a library's"),
        ("posix_spawnattr", "'posix_spawnattr' is taken: posix_spawnattr_init is a library's"),
        ("Pthread_mutex", "'Pthread_mutex' is taken: pthread_mutex_init is a library's"),
        ("schedc_rings", "'schedc_rings' is taken: schedc's own names begin like that"),
        ("amp_Stage12", "'amp_Stage12' is taken: names in _stage12 are another capture's"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_words(name: str, fault: str) -> None:
    with pytest.raises(OptionError) as refusal:
        schedc.compile(NANO, target="m33", name=name)
    remedy = "give another name: letters, digits and single underscores, a letter first"
    assert str(refusal.value) == f"name: {fault}; {remedy}"


def test_a_name_is_text() -> None:
    with pytest.raises(OptionError, match="name: 3 is not text"):
        schedc.compile(NANO, target="m33", name=3)  # type: ignore[arg-type]


def test_no_legal_name_has_symbols_macros_or_files_of_another() -> None:
    """``amp`` has the macro AMP_STAGE0_STATE_BYTES: what ``amp_stage0`` would call STATE_BYTES is not its own."""
    with pytest.warns(SchedcWarning, match="3 stages, but m33 states 2 cores"):
        made = schedc.compile(NANO, target="m33", cores=3, name="amp", with_texts=True)
    texts = [content.decode("latin-1") for content in made.files().values()]
    words = {word.lower() for text in texts for word in re.findall(r"\bamp_\w+", text, re.IGNORECASE)}
    stems = {Path(file).stem for file in made.files() if file.startswith("amp")}  # a compiler makes NAME.o of NAME.c
    clashing = set()
    for names in (words, stems):
        endings = {name.removeprefix("amp") for name in names}
        middles = {ending[:end] for ending in endings for end in range(1, len(ending) + 1)}
        clashing |= {middle for middle in middles if any(middle + ending in endings for ending in endings)}
    assert {"_stage0", "_stage1", "_pipeline", "_weights", "_check"} <= clashing
    assert [middle for middle in sorted(clashing) if not fault_of(f"amp{middle}")] == []


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_no_word_of_the_languages_is_a_name(tmp_path: Path) -> None:
    words = "alignas and asm bool catch class concept const co_return final int main new not operator register this try"
    for word in words.split():
        assert fault_of(word)
    source = tmp_path / "names.cpp"
    source.write_text("".join(f"extern int {c_identifier(word)};\n" for word in words.split()), encoding="utf-8")
    subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Werror", str(source)], check=True)


def test_no_name_hides_a_header_of_c_or_posix() -> None:
    """Of POSIX not by itself: who asks for such a name gets it."""
    standard = "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign"
    standard += " stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar"
    standard += " wchar wctype"
    posix = "aio cpio dirent dlfcn fcntl fnmatch ftw glob grp iconv langinfo libgen monetary mqueue netdb poll pthread"
    posix += " pwd regex sched search semaphore spawn strings syslog tar termios ulimit unistd utime utmpx wordexp"
    assert [name for name in standard.split() if not fault_of(name)] == []
    assert [name for name in f"{standard} {posix}".split() if c_identifier(name) != f"capture_{name}"] == []
    assert [checked_name(name) for name in ("x", "r", "pthread", "hal")] == ["x", "r", "pthread", "hal"]
