"""A reference that shares code with what it checks would agree with its mistakes."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FILES = [p for p in sorted(Path(__file__).parent.glob("*.py")) if not p.name.startswith("test_")]
ALLOWED = {"torch", "numpy", *sys.stdlib_module_names}


def imported(source: str) -> set[str]:
    """Top-level packages that a module imports, anywhere in it; "." for a relative import."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_references_import_nothing_but_torch_and_numpy(path):
    assert imported(path.read_text(encoding="utf-8")) <= ALLOWED


def test_an_import_of_the_package_would_be_noticed():
    for line in ("import clipcompat.common", "from clipcompat import fit", "from . import coop", "import timm"):
        assert not imported(f"def f():\n    {line}\n") <= ALLOWED
