"""What the book's tools and tests need to know about a notebook file."""

from __future__ import annotations

import ast
import html
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import yaml

ERROR_TAG = "papermill-error-cell-tag"
INJECTED_TAG = "injected-parameters"
WIDGET_MIMES = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """The notebook at `path`, as nbformat 4."""
    return nbformat.read(path, as_version=4)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags; an empty list where it has none."""
    return list(cell.metadata.get("tags", []))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The text of the first heading; empty where there is none."""
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return next((line[2:].strip() for cell in cells for line in cell.splitlines() if line.startswith("# ")), "")


def parameters(notebook: nbformat.NotebookNode) -> dict[str, ast.expr]:
    """Names assigned in cells tagged `parameters`, with the expression of each default."""
    defaults: dict[str, ast.expr] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "parameters" not in tags(cell):
            continue
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, ast.Assign):
                defaults |= {t.id: statement.value for t in statement.targets if isinstance(t, ast.Name)}
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                if statement.value is not None:
                    defaults[statement.target.id] = statement.value
    return defaults


def fold_setup(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook for a page: hidden code cells in a row are one, so that one bar stands before the first figure.

    What papermill injected goes into it, too. Outputs and the first cell's other metadata are kept. The bar with the
    parameters also hides what was printed, such as the device, so that the page begins with its figure.
    """
    cells: list[nbformat.NotebookNode] = []
    previous_hidden = setup = False
    for cell in notebook.cells:
        hidden = cell.cell_type == "code" and bool({"hide-input", INJECTED_TAG} & set(tags(cell)))
        setup = hidden and (bool({"parameters", INJECTED_TAG} & set(tags(cell))) or (previous_hidden and setup))
        if hidden and previous_hidden:
            cells[-1].source += f"\n\n\n{cell.source}"
            cells[-1].outputs += cell.outputs
        else:
            cells.append(deepcopy(cell))
        if hidden:
            printed_only = all(output.output_type == "stream" for output in cells[-1].outputs)
            cells[-1].metadata["tags"] = ["hide-cell" if setup and printed_only else "hide-input"]
        previous_hidden = hidden
    return nbformat.from_dict({**notebook, "cells": cells})


MINUS = r"(?<![\w.\-/])-(?=\d)"
"""A regular expression: a hyphen that stands for a minus sign."""
_PROTECTED = (
    r"<(?P<tag>script|style|pre|code|svg)\b.*?</(?P=tag)>|</?[a-zA-Z!][^>]*>"  # of HTML
    r"|(?P<ticks>`+).*?(?P=ticks)|\$\$.*?\$\$|\$[^$\n]+\$|\]\([^)]*\)"  # of Markdown: code, formulas, targets of links
)
_HYPHEN = re.compile(rf"{_PROTECTED}|{MINUS}", re.S)


_LOW = re.compile(rf"{_PROTECTED}|(?<![\w\\])(?P<sign>[A-Za-zωθσ])_(?P<low>[A-Za-z0-9])(?!\w)", re.S)
"""A letter with an index of one letter, such as W_Q."""


def subscripts(text: str) -> str:
    """Markdown or HTML with "W<sub>Q</sub>" for "W_Q", but not in what `minus_signs` leaves alone."""
    return _LOW.sub(lambda found: f"{found['sign']}<sub>{found['low']}</sub>" if found["sign"] else found[0], text)


def minus_signs(text: str) -> str:
    """Markdown or HTML with "−3.2" for "-3.2", but not in code, formulas, scripts, tags and targets of links."""
    return _HYPHEN.sub(lambda found: "−" if found[0] == "-" else found[0], text)


_CELL = re.compile(r"<td>([^<]*)</td>")
_SHORT, _LONG, _MOST = 12, 17, 24
"""Characters up to which a cell of several numbers, and one of prose, stays in one line; a longer one is prose."""
_PARTS = (" | ", " / ", " (")  # where a cell of several numbers may break
_TOGETHER = (" ± ", " → ", " *", " (*)", " |", " /")
"""Signs that stay with the number before them, and the first two with the one behind."""


def long_cells(text: str) -> str:
    """HTML in which cells of tables that are prose have the class "long", and those of several numbers "parts".

    Both break into lines where a table is too wide, and all others do not. A number stays with its interval.
    """

    def marked(cell: re.Match) -> str:
        told, length = cell[1], len(html.unescape(cell[1]))
        several = any(part in told.replace(" (*)", "") for part in _PARTS) and length <= _MOST
        for sign in _TOGETHER:
            told = told.replace(sign, sign.replace(" ", "\u00a0"))
        kind = "parts" if several and length > _SHORT else "long" if length > _LONG else ""
        return f'<td class="{kind}">{told}</td>' if kind else cell[0]

    return _CELL.sub(marked, text)


def typeset(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook for a page.

    What it computed has minus signs and indices, not hyphens and underscores, and long cells of tables are marked.
    """
    page = deepcopy(notebook)
    for output in (output for cell in page.cells for output in cell.get("outputs", [])):
        for kind in {"text/markdown", "text/html"} & set(output.get("data", {})):
            output.data[kind] = subscripts(minus_signs(output.data[kind]))
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = long_cells(output.data["text/html"])
    return page


def toc_files(toc: Path) -> list[str]:
    """Every file a Jupyter Book table of contents names, root first, without suffixes."""
    listed: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            listed.extend(str(node[key]) for key in ("root", "file") if key in node)
            for key in ("parts", "chapters", "sections"):
                walk(node.get(key))
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(yaml.safe_load(toc.read_text(encoding="utf-8")))
    return listed


def toc_notebooks(project: Path) -> list[Path]:
    """The notebooks of the book, relative to `project`, in reading order."""
    paths = [Path(f"{name}.ipynb") for name in toc_files(project / "_toc.yml")]
    return [path for path in paths if (project / path).is_file()]


_WORDS_A_MINUTE, _FIGURE, _BRIEF = 200, 1 / 4, 1 / 6  # the last two in minutes
_FOLDED = re.compile(
    r"^(```+|:::+)\{(?:(?:dropdown|toggle)\}|admonition\}[^\n]*\n:class:[^\n]*\bdropdown\b).*?^\1$", re.M | re.S
)
_FORMULA = re.compile(r"\$\$.*?\$\$", re.S)
_HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell", "parameters", INJECTED_TAG}


def reading_minutes(notebook: nbformat.NotebookNode) -> float:
    """How long a chapter takes to read: 200 words a minute, 15 s a figure, 10 s a visible code cell or a formula.

    What is folded is not counted, since only those read it who ask for it; nor are exercises, which state their time.
    """
    minutes, counted = 0.0, True
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = _FOLDED.sub("", cell.source)
            for part in re.split(r"^(?=## )", text, flags=re.M):
                counted = not part.startswith("## Exercises") if part.startswith("## ") else counted
                if counted:
                    words = _FORMULA.sub("", part).split()
                    minutes += len(words) / _WORDS_A_MINUTE + _BRIEF * len(_FORMULA.findall(part))
        elif cell.cell_type == "code" and counted:
            minutes += _BRIEF * (not _HIDDEN & set(tags(cell)))
            minutes += _FIGURE * len(re.findall(r"^\s*(?:show|explore)\(", cell.source, re.M))
    return minutes
