"""What code and descriptions cite is in the repository: every document, every heading, every source of a number.

A citation is ``docs/NAME.md``, or ``docs/NAME.md#heading`` with a heading's anchor as GitHub makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from schedc.targets.base import Target, load_target
from schedc.targets.names import TARGET_NAMES

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("schedc", "passes", "backends", "targets", "tests", "examples")
_DOCUMENT = re.compile(r"([\w./-]*\w\.md)\b(?:#([\w-]*))?")
# "A_FORMAT 2.5", "DRAFT section 3": nobody can follow a number into a document that is not here.
_NUMBERED = re.compile(r"\b[A-Z]+_[A-Z]+ \d+\.[\d.]*\d|\b[A-Z][A-Z_]{3,} sections? \d[\d.]*")


def files() -> list[Path]:
    """Code and descriptions; the links under schedc/ are not followed, and this file has bad examples."""
    found = [path for folder in FOLDERS for ending in ("py", "yaml") for path in (ROOT / folder).rglob(f"*.{ending}")]
    inside = [path for path in found if not any(parent.is_symlink() for parent in path.parents)]
    return sorted(set(inside) - {Path(__file__).resolve()})


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors of a document's headings; AssertionError if two are equal."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    found = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(found) == len(set(found)), f"{document}: a citation could mean two of its headings"
    return frozenset(found)


def faults(text: str, folder: Path) -> Iterator[str]:
    """What ``text``, of a file in ``folder``, cites and nobody finds."""
    for name, anchor in _DOCUMENT.findall(text):
        places = [place / name for place in (ROOT, folder, ROOT / "docs")]
        document = next((place for place in places if place.is_file()), None)
        if document is None:
            yield f"{name} is not in the repository"
        elif anchor and anchor not in anchors(document):
            yield f"{name} has no heading #{anchor}"
    for number in _NUMBERED.findall(text):
        yield f"{number!r} is a place in no document here"


def test_every_citation_in_code_and_descriptions_is_found() -> None:
    found = {str(path.relative_to(ROOT)): list(faults(path.read_text("utf-8"), path.parent)) for path in files()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("path", sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]))
def test_links_between_documents_lead_to_headings(path: Path) -> None:
    for name, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", path.read_text("utf-8")):
        document = path.parent / name if name else path
        assert anchor in anchors(document.resolve()), f"{name}#{anchor}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see MACHINES.md", "MACHINES.md is not in the repository"),
        ('source: "docs/machine.md#zen-4: 3"', "docs/machine.md is not in the repository"),
        ("(docs/machines.md#zen-7)", "docs/machines.md has no heading #zen-7"),
        ("docs/nam_format.md#Linear", "docs/nam_format.md has no heading #Linear"),
        ("as NAM_FORMAT 2.5.3 says", "'NAM_FORMAT 2.5.3' is a place in no document here"),
        ("as DESIGN section 4 has it", "'DESIGN section 4' is a place in no document here"),
    ],
)
def test_bad_citations_are_noticed(text: str, fault: str) -> None:
    assert list(faults(text, ROOT / "targets")) == [fault]


def test_good_citations_are_not() -> None:
    text = "README.md, docs/machines.md, (docs/machines.md#zen-4: docs/nam_format.md#lstm), keys in docs/targets.md."
    assert list(faults(text, ROOT / "schedc")) == []


def short_names() -> tuple[str, ...]:
    """What a source may begin with, from the table that explains it."""
    text = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
    table = text.partition("\n## Sources\n")[2].partition("\n## ")[0]
    return tuple(re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[2:])  # below the title and its line


def sources(target: Target) -> dict[str, str]:
    """Every number's source by the number's name."""
    found = {name: fact.source for name, fact in target.facts.items()}
    if target.pipeline:
        found |= {f"kind {name}": row.source for name, row in target.pipeline.kinds.items()}
        found |= {f"option {name}": fact.source for name, fact in target.pipeline.options.items()}
    return found


def has_origin(source: str) -> bool:
    """Whether the repository says where a number with this source is from."""
    begins = re.match(r"(?:{})\b".format("|".join(map(re.escape, short_names()))), source)
    return begins is not None or re.search(r"\bdocs/\w+\.md#", source) is not None


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_every_source_of_a_number_can_be_followed(name: str) -> None:
    assert {key: source for key, source in sources(load_target(name)).items() if not has_origin(source)} == {}


@pytest.mark.parametrize(
    ("source", "followed"),
    [
        ("jnk0le: 1 cycle", True),
        ("guess", True),
        ("docs/machines.md#zen-4: two pipes", True),
        ("two loads per cycle", False),
        ("jnk1le: 1 cycle", False),
        ("guesswork", False),
        ("see docs/machines.md", False),
    ],
)
def test_what_counts_as_an_origin(source: str, followed: bool) -> None:
    assert has_origin(source) == followed
