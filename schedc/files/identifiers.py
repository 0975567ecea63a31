"""What a capture's files and symbols are called: names that C and C++ compilers, linkers and file systems take.

A name is the start of symbols (``amp_process``), of macros (``AMP_OK``) and of files (``amp.h``), which all have to
stay clear of those of the C library and of the next capture's.  What is legal stands in :func:`fault_of`, and nowhere
else.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from anyascii import anyascii

from schedc.errors import OptionError
from schedc.wording import quoted, shown

_LONGEST = 100  # characters: with its endings still a file's name
_LONGEST_OWN = 60  # of names that are made here
_REMEDY = "give another name: letters, digits and single underscores, a letter first"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEYWORDS = _words("""
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await
    co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do
    double dynamic_cast else enum explicit export extern false final float for friend goto if import inline int long
    main module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private protected public
    register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct
    switch template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
    virtual void volatile wchar_t while xor xor_eq
""")
# NAME.h would be found in place of the system's where the folder is searched for <...> (cc -I).
_HEADERS = _words("""
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic
    stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype
""")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))]
)
# Name -> the function that it would define a second time.
_TAKEN = {
    **{
        f"pthread_{kind}{attributes}": f"pthread_{kind}{attributes}_init"
        for kind in ("barrier", "cond", "mutex", "rwlock", "spin")
        for attributes in ("", "attr")
    },
    **{
        name: f"{name}_init"
        for name in ("cnd", "mtx", "posix_spawn_file_actions", "posix_spawnattr", "pthread_attr", "res", "sem")
    },
}
# Not chosen here, but given to who asks for them: further headers of systems, and what stands before _OK in macros of
# theirs, of board packages and of zlib.
_AVOIDED = _words("""
    aio alloca argp byteswap cpio dirent dlfcn elf endian err error execinfo fcntl features fnmatch ftw getopt glob grp
    iconv ifaddrs langinfo libgen link malloc memory monetary mqueue ndbm netdb poll pthread pwd regex resolv sched
    search semaphore spawn strings stropts syslog tar termios thread trace ulimit unistd utime utmpx values windows
    wordexp esp ex f hal pico r w x z
""")
# What begins with NAME_ and one of these belongs to the capture NAME (its stages, its weights, ...).
_ENDING = re.compile(r"_(check|pipeline|stage\d+|weights)$")


def fault_of(name: str) -> str:
    """Why a capture may not be called ``name``; "" if it may."""
    folded = name.lower()
    ending = _ENDING.search(folded)
    rules = {
        "is not a C identifier": not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name),
        "begins with an underscore, which C keeps for itself": name.startswith("_"),
        "would have two underscores in a row, which C++ keeps for itself": "__" in f"{name}_",
        f"is longer than {_LONGEST} characters": len(name) > _LONGEST,
        "is a word of C or C++": folded in _KEYWORDS,
        f"is taken: {folded}.h is a header of the system's": folded in _HEADERS,
        "is a device on Windows": folded in _DEVICES,
        f"is taken: {_TAKEN.get(folded)} is a library's": folded in _TAKEN,
        "is taken: schedc's own names begin like that": folded.startswith("schedc"),
        f"is taken: names in {ending and ending[0]} are another capture's": ending is not None,
    }
    return next((fault for fault, broken in rules.items() if broken), "")


def checked_name(name: object) -> str:
    """``name``, if files and symbols may be called so; else OptionError."""
    if not isinstance(name, str):
        raise OptionError("name", f"{shown(name)} is not text")
    if fault := fault_of(name):
        raise OptionError("name", f"{quoted(name)} {fault}", _REMEDY)
    return name


def c_identifier(text: str) -> str:
    """A legal name that reads like ``text``: lower case, other scripts transliterated, other characters underscores.

    Where letters are lost (or ``text`` has none, or too many) a digest of it tells names apart.
    """
    plain = unicodedata.normalize("NFC", text)  # some systems keep accents apart from their letters
    words = re.sub("[^0-9a-z]+", "_", anyascii(plain).lower()).strip("_")
    if not words or len(words) > _LONGEST_OWN or any(_is_lost(character) for character in plain):
        digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        words = f"{words[: _LONGEST_OWN - 9].strip('_') or 'capture'}_{digest}"
    if _ENDING.search(words):
        words = f"{words}_capture"
    return f"capture_{words}" if words in _AVOIDED or fault_of(words) else words


def _is_lost(character: str) -> bool:
    """Whether nothing is left of a character that is more than an accent or a joiner."""
    return not anyascii(character) and unicodedata.category(character) not in ("Mn", "Me", "Cf")
