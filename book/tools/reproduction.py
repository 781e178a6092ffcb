"""The page of what is reproduced: every table of both papers, cell by cell, with the command that fills a cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from clipcompat.runs.papers.reproduction import AVERAGE, Reproduction, reproduction
from clipcompat_book.committed import committed_records

_STUDIES = ("table2", "table8", "parts", "lambda", "heads", "condition")
_OTHERS = (
    ("Table 3", "contcoop_table3_ood.csv", "table3", "[Shifted pictures](../notebooks/05_ood_evaluation.ipynb)"),
    (
        "DPC, base to new",
        "dpc_base_to_new.csv",
        "dual_prompts",
        "[Dual prompts](../notebooks/07_dpc_dual_prompts.ipynb)",
    ),
)
_START = """# What is reproduced

Every number that both papers print in a table {cite}`contcoop,dpc`, and ours at the same scale: the published weights,
the public datasets, the paper's recipe. A cell that reads *not run here* has no record yet; the command above its table
runs it. Records from any machine fill cells: put the JSON files into the results folder. What the *miniature* says on
the same question is in the chapters, not here, because its numbers are of another world.
"""


def reproduction_page() -> str:
    """MyST text with one section per table."""
    records = committed_records("compatibility")
    found = [reproduction(study, records) for study in _STUDIES]
    return "\n".join([_START, _summary(found), *map(_section, found), *_printed()])


def _summary(found: Sequence[Reproduction]) -> str:
    cells = [cell for table in found for cell in table.cells if cell.dataset != AVERAGE]
    run = sum(bool(cell.records) for cell in cells)
    others = sum(len(_rows(name)) for _, name, *_ in _OTHERS)
    return f"**{run} of {len(cells) + others} cells have a record at the paper's scale.**\n"


def _section(found: Reproduction) -> str:
    averages = Reproduction(found.title, found.command, tuple(c for c in found.cells if c.dataset == AVERAGE))
    rest = Reproduction(found.title, found.command, tuple(c for c in found.cells if c.dataset != AVERAGE))
    name, _, what = found.title.partition(": ")
    text = f"## {name}\n\n{what[0].upper()}{what[1:]}.\n\n```\n{found.command}\n```\n\n"
    if not averages.cells:
        return text + _html(rest)
    return f"{text}{_html(averages)}\n::::{{dropdown}} Every dataset\n{_html(rest)}\n::::\n"


def _html(found: Reproduction) -> str:
    table = re.sub("`([^`]+)`", r"<code>\1</code>", found.table().to_html())
    return f'```{{raw}} html\n<div class="live-table">\n{table}\n</div>\n```\n'


def _printed() -> Iterator[str]:
    """Tables whose cells `clipcompat table --study` does not compare: as the paper prints them, and how to run them."""
    for title, name, study, chapter in _OTHERS:
        rows = _rows(name)
        head = f"| {' | '.join(rows[0])} | ours |\n|{'---|' * (len(rows[0]) + 1)}\n"
        body = "\n".join(f"| {' | '.join(row.values())} | not run here |" for row in rows)
        yield (
            f"## {title}\n\n```\nclipcompat sweep {study} --scale paper --root DATA --out results\n```\n\n"
            f"The paper's numbers; {chapter} has the miniature's.\n\n"
            f"::::{{dropdown}} Every number\n{head}{body}\n::::\n"
        )


def _rows(name: str) -> list[dict[str, str]]:
    with (files("clipcompat.runs.papers") / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
