"""`make colab-check` runs a notebook that needs the wheel alone, and finds one that leans on the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools.runs import colab
from book.tools.runs.colab import build_environment, check, colab_python, environment_like_colabs
from tests.book.test_execute import PARAMETERS, write_notebook


@pytest.fixture(scope="module")
def environment(project: Path, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("colab")
    return build_environment(project, folder), folder


def checked(environment, project: Path, cell: str) -> list[str]:
    """A notebook beside the checkout, whose kernel is that of the environment."""
    python, folder = environment
    path = write_notebook(folder / "given" / "a.ipynb", PARAMETERS, cell)
    (folder / "given" / "_build").mkdir(exist_ok=True)
    return check(path.parent, [Path("a.ipynb")], python, folder)


def test_the_wheel_alone_carries_weights_records_and_figures(environment, project):
    cell = f"""import clipcompat as cc, clipcompat_book, os, plotly.graph_objects as go
from clipcompat_book.committed import committed_records
from clipcompat_book.explore import widgets_work
from clipcompat_book.show import show
assert PROFILE == "smoke" and set(os.listdir(".")) <= {{"a.ipynb"}}
assert not cc.__file__.startswith({str(project)!r})
assert committed_records("compatibility") and cc.load_upgrade("mini", device="cpu").old.dim and widgets_work()
show(go.Figure(go.Bar(y=[1])), alt="One bar of height one.")"""
    assert checked(environment, project, cell) == []


def test_the_notebook_itself_may_lie_in_the_checkout(project, tmp_path):
    """As those of the book do; the guard is for what a cell opens."""
    source = write_notebook(tmp_path / "notebooks" / "a.ipynb", PARAMETERS, "import clipcompat")
    for name in ("clipcompat", "clipcompat_book", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).symlink_to(project / name)
    (tmp_path / "_build").mkdir()
    folder = tmp_path.parent / f"{tmp_path.name}-colab"
    folder.mkdir()
    python = build_environment(tmp_path, folder)
    assert check(tmp_path, [source.relative_to(tmp_path)], python, folder) == []


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("import book.tools.check", "No module named 'book'"),
        ("from tests.toys import toy", "No module named 'tests'"),
        ("import sys; sys.path.insert(0, {project!r})\nimport tests.toys", "a file of the checkout"),
        ("open({project!r} + '/README.md').read()", "a file of the checkout"),
        ("open('../book/assets/answer.svg').read()", "No such file"),
    ],
)
def test_a_notebook_that_leans_on_the_checkout_is_found(environment, project, cell, says):
    (problem,) = checked(environment, project, cell.format(project=str(project)))
    assert says in problem


def a_python(path: Path, *, says: str = "", code: int = 0) -> str:
    """A program of that name; what it does beyond starting, no test needs."""
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_colabs_python_is_taken_where_the_path_has_one(tmp_path, monkeypatch):
    other = (3, 99)  # neither that of any machine here nor missing from the PATH
    monkeypatch.setattr(colab, "COLAB", other)
    monkeypatch.setenv("PATH", str(tmp_path))
    found, sentence = colab_python()
    assert found is None and "there is no python3.99 on the PATH" in sentence
    program = a_python(tmp_path / "python3.99", says="not found", code=127)
    assert colab_python() == (None, f"{sentence.partition(':')[0]}: {program} does not start.")
    a_python(tmp_path / "python3.99", says=str(other))
    assert colab_python() == (program, f"Python as on Colab: {program}")


def test_without_colabs_python_or_its_packages_this_one_is_taken_and_a_line_says_so(
    project, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(colab, "COLAB", (3, 99))
    monkeypatch.setenv("PATH", str(tmp_path))
    built = []

    def build(project, folder, python=None):
        built.append(python)
        if python:
            raise RuntimeError("`pip install` failed:\nno index")
        return "this one"

    monkeypatch.setattr(colab, "build_environment", build)
    (tmp_path / "a").mkdir()
    assert environment_like_colabs(project, tmp_path / "a") == "this one" and built == [None]
    assert "not Colab's: there is no python3.99" in capsys.readouterr().out
    program = a_python(tmp_path / "python3.99", says="(3, 99)")
    (tmp_path / "b").mkdir()
    assert environment_like_colabs(project, tmp_path / "b") == "this one" and built == [None, program, None]
    said = capsys.readouterr().out
    assert f"Python as on Colab: {program}" in said and "not Colab's: `pip install` failed" in said
