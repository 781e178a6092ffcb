"""The page of what is reproduced: tables of both papers, cell by cell, with the command that fills a cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clipcompat.runs.papers.printed import PrintedTable, printed_tables
from clipcompat.runs.papers.reproduction import AVERAGE, Reproduction, reproduction
from clipcompat.runs.records import Record, find_records
from clipcompat_book.committed import all_committed

RESULTS = "results"
"""The folder of a checkout in which `clipcompat sweep` leaves records, and where those of other machines may be put."""

_STUDIES = ("table2", "table8", "parts", "lambda", "heads", "condition")
_CHAPTERS = {
    "table3": "[Shifted pictures](../notebooks/05_ood_evaluation.ipynb)",
    "dual_prompts": "[Dual prompts](../notebooks/07_dpc_dual_prompts.ipynb)",
}
_START = f"""# What is reproduced

The accuracies of ContCoOp's Tables 2 to 8 {{cite}}`contcoop` and of DPC's table of base and new classes {{cite}}`dpc`,
and ours at the same scale: the published weights, the public datasets, the paper's recipe. A cell that reads
*not run here* has no record yet; the command above its table runs it. Records from any machine fill cells: put the JSON
files into the folder `{RESULTS}/` of the checkout, and build the book.

Not here are

- what ContCoOp's paper draws and does not print: Fig. 2b to 2d (studies `drift` and `depth`) and Fig. 4 (`length`).
  Fig. 2a shows the averages of Table 2;
- ContCoOp's Table 1, which has sizes of datasets;
- the other protocols of DPC's code, cross-dataset and domain generalisation. We have no copy of their printed numbers.
  The studies `cross_dataset` and `domain` run them.

What the *miniature* says on the same questions is in the chapters, not here, because its numbers are of another world:
[From shallow to deep](../notebooks/01_methods.ipynb) has Table 2 beside ours,
[ContCoOp](../notebooks/03_contcoop.ipynb) Fig. 2a, and [the miniature world](../notebooks/90_mini_world.ipynb) Table 8.
"""


def known_records(checkout: Path) -> list[Record]:
    """The records of every committed list, and those in the results folder of a checkout, if there are any."""
    folder = checkout / RESULTS
    return all_committed() + (find_records(folder) if folder.is_dir() else [])


def reproduction_page(records: Iterable[Record]) -> str:
    """MyST text with one section per table, filled with what is among the records."""
    records = list(records)
    found, others = [reproduction(study, records) for study in _STUDIES], printed_tables(records)
    return "\n".join([_START, _summary(found, others), *map(_section, found), *map(_printed, others)])


def _summary(found: Sequence[Reproduction], others: Sequence[PrintedTable]) -> str:
    run = [bool(cell.records) for table in found for cell in table.cells if cell.dataset != AVERAGE]
    run += [bool(row.records) for table in others for row in table.rows]
    return f"**{sum(run)} of {len(run)} cells have a record at the paper's scale.**\n"


def _section(found: Reproduction) -> str:
    averages = Reproduction(found.title, found.command, tuple(c for c in found.cells if c.dataset == AVERAGE))
    rest = Reproduction(found.title, found.command, tuple(c for c in found.cells if c.dataset != AVERAGE))
    name, _, what = found.title.partition(": ")
    text = f"## {name}\n\n{what[0].upper()}{what[1:]}.\n\n```\n{found.command}\n```\n\n"
    if not averages.cells:
        return text + _html(rest)
    return f"{text}{_html(averages)}\n::::{{dropdown}} Every dataset\n{_html(rest)}\n::::\n"


def _printed(found: PrintedTable) -> str:
    """A table whose cells `clipcompat table --study` does not compare."""
    return (
        f"## {found.title}\n\n```\n{found.command}\n```\n\n"
        f"The paper's numbers; {_CHAPTERS[found.study]} has the miniature's.\n\n"
        f"::::{{dropdown}} Every number\n{_html(found)}\n::::\n"
    )


def _html(found: Reproduction | PrintedTable) -> str:
    """The table; without its first column where that says the same in every row, as the text above it does, too."""
    table = found.table()
    if len({row[0] for row in table.rows}) == 1:
        table = replace(table, columns=table.columns[1:], rows=tuple(row[1:] for row in table.rows))
    columns = tuple(re.sub(r"(?<=.)ImageNet-?(?=\w)|^ImageNet-?(?=\w)", "-", name) for name in table.columns)
    table = replace(table, columns=columns)
    table = re.sub("`([^`]+)`", r"<code>\1</code>", table.to_html())
    return f'```{{raw}} html\n<div class="printed">\n{table}\n</div>\n```\n'
