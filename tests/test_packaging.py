"""What is installed is what is in the checkout: packages, data files, links, version."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import schedc
from schedc.version import VERSION

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINKED = ("passes", "backends", "targets")
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    """Where a package's files are, by the package-dir table."""
    table = SETUPTOOLS["package-dir"]
    parent = package
    while parent not in table:
        parent = parent.rpartition(".")[0]
    return ROOT / str(table[parent]) / package[len(parent) :].replace(".", "/").lstrip("/")


def packages() -> set[str]:
    found = {"schedc"}
    for folder in ("schedc", *LINKED):
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.relative_to(ROOT).parent.parts
            if folder == "schedc" and len(parts) > 1 and (ROOT / "schedc" / parts[1]).is_symlink():
                continue
            found.add(".".join(parts if folder == "schedc" else ("schedc", *parts)))
    return found


def test_the_list_of_packages_is_the_folders() -> None:
    assert set(SETUPTOOLS["packages"]) == packages()
    assert SETUPTOOLS["packages"] == sorted(SETUPTOOLS["packages"])


def test_every_python_folder_is_a_package() -> None:
    for package in SETUPTOOLS["packages"]:
        for folder in (path.parent for path in folder_of(package).glob("*/*.py")):
            assert (folder / "__init__.py").exists(), f"{folder} has no __init__.py"


def test_data_files_are_listed() -> None:
    data = SETUPTOOLS["package-data"]
    listed = {path for package, globs in data.items() for pattern in globs for path in folder_of(package).glob(pattern)}
    there = {
        path
        for package in SETUPTOOLS["packages"]
        for path in folder_of(package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
    }
    assert there - listed == set(), "add them to package-data"
    assert listed, "no data files at all"


@pytest.mark.parametrize("name", LINKED)
def test_links_are_there_and_relative(name: str) -> None:
    link = ROOT / "schedc" / name
    assert link.is_symlink() and link.readlink() == Path("..") / name
    assert SETUPTOOLS["package-dir"][f"schedc.{name}"] == name


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == VERSION == schedc.__version__


def test_types_are_announced() -> None:
    assert (ROOT / "schedc" / "py.typed").exists()


def test_the_public_names_are_there() -> None:
    for name in schedc.__all__:
        assert getattr(schedc, name) is not None
    wanted = {"compile", "load", "interpret", "Artifact", "ArchitectureMismatch", "UserError", "ModelFileError"}
    assert wanted <= set(schedc.__all__)
