"""Importing the package costs nothing and promises nothing that is not there."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

import clipcompat
from tests.trees import PROJECT, child_environment, python

HEAVY = ("torch", "open_clip", "timm", "torchvision", "PIL", "numpy", "safetensors", "plotly", "huggingface_hub")
VERBS = (*"run test table list cache import export predict match paths repair".split(), "map-vectors")
LOADED = f"import sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"


def test_importing_the_package_loads_nothing_heavy_and_opens_no_socket():
    run = python(
        "import socket\n"
        "def refuse(*_, **__): raise RuntimeError('a socket was opened')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        f"import clipcompat; clipcompat.__version__; dir(clipcompat)\n{LOADED}"
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []


def test_importing_the_package_takes_less_than_two_seconds():
    run = python("import time; import clipcompat; print(time.process_time())")
    assert float(run.stdout) < 2  # of this process alone, with the interpreter's start: a busy machine does not count


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "-h"] for verb in VERBS), ["--version"]])
def test_help_needs_no_torch(arguments):
    run = python(
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print('LOADED', [m for m in ('torch', 'open_clip', 'timm') if m in sys.modules]))\n"
        "runpy.run_module('clipcompat', run_name='__main__')",
        *arguments,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "LOADED []"


def test_every_verb_is_found_from_help():
    run = subprocess.run(
        [sys.executable, "-m", "clipcompat", "--help"],
        cwd=PROJECT,
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    assert all(verb in run.stdout for verb in VERBS)


def test_a_call_without_a_verb_is_a_usage_error():
    run = python("import sys; from clipcompat.cli import main; sys.exit(main([]))")
    assert run.returncode == 2 and "VERB" in run.stderr and "Traceback" not in run.stderr


def test_every_public_name_is_the_object_of_that_name():
    for name in set(clipcompat.__all__) - {"__version__"}:
        value = getattr(clipcompat, name)
        assert type(value) is dict or value.__name__ == name
    assert not set(clipcompat.__all__) ^ set(dir(clipcompat))


@pytest.mark.parametrize("order", ["sorted", "reversed"])
def test_a_public_name_is_not_shadowed_by_a_module_whatever_was_imported_before(order):
    run = python(
        "import importlib, pathlib, sys, types\n"
        "root = pathlib.Path('clipcompat')\n"
        "files = [p for p in root.rglob('*.py') if not p.stem.startswith('__')]\n"
        f"names = list({order}(['.'.join(p.with_suffix('').parts) for p in sorted(files)]))\n"
        "assert len(names) > 30\n"
        "for name in names: importlib.import_module(name)\n"
        "assert not {'open_clip', 'timm', 'torchvision'} & set(sys.modules)  # they are imported where they are used\n"
        "import clipcompat\n"
        "for name in clipcompat.__all__: assert not isinstance(getattr(clipcompat, name), types.ModuleType), name\n"
        "assert callable(clipcompat.fit) and callable(clipcompat.summary) and callable(clipcompat.compatibility)\n"
    )
    assert run.returncode == 0, run.stderr


def test_what_type_checkers_see_is_what_is_looked_up():
    seen = [
        alias
        for statement in ast.parse((PROJECT / "clipcompat" / "__init__.pyi").read_text()).body
        for alias in statement.names
    ]
    assert all(alias.asname == alias.name for alias in seen)  # `X as X`: re-exported, as type checkers understand it
    assert sorted(alias.name for alias in seen) == sorted(clipcompat.__all__) and len(seen) > 40


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="fitt"):
        clipcompat.fitt  # noqa: B018
