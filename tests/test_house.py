"""The house: which room may know which, and how much a room holds. CONTRIBUTING.md shows it in ten lines."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import clipcompat

# Imports run from left to right only, lazy and type-checking ones included.
ROOMS = (
    "cli",
    "audits",
    "runs",
    "studies",
    "plugins",
    "methods",
    "training",
    "features",
    "backbones",
    "data",
    "common",
)
MOST_ENTRIES = 14


def modules(tree: ast.AST) -> set[str]:
    """Dotted names of everything a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(project: Path, package: str) -> dict[str, Path]:
    """Module name -> file; a package bears its folder's name."""
    paths = sorted((project / package).rglob("*.py"))
    return {".".join(p.relative_to(project).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports(project: Path, package: str) -> dict[str, set[str]]:
    """Module -> the modules of both packages that it imports."""
    known = files(project, "clipcompat") | files(project, "clipcompat_book")
    return {
        name: {m for m in modules(ast.parse(path.read_text(encoding="utf-8"))) if m in known} - {name}
        for name, path in files(project, package).items()
    }


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_folder_is_a_known_room(project):
    folders = {p.name for p in (project / "clipcompat").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == set(ROOMS)


def test_imports_run_downwards_between_rooms(project):
    upwards = [
        f"{module} imports {other}"
        for module, others in imports(project, "clipcompat").items()
        if module not in ("clipcompat", "clipcompat.__main__")  # they are for users, and nothing imports them
        for other in others
        if other == "clipcompat" or ROOMS.index(room(other)) < ROOMS.index(room(module))
    ]
    assert not upwards, upwards


@pytest.mark.parametrize("package", ["clipcompat", "clipcompat_book"])
def test_no_file_imports_itself_by_a_detour(project, package):
    graph = {m: {o for o in others if o.startswith(f"{package}.")} for m, others in imports(project, package).items()}
    while leaves := {module for module, others in graph.items() if not others}:
        graph = {module: others - leaves for module, others in graph.items() if module not in leaves}
    assert not graph, graph


def test_the_library_never_imports_what_chapters_use(project):
    for module, path in files(project, "clipcompat").items():
        found = modules(ast.parse(path.read_text(encoding="utf-8")))
        assert not any(name.split(".")[0] == "clipcompat_book" for name in found), module


@pytest.mark.parametrize("package", ["clipcompat", "clipcompat_book"])
def test_no_room_is_crowded_and_each_says_what_lives_there_and_what_it_may_import(project, package):
    for folder in [project / package, *(p for p in (project / package).rglob("*") if p.is_dir())]:
        if folder.name == "__pycache__" or not list(folder.glob("*.py")):
            continue
        entries = [p for p in folder.iterdir() if not p.name.startswith(("__", "."))]
        assert len(entries) <= MOST_ENTRIES, f"{folder.relative_to(project)} has {len(entries)} entries"
        says = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert "Imports" in says, f"{folder.relative_to(project)}: what may it import?"


def test_no_room_bears_a_public_name():
    assert not set(ROOMS) & set(clipcompat.__all__)


def test_contributing_shows_every_room(project):
    text = (project / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"{name}/" in text for name in (*ROOMS, "clipcompat_book"))
    order = [text.index(f"\n  {name}/") for name in ROOMS]
    assert order == sorted(order)
