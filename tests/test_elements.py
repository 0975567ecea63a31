"""The size of an element stands once, in ``schedc/ir/elements.py``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from schedc.ir.elements import FLOAT32

ROOT = Path(__file__).parents[1]
# Folders that know streams, weights and states; sound files and foreign code have sizes of their own.
FOLDERS = ("schedc", "passes", "backends")
OTHERS = ("schedc/sound/", "schedc/analysis/", "schedc/frontend/", "backends/objects/", "backends/reschedule/")
# What else a 4 is.
NO_SIZES = {
    "3 * target.vectors.registers // 4": "three quarters of the registers",
}


def sizes(text: str) -> Iterator[tuple[int, str]]:
    """(line, expression) of what multiplies by 4, divides by it, or names a float of 4 bytes."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.FloorDiv | ast.Mod):
            sides = (node.left, node.right) if isinstance(node.op, ast.Mult) else (node.right,)
            if any(isinstance(side, ast.Constant) and side.value == 4 for side in sides):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and any(isinstance(a, ast.Constant) and a.value == 4 for a in node.args):
            if ast.unparse(node.func).rpartition(".")[2] in ("mul", "pad", "divmod", "align", "alloc"):
                yield node.lineno, ast.unparse(node)
        elif ast.unparse(node) in ("'<f4'", "ir.FloatType"):
            yield getattr(node, "lineno", 0), ast.unparse(node)


def test_no_size_of_an_element_is_written_out() -> None:
    found: set[str] = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name.startswith(OTHERS) or (ROOT / folder / path.relative_to(ROOT / folder).parts[0]).is_symlink():
                continue
            for line, text in sizes(path.read_text(encoding="utf-8")):
                if text in NO_SIZES:
                    found.add(text)
                elif not (name in HOMES and text in HOMES[name]):
                    raise AssertionError(f"{name}:{line}: {text}")
    assert found == set(NO_SIZES), "these are gone"


HOMES = {"backends/llvm/builder.py": ("ir.FloatType",)}  # what LLVM calls an element


def test_the_rule_has_teeth() -> None:
    text = "a = 4 * n\nb = n // 4\nc = b.mul(n, 4)\nd = np.dtype('<f4')\ne = ir.FloatType()\nf = 3 * n + 4\n"
    assert [line for line, _ in sizes(text)] == [1, 2, 3, 4, 5]


def test_an_element_is_little_endian() -> None:
    assert (FLOAT32.dtype.str, FLOAT32.bytes, FLOAT32.items(64)) == ("<f4", FLOAT32.dtype.itemsize, 16)
