"""Who may import whom (docs: CONTRIBUTING).  A module imports only from before it, and nothing in a circle.

Imports that only type checkers see, and those inside functions, count like any other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Folders and modules of schedc, in order.
LAYERS = (
    # What everything may use.
    *("errors", "version", "wording", "safe_yaml", "termination", "files", "samples", "sound"),
    # What a program is, and the machines that run it.  ir.program refers to the schedule's plain numbers.
    *("schedule", "ir", "loops", "targets", "analysis"),
    # The compiler's stages; what a capture means needs none behind the interpreter, which is a backend.
    *("frontend", "cost", "passes", "autoscheduler", "schedule_file", "backends"),
    *("option_checks", "options", "reference", "planning", "compiler"),
    # A compilation's code: kept, run here, run anywhere, compared, timed by a model.
    *("cache", "remarks", "host", "machines", "verification", "analyze"),
    # What is said about it, measured of it, and left of it.
    *("reports", "measure", "output_folder", "artifact", "packs", "api", "fleet"),
    # Whom all of it serves: Python ("" is the package itself) and the command line.
    *("", "commands", "cli", "__main__"),
)
# Foreign library -> the only places that may import it.
HOMES = {
    "anyascii": ("files.identifiers",),
    "networkx": ("ir.graph",),
    "llvmlite": ("backends.llvm",),
    "typer": ("cli",),
    "yaml": ("safe_yaml", "schedule_file"),
    "capstone": ("analysis",),
    "unicorn": ("backends.emulator",),
    "soundfile": ("sound.files",),
}
NEVER = {
    "passes": ("cost",),
    "cost": ("passes",),
    "backends": ("passes", "cost"),
    "targets": tuple(name for name in LAYERS if name not in ("errors", "safe_yaml", "files", "wording", "targets")),
    "reference": ("autoscheduler", "cost"),
}
# What is promised to load little -> a program, and modules that it leaves alone.
LIGHT = {
    "planning": (
        "from schedc.frontend.capture import read_capture\n"
        "from schedc.options import make_options\n"
        "from schedc.planning import plan_graph\n"
        "plan_graph(read_capture(PATH).graph, make_options('m33', cores=2)).packing\n",
        ("llvmlite", "unicorn", "schedc.compiler"),
    ),
    "interpret": (
        "import schedc\nschedc.interpret(PATH, [0.5], 'float32')\nschedc.interpret(PATH, [0.5])\n",
        ("llvmlite", "unicorn", "schedc.planning", "schedc.compiler", "schedc.autoscheduler", "schedc.cost"),
    ),
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


def imports(text: str, where: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where}:{node.lineno}: a relative import"
            yield node.lineno, node.module or ""


IMPORTS = {name: list(imports(path.read_text(encoding="utf-8"), path)) for name, path in SOURCES.items()}


def own(name: str) -> str | None:
    """The first part below schedc, "" for schedc itself, None for another package."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "schedc" else None


def top(name: str) -> str:
    return name.partition(".")[0]


def fault(name: str, imported: str) -> str:
    """What is wrong with a module's import of another, in words; empty if nothing is."""
    target = own(imported)
    if target is None or target == top(name):
        return ""
    if not target:
        return "nothing imports schedc itself"
    if LAYERS.index(target) > LAYERS.index(top(name)):
        return f"{top(name)} imports {target}, which stands behind it"
    return f"{top(name)} never imports {target}" if target in NEVER.get(top(name), ()) else ""


def test_every_module_has_a_place() -> None:
    assert sorted(LAYERS) == sorted({top(name) for name in SOURCES})


def test_imports_point_back() -> None:
    found = [(name, line, fault(name, imported)) for name in SOURCES for line, imported in IMPORTS[name]]
    assert [f"{SOURCES[name].relative_to(ROOT)}:{line}: {words}" for name, line, words in found if words] == []


def test_nothing_imports_in_a_circle() -> None:
    """Module by module; raises CycleError with the circle."""
    inside = {f"schedc.{name}" if name else "schedc": name for name in SOURCES}
    reads = {name: {inside[i] for _, i in IMPORTS[name] if i in inside} for name in SOURCES}
    assert len(list(TopologicalSorter(reads).static_order())) == len(SOURCES)


@pytest.mark.parametrize("what", LIGHT)
def test_what_is_promised_to_load_little_does(what: str) -> None:
    program, heavy = LIGHT[what]
    path = ROOT / "examples" / "captures" / "a2_lite.nam"
    loaded = f"print([m for m in sys.modules if m in {heavy!r} or m.startswith({tuple(f'{m}.' for m in heavy)!r})])"
    text = f"import sys\nPATH = {str(path)!r}\n{program}{loaded}"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_lowering_decides_no_form() -> None:
    """It is told by the kernel's shape: it knows the forms, and neither what was asked for nor who can have it."""
    deciding = {
        "schedc.schedule": {"Taps", "Plain", "Shared", "Aligned", "Parts"},
        "schedc.loops.form": {"form", "forms", "taps_in_a_row", "cut_convolutions"},
        "schedc.loops.tap_sharing": {"can_share", "window_taps", "skewed_taps", "overlaps_tile"},
        "schedc.loops.tap_parts": {"can_be_cut", "part_taps", "newest_taps"},
    }
    for module, names in deciding.items():
        tree = ast.parse(SOURCES[module.removeprefix("schedc.")].read_text(encoding="utf-8"))
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert names <= defined | {"Taps"}, f"{module} has other names now"
    for name in (name for name in SOURCES if name.startswith("backends.llvm.")):
        for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                taken = {alias.name for alias in node.names} & deciding.get(node.module or "", set())
                assert not taken, f"{name} imports {', '.join(sorted(taken))} of {node.module}"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_at_home(library: str) -> None:
    for name, path in SOURCES.items():
        for line, imported in IMPORTS[name]:
            if imported.partition(".")[0] == library:
                at_home = any(fnmatchcase(name, home) or name.startswith(f"{home}.") for home in HOMES[library])
                assert at_home, f"{path.relative_to(ROOT)}:{line}: {library} is for {', '.join(HOMES[library])} only"


def test_only_the_package_names_that_installed_code_has() -> None:
    for name, path in SOURCES.items():
        for line, imported in IMPORTS[name]:
            first = imported.partition(".")[0]
            assert first not in ("passes", "backends", "targets"), f"{path}:{line}: import it as schedc.{first}"


def test_the_rule_has_teeth() -> None:
    assert [own(name) for name in ("schedc.cli.main", "schedc.ir.ops", "schedc", "numpy")] == ["cli", "ir", "", None]
    assert fault("ir.ops", "schedc.passes.base") == "ir imports passes, which stands behind it"
    assert fault("host.code", "schedc.machines") == "host imports machines, which stands behind it"
    assert fault("reference", "schedc.cost.model") == "reference never imports cost"
    assert fault("api", "schedc") == "nothing imports schedc itself"
    assert fault("api", "numpy") == fault("api", "schedc.host.code") == fault("host.code", "schedc.host.voice") == ""
    text = "if TYPE_CHECKING:\n    import schedc.api\ndef f():\n    from schedc.ir import ops\n"
    assert sorted(imports(text, ROOT)) == [(2, "schedc.api"), (4, "schedc.ir")]
    assert {"ir.graph", "backends.llvm.module", "targets.base", "cli.main", ""} <= set(SOURCES)
