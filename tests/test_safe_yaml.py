"""YAML that people write, and YAML that somebody made to be read wrongly or for ever.

``SCHEDC_LONG=1`` damages a schedule file and a target description 20,000 times each.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml
from helpers.captures import EXAMPLES
from helpers.counting import peak_bytes
from helpers.effort import LONG
from helpers.mutations import damaged

from schedc.compiler import compile_graph
from schedc.errors import UserError
from schedc.frontend.capture import read_capture
from schedc.options import make_options
from schedc.safe_yaml import read_yaml
from schedc.schedule_file import decisions, parse_schedule, schedule_text

TARGETS = sorted((Path(__file__).parents[1] / "targets").glob("*.yaml"))
A2_LITE = next(path for path in EXAMPLES if path.stem == "a2_lite")
COUNT = 20_000 if LONG else 200
LEVELS = ",".join(f"&a{n} [{','.join([f'*a{n - 1}' if n else 'x'] * 10)}]" for n in range(9))


@pytest.mark.parametrize("path", TARGETS, ids=lambda path: path.stem)
def test_target_descriptions_are_read_as_ever(path: Path) -> None:
    assert repr(read_yaml(path.read_bytes(), path.name)) == repr(yaml.safe_load(path.read_bytes()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("-12", -12),
        ("+3", 3),
        ("0", 0),
        ("1.5e3", 1500.0),
        ("1e9", 1e9),
        (".5", 0.5),
        ("'0x10'", "0x10"),
        ('"yes"', "yes"),
        ("array0.layer3", "array0.layer3"),
        ("2 words", "2 words"),
        ("1.2.3", "1.2.3"),
        ("a: {b: [1, 'on', x]}", {"a": {"b": [1, "on", "x"]}}),
        ("a: |\n  text\n", {"a": "text\n"}),
        ("&anchor x", "x"),  # nothing refers to it
    ],
)
def test_what_can_be_meant_in_one_way_only_is_read(text: str, value: object) -> None:
    assert repr(read_yaml(text.encode(), "it.yaml")) == repr(value)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "No", "ON", "off", "0x10", "0X1f", "-0x3", "0o17", "010", "00", "0b11", "1_000", "0_", "1_0.5"),
        *("1:30", "1:59:59", "-1:30:20.5", ".inf", "-.INF", ".NaN", "._1", "2001-01-01", "2001-12-14t21:59:43.1", "<<"),
    ],
)  # fmt: skip
def test_what_versions_of_yaml_read_differently_is_refused(text: str) -> None:
    remedy = "write true, false, null or a decimal number, or put it in quotes"
    wanted = f"it.yaml: line 2: {text!r} is not the same in all versions of YAML; {remedy}"
    for document in (f"# ...\na: {text}", f"# ...\n{text}: 1", f"[a,\n{text}]"):
        with pytest.raises(UserError) as caught:
            read_yaml(document.encode(), "it.yaml")
        assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"a: [{LEVELS}]", "it.yaml: line 1: an alias, 'a0'; write it out"),
        ("a: &a\n  b: *a", "it.yaml: line 2: an alias, 'a'; write it out"),
        ("&a a: 1\n*a : 2", "it.yaml: line 2: an alias, 'a'; write it out"),
        ("a: !!python/object/apply:os.system [x]", "it.yaml: line 1: a tag (tag:yaml.org,2002:python/object/"),
        ("a: !!int '3'", "it.yaml: line 1: a tag (tag:yaml.org,2002:int); leave it out"),
        ("!!map {a: 1}", "it.yaml: line 1: a tag (tag:yaml.org,2002:map); leave it out"),
        ("- " * 21 + "x", "it.yaml: line 1: lists and mappings nest deeper than 20"),
        ("[" * 100_000, "it.yaml: "),
        ("{a: " * 30 + "}" * 30, "it.yaml: line 1: lists and mappings nest deeper than 20"),
        ("- x\n" * 200_001, "it.yaml: line 200000: more than 200000 values"),
        ("a: 1\nb: 2\na: 3", "it.yaml: line 3: key 'a' appears more than once"),
        ("1: x", "it.yaml: line 1: a key that is no name; quote it if it is one"),
        ("? [a]\n: x", "it.yaml: line 1: a key that is no name; quote it if it is one"),
        ("a: 1\n---\nb: 2", "it.yaml: line 2: a second document"),
        ("a: " + "9" * 19, "it.yaml: line 1: '9999999999999999999' is too large a number"),
        ("a: 1e999", "it.yaml: line 1: '1e999' is too large a number"),
        ("1:59" + ":59" * 200_000, "it.yaml: line 1: '1:59:59:59:59:59:59:59:59:59:59:59:59:59'... is not the same in"),
        ("9" * 1_000_000, "it.yaml: line 1: '9999999999999999999999999999999999999999'... is too large a number"),
        ("a: [1, 2", "it.yaml: is not YAML: line 2: did not find expected ',' or ']'"),
        ("a: \x00", "it.yaml: is not YAML: unacceptable character"),
        ("@", "it.yaml: is not YAML: line 1: found character that cannot start any token"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_shortly(text: str, words: str) -> None:
    """However long the file is; a few bytes never make much (LEVELS stand for 10**9 words)."""
    lines: list[str] = []

    def refused() -> None:
        with pytest.raises(UserError) as caught:
            read_yaml(text.encode(), "it.yaml")
        lines.append(str(caught.value))

    assert peak_bytes(refused, 1 << 26) < 1 << 26
    line = lines[0]
    assert line.startswith(words) and len(line) < 500 and line.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"rings:\n  policy: [{LEVELS}]", "s.yaml: line 2: an alias, 'a0'; write it out"),
        ("kernels: {a: {lanes: 0x10}}", "s.yaml: line 1: '0x10' is not the same in all versions of YAML; write true, "),
        ("rings: {most_blocks: yes}", "s.yaml: line 1: 'yes' is not the same in all versions of YAML; write true, "),
        ("rings: {most_blocks: 1:30}", "s.yaml: line 1: '1:30' is not the same in all versions of YAML; write true, "),
        ("rings: {most_blocks: ~}", "s.yaml: rings.most_blocks: null is not a whole number from 1 to 1024"),
        ("rings: {most_blocks: true}", "s.yaml: rings.most_blocks: true is not a whole number from 1 to 1024"),
        ("rings: {most_blocks: 3.0}", "s.yaml: rings.most_blocks: 3.0 is not a whole number from 1 to 1024"),
        ("rings: {most_blocks: '3'}", "s.yaml: rings.most_blocks: '3' is not a whole number from 1 to 1024"),
        ("rings: {colour: ~}", "s.yaml: rings.colour: null is neither true nor false"),
        ("kernels: {a: ~}", "s.yaml: kernels.a: is not a mapping of names"),
        ("kernels: {true: {}}", "s.yaml: line 1: a key that is no name; quote it if it is one"),
        ("kernels: []", "s.yaml: kernels: is not a mapping of names"),
        ("kernels: 0", "s.yaml: kernels: is not a mapping of names"),
        ("false", "s.yaml: is not a mapping of names"),
        ("fusion: {begin: x}", "s.yaml: fusion.begin: is not a list of node names"),
        ("fusion: {begin: [1]}", "s.yaml: fusion.begin: is not a list of node names"),
        ("fusion: {begin: [no]}", "s.yaml: line 1: 'no' is not the same in all versions of YAML; write true, "),
        ("rings: {policy: [" + "[x]," * 1000 + "]}", "s.yaml: rings.policy: an array of 1000 is not a ring policy"),
        ("rings: {policy: " + "x" * 10**6 + "}", "s.yaml: rings.policy: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'..."),
        ("kernels:\n  ? " + "x" * 10**6 + "\n  : {lanes: 17}", "s.yaml: kernels.xxxxxxxxxx"),
        ("kernels:\n  a:\n    ? " + "y" * 10**5 + "\n    : 1", "s.yaml: kernels.a: 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_is_said(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_schedule(text.encode(), "s.yaml")
    line = str(caught.value)
    assert line.startswith(words) and len(line) < 1000 and line.isprintable()


@pytest.mark.parametrize("text", ["", "kernels:", "rings: {}\nfusion:\n", "# nothing\n"])
def test_sections_may_be_empty(text: str) -> None:
    assert parse_schedule(text.encode(), "s.yaml") == parse_schedule(b"{}", "s.yaml")


WORDS = "&a *a yes 0x10 { } [ ] !!x | > ~ ' \" 1e9 - ? : , # 12 true lanes rewind 1:30 -1 .5 --- ..."


def other_words(text: bytes, rng: random.Random) -> bytes:
    """A word or two exchanged for others that mean something in YAML."""
    words = re.split(rb"(\W+)", text)
    for _ in range(rng.randint(1, 2)):
        words[rng.randrange(len(words))] = rng.choice((*WORDS.encode().split(), rng.choice(words)))
    return b"".join(words)


@pytest.mark.parametrize("kind", ["schedule", "target"])
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    program = compile_graph(read_capture(A2_LITE).graph, make_options("m33")).program
    text = schedule_text(decisions(program)).encode() if kind == "schedule" else TARGETS[0].read_bytes()
    read = 0
    for seed in range(COUNT):
        try:
            rng = random.Random(f"{kind} {seed}")
            changed = damaged(text, rng) if seed % 2 else other_words(text, rng)
            found = parse_schedule(changed, "it.yaml") if kind == "schedule" else read_yaml(changed, "it.yaml")
            read += found is not None
        except UserError as error:
            assert len(str(error)) < 1000 and str(error).isprintable()
    assert 0 < read < COUNT
