"""Every notebook in git keeps the rules of the book: clean, short-celled, runnable anywhere, readable by everyone."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from book.tools.notebook import parameters, read_notebook, reading_minutes, tags, toc_files

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
KNOWN_TAGS = {"parameters", "hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]


def code_lines(cell: nbformat.NotebookNode) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#"))


def tree(cell: nbformat.NotebookNode) -> ast.Module:
    return ast.parse(TransformerManager().transform_cell(cell.source))


def test_the_book_has_notebooks_and_lists_every_one() -> None:
    assert NOTEBOOKS, "notebooks/ is empty: there is no book yet"
    listed = {name for name in toc_files(PROJECT / "_toc.yml") if name.startswith("notebooks/")}
    assert listed == {f"notebooks/{path.stem}" for path in NOTEBOOKS}


def test_every_page_of_the_contents_exists() -> None:
    written_by_the_build = {"book/api", "book/reproduction", "book/status"}
    for name in set(toc_files(PROJECT / "_toc.yml")) - written_by_the_build:
        assert any((PROJECT / f"{name}{suffix}").is_file() for suffix in (".md", ".ipynb")), name


@every_notebook
def test_it_carries_no_outputs_and_no_widgets(path: Path) -> None:
    notebook = read_notebook(path)
    assert "widgets" not in notebook.metadata
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))


@every_notebook
def test_its_kernel_is_python3_on_any_machine(path: Path) -> None:
    notebook = read_notebook(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "conda" not in notebook.metadata.kernelspec.get("display_name", "").lower()


@every_notebook
def test_it_has_one_parameters_cell_of_few_commented_scalars(path: Path) -> None:
    tagged = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    assert len(tagged) == 1
    defaults = parameters(read_notebook(path))
    assert 1 <= len(defaults) <= 8 and "PROFILE" in defaults
    for name, value in defaults.items():
        assert isinstance(ast.literal_eval(value), str | int | float | bool), f"{name} is not a scalar"
        assert re.search(rf"^{name}\b.*#", tagged[0].source, re.M), f"{name} has no comment"


@every_notebook
def test_its_first_code_cell_installs_only_where_the_package_is_missing(path: Path) -> None:
    first = code_cells(path)[0]
    guard = tree(first).body[0]
    assert isinstance(guard, ast.Try | ast.If), "the first code cell guards the installation"
    assert "clipcompat" in ast.unparse(guard) and "pip install" in first.source
    assert not re.search(r"torch\s*[=<>~]=|numpy\s*[=<>~]=", first.source), "a hosted notebook keeps its own torch"


@every_notebook
def test_its_code_cells_are_short(path: Path) -> None:
    lengths = [code_lines(cell) for cell in code_cells(path)]
    assert statistics.median(lengths) <= 6 and max(lengths) <= 20, lengths


@every_notebook
def test_no_two_visible_code_cells_stand_without_words_between(path: Path) -> None:
    cells = read_notebook(path).cells
    for before, after in zip(cells, cells[1:], strict=False):
        hidden = {"parameters", "remove-cell", "remove-input", "hide-input"} & {*tags(before), *tags(after)}
        assert hidden or {before.cell_type, after.cell_type} != {"code"}, after.source


@every_notebook
def test_it_has_one_title_and_no_skipped_heading_level_and_no_heading_twice(path: Path) -> None:
    levels, headings = [], []
    for cell in read_notebook(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^(```+|:::+).*?^\1", "", cell.source, flags=re.M | re.S)
            levels += [len(marks) for marks in re.findall(r"^(#{1,6}) ", prose, re.M)]
            headings += re.findall(r"^#{1,6} .*", prose, re.M)
    assert levels and levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), levels
    assert len(set(headings)) == len(headings), headings


@every_notebook
def test_no_title_of_a_fence_of_backticks_has_backticks(path: Path) -> None:
    fences = [line for cell in read_notebook(path).cells for line in cell.source.splitlines() if "```{" in line]
    assert not [line for line in fences if "`" in line.lstrip("`")], "Markdown reads it as code: write ::: around it"


@every_notebook
def test_it_is_read_in_a_quarter_of_an_hour(path: Path) -> None:
    assert reading_minutes(read_notebook(path)) <= 15


@every_notebook
def test_its_tags_are_known(path: Path) -> None:
    used = {tag for cell in read_notebook(path).cells for tag in tags(cell)}
    assert used <= KNOWN_TAGS, used - KNOWN_TAGS


@every_notebook
def test_it_names_no_path_of_a_machine_and_fetches_nothing_by_hand(path: Path) -> None:
    for cell in read_notebook(path).cells:
        assert not re.search(r"""["'\s(](?:/(?:root|home|Users|tmp|work|mnt|opt)/|[A-Z]:\\)""", cell.source)
        assert not re.search(r"^\s*!|\bwget\b|\bcurl\b|urlretrieve", cell.source, re.M), cell.source


@every_notebook
def test_every_figure_and_picture_has_words_for_those_who_cannot_see_it(path: Path) -> None:
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", cell.source), cell.source
            continue
        if cell.cell_type != "code":
            continue
        for call in (node for node in ast.walk(tree(cell)) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in ("show", "explore"):
                continue
            alt = [word.value for word in call.keywords if word.arg == "alt"]
            assert alt, f"a figure without alt text: {cell.source}"
            assert not (isinstance(alt[0], ast.Constant) and len(str(alt[0].value)) < 15), cell.source
