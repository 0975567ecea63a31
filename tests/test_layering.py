"""Who may import whom (docs: CONTRIBUTING).  A module imports only from its left, and nothing in a circle.

LOWER are the compiler's stages, in order.  What is in neither tuple serves the public functions and the
commands; such modules stand between the two and may import each other as long as there is no circle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# ir.program refers to the schedule's plain numbers, so schedule stands before ir.
LOWER = (
    *("errors", "wording", "safe_yaml", "version", "files", "schedule", "ir", "loops", "targets", "analysis"),
    *("frontend", "cost", "passes", "autoscheduler", "schedule_file", "backends", "options", "planning", "compiler"),
)
UPPER = ("commands", "cli", "__main__")
# Foreign library -> the only places that may import it.
HOMES = {
    "anyascii": ("files.identifiers",),
    "networkx": ("ir.graph",),
    "llvmlite": ("backends.llvm",),
    "typer": ("cli",),
    "yaml": ("safe_yaml", "schedule_file"),
    "unicorn": ("backends.emulator",),
    "soundfile": ("sound.files",),
}
NEVER = {
    "passes": ("cost",),
    "cost": ("passes",),
    "backends": ("passes", "cost"),
    "targets": tuple(name for name in LOWER if name not in ("errors", "safe_yaml", "files", "wording", "targets")),
}


def sources() -> dict[str, Path]:
    """Module name without ``schedc.`` -> file; the links under schedc/ are not followed."""
    found: dict[str, Path] = {}
    for folder in ("schedc", "passes", "backends", "targets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if folder == "schedc" and (ROOT / folder / inside.parts[0]).is_symlink():
                continue
            parts = (*([] if folder == "schedc" else [folder]), *inside.with_suffix("").parts)
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


SOURCES = sources()


def imports(path: Path, running: bool = False) -> Iterator[tuple[int, str]]:
    """(line, module) of every import; ``running``: without those for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    idle = {id(node) for block in guarded for node in ast.walk(block)}
    for node in ast.walk(tree):
        if running and id(node) in idle:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, node.module or ""


def own(name: str) -> str | None:
    """The first part below schedc, "" for schedc itself, None for another package."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "schedc" else None


def rank(top: str) -> int:
    for index, pattern in enumerate(UPPER):
        if fnmatchcase(top, pattern):
            return len(LOWER) + 1 + index
    return LOWER.index(top) if top in LOWER else len(LOWER)


@pytest.mark.parametrize("name", [name for name in SOURCES if name])
def test_imports_point_left(name: str) -> None:
    top = name.partition(".")[0]
    for line, imported in imports(SOURCES[name]):
        target = own(imported)
        where = f"{SOURCES[name].relative_to(ROOT)}:{line}"
        if target is None:
            continue
        assert target, f"{where}: nothing imports schedc itself"
        assert rank(target) <= rank(top), f"{where}: {top} imports {target}, which stands to its right"
        assert target == top or target not in NEVER.get(top, ()), f"{where}: {top} never imports {target}"


def test_nothing_imports_in_a_circle() -> None:
    """Module by module; raises CycleError with the circle."""
    inside = {f"schedc.{name}" if name else "schedc": name for name in SOURCES}
    reads = {name: {inside[i] for _, i in imports(path, running=True) if i in inside} for name, path in SOURCES.items()}
    assert len(list(TopologicalSorter(reads).static_order())) == len(SOURCES)


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_at_home(library: str) -> None:
    for name, path in SOURCES.items():
        for line, imported in imports(path):
            if imported.partition(".")[0] == library:
                at_home = any(fnmatchcase(name, home) or name.startswith(f"{home}.") for home in HOMES[library])
                assert at_home, f"{path.relative_to(ROOT)}:{line}: {library} is for {', '.join(HOMES[library])} only"


def test_only_the_package_names_that_installed_code_has() -> None:
    for path in SOURCES.values():
        for line, imported in imports(path):
            first = imported.partition(".")[0]
            assert first not in ("passes", "backends", "targets"), f"{path}:{line}: import it as schedc.{first}"


def test_the_rule_has_teeth() -> None:
    assert [own(name) for name in ("schedc.cli.main", "schedc.ir.ops", "schedc", "numpy")] == ["cli", "ir", "", None]
    assert rank("ir") < rank("passes") < rank("backends") < rank("compiler") < rank("host") == rank("api") < rank("cli")
    assert {"ir.graph", "backends.llvm.module", "targets.base", "cli.main", ""} <= set(SOURCES)
