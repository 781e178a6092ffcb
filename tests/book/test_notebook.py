"""What a page shows of a notebook's hidden cells."""

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.notebook import INJECTED_TAG, fold_setup


def cell(source: str, *tags: str, outputs=()) -> NotebookNode:
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))


def test_hidden_cells_in_a_row_become_one_with_all_code_and_outputs():
    said = new_output("stream", text="ready")
    hidden = [
        cell("import x", "hide-input"),
        cell("A = 1", "parameters", "hide-input"),
        cell("A = 2", INJECTED_TAG),
        cell("run()", "hide-input", outputs=[said]),
    ]
    page = fold_setup(new_notebook(cells=[new_markdown_cell("# Title"), *hidden, cell("figure()", "remove-input")]))
    title, setup, figure = page.cells
    assert title.source == "# Title" and figure.source == "figure()"
    assert setup.source.split("\n\n\n") == ["import x", "A = 1", "A = 2", "run()"]
    assert setup.outputs == [said] and setup.metadata["tags"] == ["hide-input"]


def test_hidden_cells_apart_stay_apart_and_shown_cells_are_untouched():
    cells = [
        cell("a", "hide-input"),
        cell("b"),
        cell("c", "hide-input"),
        new_markdown_cell("words"),
        cell("d", "hide-input"),
    ]
    page = fold_setup(new_notebook(cells=cells))
    assert [c.source for c in page.cells] == ["a", "b", "c", "words", "d"]
    assert page.cells[1] == cells[1]
