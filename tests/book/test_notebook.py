"""What a page shows of a notebook's hidden cells, and how long it takes to read."""

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.notebook import INJECTED_TAG, fold_setup, long_cells, minus_signs, reading_minutes, subscripts, typeset


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
    assert setup.outputs == [said]


def test_what_the_setup_prints_is_folded_with_it_and_figures_and_later_cells_stay_in_sight():
    said, drawn = new_output("stream", text="cpu"), new_output("display_data", data={"text/html": "<svg>"})
    setup = [cell("A = 1", "parameters", "hide-input"), cell("print()", "hide-input", outputs=[said])]

    def tags_of(*cells: NotebookNode) -> list[list[str]]:
        return [c.metadata["tags"] for c in fold_setup(new_notebook(cells=list(cells))).cells]

    later = cell("print(2)", "hide-input", outputs=[said])
    assert tags_of(*setup, cell("figure()", "remove-input"), later) == [["hide-cell"], ["remove-input"], ["hide-input"]]
    assert tags_of(*setup, cell("show()", "hide-input", outputs=[drawn])) == [["hide-input"]]


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


def minutes(*cells: NotebookNode | str) -> float:
    """Of a notebook; a text is prose."""
    made = [new_markdown_cell(content) if isinstance(content, str) else content for content in cells]
    return reading_minutes(new_notebook(cells=made))


def test_reading_takes_a_minute_for_200_words_and_some_for_figures_formulas_and_visible_code():
    assert minutes("word " * 200) == pytest.approx(1)
    assert minutes(cell("show(fig, alt='a figure')", "hide-input")) == pytest.approx(1 / 4)
    assert minutes(cell("explore(\n    fig)")) == pytest.approx(1 / 4 + 1 / 6)
    assert minutes("$$ a + b + c + d $$") == pytest.approx(1 / 6)


@pytest.mark.parametrize("fold", ["{dropdown} A title", "{admonition} Beware\n:class: warning dropdown"])
def test_what_is_folded_and_exercises_are_not_counted(fold):
    words = "word " * 400
    assert minutes(f"```{fold}\n{words}\n```\n") == 0
    assert minutes(f"```{{admonition}} Beware\n:class: warning\n{words}\n```") > 2
    after = f"## Recap\n\n{words}"
    assert minutes(f"## Exercises\n\n{words}", cell("def my_answer(): ..."), after) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-3.2 ± 1.0 points, from -12 % to +4", "−3.2 ± 1.0 points, from −12 % to +4"),
        ("kept (-0.5), -1 … -0.2", "kept (−0.5), −1 … −0.2"),
        ("<td>-4.0 ± 0.1</td><td title='-4'>a</td>", "<td>−4.0 ± 0.1</td><td title='-4'>a</td>"),
    ],
)
def test_a_negative_number_has_a_minus_sign(text, shown):
    assert minus_signs(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "ViT-B-16, 1-3, 1e-4, 2026-11-29, well-known, a - 1, --1",
        "`x[-1]` and ``-1``\n```\n-1\n```",
        "$x^{-1} = (-1)$, $$\n(-1)\n$$",
        "[there](-1.html)",
        '<script>draw({"x": [-1, -2]})</script><code>-1</code>',
        "- 5 items\n- 6 items",
    ],
)
def test_a_hyphen_stays_a_hyphen(text):
    assert minus_signs(text) == text


def test_a_letter_after_an_underscore_is_set_low():
    assert subscripts("ω_b = 0.2, <td>W_Q</td>") == "ω<sub>b</sub> = 0.2, <td>W<sub>Q</sub></td>"


@pytest.mark.parametrize(
    "text", ["n_ctx, max_steps, a_b_c", "`W_Q`, <code>W_Q</code>", "$W_Q$", "<i title='W_Q'></i>", "[there](W_Q)"]
)
def test_other_underscores_stay(text):
    assert subscripts(text) == text


def test_what_a_notebook_computed_is_typeset_and_its_printed_text_stays():
    data = {"text/markdown": "gains -3.2 points", "text/html": "<td>-1</td>", "text/plain": "-3.2"}
    outputs = [new_output("execute_result", data=data), new_output("stream", text="loss -1")]
    notebook = new_notebook(cells=[new_markdown_cell("text"), cell("x = -1", outputs=outputs)])
    result, printed = typeset(notebook).cells[1].outputs
    assert result.data == {"text/markdown": "gains −3.2 points", "text/html": "<td>−1</td>", "text/plain": "-3.2"}
    assert printed.text == "loss -1" and notebook.cells[1].outputs[0].data["text/markdown"] == "gains -3.2 points"


@pytest.mark.parametrize(
    ("cell", "marked"),
    [
        ("linear probe", "<td>linear probe</td>"),
        ("CoOp, 200 captions", '<td class="long">CoOp, 200 captions</td>'),
        ("a name of 19 letters", '<td class="long">a name of 19 letters</td>'),
        ("&lt;" * 17, "<td>" + "&lt;" * 17 + "</td>"),
        ("−53.7 ± 10.9 (*)", "<td>−53.7 ± 10.9 (*)</td>"),
        ("80.4 (+16.8 ± 8.8)", '<td class="parts">80.4 (+16.8\u00a0±\u00a08.8)</td>'),
        ("5.6 → 70.1", "<td>5.6 → 70.1</td>"),
        ("74.84 → 76.13", "<td>74.84 → 76.13</td>"),
        ("5.6 → 70.1 | 75.1", '<td class="parts">5.6\u00a0→\u00a070.1\u00a0| 75.1</td>'),
    ],
)
def test_a_cell_of_prose_or_of_several_numbers_is_marked_and_a_number_stays_with_its_interval(cell, marked):
    assert long_cells(f'<tr title="from"><td>{cell}</td></tr>') == f'<tr title="from">{marked}</tr>'
