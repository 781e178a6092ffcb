"""`make notebooks`: every notebook in its own process, unchanged ones not again, failures kept and told."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from book.tools.execute import ExecutionError, execute
from book.tools.notebook import read_notebook
from book.tools.runs.notebooks import main
from tests.book.test_execute import PARAMETERS, write_notebook


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Two notebooks; the first counts how often it was executed."""
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n  - file: notebooks/00_a\n  - file: notebooks/01_b\n"
    )
    count = f"open({str(tmp_path / 'count')!r}, 'a').write(PROFILE + ' ')"
    write_notebook(tmp_path / "notebooks" / "00_a.ipynb", PARAMETERS, count)
    write_notebook(tmp_path / "notebooks" / "01_b.ipynb", PARAMETERS, "print('b')")
    return tmp_path


def notebooks(toy: Path, profile: str = "smoke") -> int:
    return main(["--project", str(toy), "--profile", profile, "--workers", "1"])


def test_unchanged_notebooks_are_not_executed_again_and_each_profile_has_its_own_copies(toy):
    assert [notebooks(toy), notebooks(toy), notebooks(toy, "book"), notebooks(toy)] == [0, 0, 0, 0]
    assert (toy / "count").read_text() == "smoke book "
    assert read_notebook(toy / "_build" / "notebooks" / "notebooks" / "01_b.ipynb").cells[-1].outputs
    status = (toy / "_build" / "notebooks" / "status.md").read_text()
    assert "PROFILE = smoke" in status and "00_a.ipynb" in status and "01_b.ipynb" in status


def test_the_page_of_what_ran_names_every_chapter_and_leads_to_its_executed_copy(toy):
    source = toy / "notebooks" / "01_b.ipynb"
    notebook = read_notebook(source)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("Before.\n\n# The second | chapter\n\n# Not this"))
    nbformat.write(notebook, source)
    assert notebooks(toy) == 0
    page = toy / "_build" / "notebooks" / "status.md"
    links = dict(re.findall(r"^\| \[(.+)\]\((.+)\) \|", page.read_text(), re.M))
    assert list(links) == ["00_a.ipynb", r"The second \| chapter"]
    assert all((page.parent / address).is_file() for address in links.values())


def test_a_changed_library_executes_them_again(toy):
    (toy / "clipcompat").mkdir()
    (toy / "clipcompat" / "a.py").write_text("1")
    assert notebooks(toy) == 0
    (toy / "clipcompat" / "a.py").write_text("2")
    assert notebooks(toy) == 0
    assert (toy / "count").read_text() == "smoke smoke "


def test_a_failed_notebook_is_kept_aside_and_named_and_the_others_run(toy, capsys):
    write_notebook(toy / "notebooks" / "00_a.ipynb", PARAMETERS, "1 / 0")
    assert notebooks(toy) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    status = (toy / "_build" / "notebooks" / "status.md").read_text()
    assert "**00_a.ipynb failed.**" in status and "01_b.ipynb" in status
    assert (toy / "_build" / "failed" / "00_a.ipynb").is_file()
    left = {path.name for folder in ("notebooks", "executed") for path in (toy / "_build" / folder).rglob("*.ipynb")}
    assert left == {"01_b.ipynb"}


def test_an_attempt_has_a_limit_on_the_clock(tmp_path):
    wait = "import time\nwhile True:\n    time.sleep(0.1)\n    sum(range(100_000))"
    source = write_notebook(tmp_path / "a.ipynb", wait)
    with pytest.raises(ExecutionError, match="each of 2 attempts: it was still running after 6 seconds on the clock"):
        execute(source, tmp_path / "out.ipynb", clock=6)


def test_a_name_that_the_contents_lack_is_refused(toy, capsys):
    with pytest.raises(SystemExit):
        main(["--project", str(toy), "--only", "02_c"])
    assert "no notebook 02_c; it names 00_a, 01_b" in capsys.readouterr().err
