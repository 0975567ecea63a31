"""Options stand once: what Python takes, what the command line takes, and what each may be."""

from __future__ import annotations

import ast
import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schedc
from schedc.cli.options import FLAGS, spelled
from schedc.errors import OptionError
from schedc.options import OPTIONS, choose, make_options, options_here

LITE = Path(__file__).parents[1] / "examples" / "captures" / "a2_lite.nam"


@pytest.mark.parametrize("name", ["mac", "subnormals", "math", "nonfinite"])
def test_a_contract_is_made_of_known_words(name: str) -> None:
    """Another word would silently be one of the others."""
    for wrong in ("Fused", "", None, 1):
        words: dict[str, Any] = {name: wrong}
        with pytest.raises(OptionError, match=f"^{name}: {wrong!r} is none; use "):
            schedc.Contract(**words)


def test_a_contract_stands_alone() -> None:
    for given in ({"math": "fast"}, {"nonfinite": "zero"}):
        words: dict[str, Any] = given
        with pytest.raises(OptionError, match="is part of the contract, which is given, too; leave one of them out"):
            schedc.interpret(LITE, [0.0], "float32", contract=schedc.Contract(), **words)


def test_the_command_line_spells_every_option() -> None:
    assert set(FLAGS) == {*OPTIONS, "target"}
    assert [spelled(name) for name in ("core_speeds", "object_format", "name")] == [
        "--core-speed",
        "--object",
        "--name",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"block": 0}, "block: 0 frames; give 1 to 8192"),
        ({"block": 64.0}, "block: 64.0 is not a whole number; give 1 to 8192"),
        ({"block": True}, "block: True is not a number; give 1 to 8192"),
        ({"cores": 9}, "cores: 9 cores; give 1 to 8"),
        ({"cores": "2"}, "cores: '2' is not a whole number; give 1 to 8"),
        ({"slim": -0.01}, "slim: -0.01 is no size; give a size from 0 (smallest) to 1 (full)"),
        ({"slim": 1.01}, "slim: 1.01 is no size; give a size from 0 (smallest) to 1 (full)"),
        ({"slim": math.nan}, "slim: nan is no size; give a size from 0 (smallest) to 1 (full)"),
        ({"split": [1] * 8}, "split: 8 whole numbers; give at most 7"),
        ({"core_speeds": [1.0] * 9}, "core_speeds: 9 numbers; give at most 8"),
        ({"slim": "small"}, "slim: 'small' is not a number; give a size from 0 (smallest) to 1 (full)"),
        ({"prewarm": 1}, "prewarm: 1 is neither True nor False"),
        ({"math": "quick"}, "math: 'quick' is not a kind of tanh and sigmoid; use exact or fast"),
        ({"mac": ["fused"]}, "mac: ['fused'] is not a kind of multiply-accumulate; use fused or unfused"),
        ({"split": 3}, "split: 3 is not a list of whole numbers"),
        ({"split": "3"}, "split: '3' is not a list of whole numbers"),
        ({"core_speeds": (1, "x")}, "core_speeds: (1, 'x') is not a list of numbers"),
        (
            {"core_speeds": [10**400]},
            "core_speeds: [100000000000000000...0000000000000000000] is not a list of numbers",
        ),
        ({"split": b"3"}, "split: b'3' is not a list of whole numbers"),
        (
            {"slim": 10**400},
            "slim: 100000000000000000...0000000000000000000 is not a number; give a size from 0 (smallest) to 1 (full)",
        ),
        ({"block": 10**400}, "block: 100000000000000000...0000000000000000000 frames; give 1 to 8192"),
        ({"block": list(range(10**5))}, "block: [0, 1, 2, 3, 4, 5, ...] is not a whole number; give 1 to 8192"),
        (
            {"math": np.array(["fast", "x"])},
            "math: array(['fast', 'x'], dtype='<U4') is not a kind of tanh and sigmoid; use exact or fast",
        ),
        ({"nonfinite": "clip"}, "nonfinite: 'clip' is not a way to take NaN and infinity; use keep or zero"),
        ({"nonfinite": None}, "nonfinite: None is not a way to take NaN and infinity; use keep or zero"),
        ({"schedule": 3}, "schedule: 3 is not a path"),
        ({"object_format": "exe"}, "object_format: 'exe' is not an object format; use elf, coff or macho"),
        ({"fp_mode": "mine"}, "fp_mode: 'mine' is not a way to set the floating-point mode; use own or caller"),
        ({"visibility": "none"}, "visibility: 'none' is not a visibility of symbols; use hidden or default"),
    ],
)
def test_what_an_option_may_not_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as refusal:
        choose("m33", given)
    assert str(refusal.value) == message


def test_numbers_of_numpy_are_numbers() -> None:
    choices = choose("m33", {"block": np.int64(32), "slim": np.float32(0.5), "split": [np.int32(3)]})
    assert (choices.options.block, choices.reading.slim, choices.options.split) == (32, 0.5, (3,))


def test_signatures_list_the_options() -> None:
    parameters = inspect.signature(schedc.load).parameters
    assert list(parameters) == [
        "path",
        "slim",
        "prewarm",
        "core_0_5_5_layer1x1_post_film",
        "math",
        "nonfinite",
        "block",
        "cores",
    ]
    assert list(inspect.signature(schedc.pack).parameters) == ["path", "compiled", "slim", "prewarm"]
    assert (parameters["block"].default, inspect.signature(schedc.compile).parameters["block"].default) == (64, None)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="load: got an unexpected keyword argument 'blok'"):
        schedc.load(LITE, blok=64)  # type: ignore[call-arg]


def test_no_option_is_handed_on_by_name() -> None:
    """Commands, fleets and measurements hold all that was chosen; ``bench`` has two words of its own."""
    found = set()
    for folder in ("cli", "commands", "fleet", "measure"):
        for path in sorted((Path(schedc.__file__).parent / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    named = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
                elif isinstance(node, ast.ClassDef) and node.name.endswith(("Request", "Options")):
                    named = [ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)]
                else:
                    continue
                found |= {(node.name, name) for name in named if name in OPTIONS}
    own = {("bench_command", "block"), ("bench_command", "cores"), ("BenchRequest", "cores")}
    assert found == own | {("tile_text", "schedule")}  # of a kernel: no file


def test_code_that_stands_in_here_decides_bits_alike() -> None:
    """But for what is the target's own."""
    told = choose("a8", {"math": "fast", "nonfinite": "zero", "block": 7}).options
    wanted = make_options("host", block=64, math="fast", nonfinite="zero")
    assert told.contract != wanted.contract
    assert options_here(told, block=64) == wanted
